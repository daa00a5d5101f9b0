//===- MainLoop.h - all of k for one block of a product -----------------------------*- C++ -*-===//
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

/// Accumulators of one thread: for every 16 rows and 8 columns of its warp's part, row by row, the four f32 of mma's C
/// fragment.
struct AccumulatorTile {
  int64_t rowTiles, columnTiles;
  SmallVector<Value> values;
  Value at(int64_t row, int64_t column, int64_t i) const { return values[(row * columnTiles + column) * 4 + i]; }
};

/// Registers (i32) of an operand's fragment. An f32 is two tf32: its upper 11 bits, `whole`, and 11 of what they leave,
/// `rest`. Both are exact but for the last bits of the second.
struct Registers {
  SmallVector<Value> whole, rest; ///< no rest but of f32
};
Registers operandRegisters(Emitter &e, SmallVector<Value> words, OperandKind kind);

/// 16 x 16 of C and 32 bytes of k: two mma.sync side by side, of f32 six, the small terms first; what they leave out is
/// below f32's own rounding. `left` are A's four registers, `right` those of two fragments of B, `sums` the four of C
/// for each.
void multiplyTile(Emitter &e, Type element, const Registers &left, const Registers &right,
                  llvm::MutableArrayRef<Value> sums);

/// Emits the multistage loop: `stages` - 1 steps of k are on their way from global memory while one is multiplied. When
/// it is done no copy is on its way and all threads have passed a barrier: shared memory is free.
AccumulatorTile emitMainLoop(Emitter &e, KernelOp kernel, const Frame &frame, const ProductTile &tile,
                             const BlockPlace &place);

} // namespace muon::gpu

#endif // MUON_GPU_MAINLOOP_H
