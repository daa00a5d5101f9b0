//===- MainLoop.h - all of k for one block of a product ---------------------------------*- C++ -*-===//
#ifndef MUON_GPU_MAINLOOP_H
#define MUON_GPU_MAINLOOP_H

#include "Frame.h"

#include "muon/Plan/GpuTiles.h"

namespace muon::gpu {

/// Where a block lies in C, and this thread's warp in the block (i32).
struct BlockPlace {
  Value row, column;         ///< first of the block
  Value warpRow, warpColumn; ///< first of the warp's part, within the block
  Value firstStep, steps;    ///< of k that this block adds up, in steps of the tile's depth; null: all of it
};

/// Accumulators of one thread: for every 16 rows and 8 columns of its warp's part, row by row, the four f32 of mma's C fragment.
struct AccumulatorTile {
  int64_t rowTiles, columnTiles;
  SmallVector<Value> values;
  Value at(int64_t row, int64_t column, int64_t i) const { return values[(row * columnTiles + column) * 4 + i]; }
};

/// 16 x 8 of C and 32 bytes of k: one mma.sync. `left` are A's four registers (i32), `right` B's two, `sum` the four of C.
void multiplyTile(Emitter &e, Type dtype, ArrayRef<Value> left, ArrayRef<Value> right, llvm::MutableArrayRef<Value> sum);

/// Emits the multistage loop: `stages` - 1 steps of k are on their way from global memory while one is multiplied. When it is
/// done no copy is on its way and all threads have passed a barrier: shared memory is free.
AccumulatorTile emitMainLoop(Emitter &e, KernelOp kernel, const Frame &frame, const ProductTile &tile, const BlockPlace &place);

} // namespace muon::gpu

#endif // MUON_GPU_MAINLOOP_H
