//===- CpuTiles.h - register tiles of a processor -----------------------------------*- C++ -*-===//
//
// What plan and kernels agree on about the register tiles of a product.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_PLAN_CPU_TILES_H
#define MUON_PLAN_CPU_TILES_H

#include "muon/IR/Muon.h"
#include "llvm/Support/MathExtras.h"

namespace muon::cpu {

/// A product's block, and whole panels of it, end on multiples of this on both sides.
constexpr int64_t kGrain = 32;
/// A hardware tile (AMX) is 16 rows of 32 bf16, and a strip 16 rows of tiles; two strips are multiplied at a time.
constexpr int64_t kStripRows = 16, kTileDepth = 32, kStripPair = 2 * kStripRows;

/// The multiple that panels and strips are padded to along the depth: 16 words, or the 32 halves of one hardware tile.
inline int64_t depthGrain(mlir::Type packed) { return packed.isF32() ? 16 : kTileDepth; }

/// The block buffer of a product holds the f32 sums of one block. Rows are an odd number of cache lines apart, so that
/// columns spread over all sets: f32 from one row's end to the next one's start.
constexpr int64_t kBufferGap = 16;
inline int64_t blockBufferBytes(int64_t blockRows, int64_t blockColumns) {
  return llvm::alignTo(blockRows, kGrain) * (llvm::alignTo(blockColumns, kGrain) + kBufferGap) * sizeof(float);
}

/// Panels of B that a register tile of f32 operands spans: two where a register holds 16 of them. The 32 registers then
/// hold the sums of six rows of 64 columns, 10 loads for 24 multiply-adds; of eight rows of 32 columns it is 10 for 16.
inline int64_t panelsOfTile(TargetAttr target) { return target.getVector() == 16 ? 2 : 1; }

} // namespace muon::cpu

#endif // MUON_PLAN_CPU_TILES_H
