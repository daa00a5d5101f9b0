//===- Transpose.h - transposition in registers ---------------------------------------*- C++
//-*-===//
#ifndef MUON_CPU_TRANSPOSE_H
#define MUON_CPU_TRANSPOSE_H

#include "Emitter.h"

namespace muon::cpu {

/// 16 rows of 16 lanes become 16 columns: 4x4 blocks inside 128-bit groups first, then whole
/// groups.
SmallVector<Value> transposed(Emitter &e, llvm::ArrayRef<Value> rows);

/// The two 8x8 matrices in the low and in the high halves of 8 rows, each transposed in its place.
SmallVector<Value> transposedHalves(Emitter &e, llvm::ArrayRef<Value> rows);

} // namespace muon::cpu

#endif // MUON_CPU_TRANSPOSE_H
