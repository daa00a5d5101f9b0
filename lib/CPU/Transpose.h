//===- Transpose.h - transposition between memory and registers ---------------------*- C++ -*-===//
#ifndef MUON_CPU_TRANSPOSE_H
#define MUON_CPU_TRANSPOSE_H

#include "Emitter.h"

namespace muon::cpu {

/// The 16 columns of 16 rows of 16 words, `stride` words apart.
SmallVector<Value> loadTransposed(Emitter &e, Value pointer, Value stride);

/// The two 8x8 matrices in the low and in the high halves of 8 rows, each transposed in its place.
SmallVector<Value> transposedHalves(Emitter &e, llvm::ArrayRef<Value> rows);

} // namespace muon::cpu

#endif // MUON_CPU_TRANSPOSE_H
