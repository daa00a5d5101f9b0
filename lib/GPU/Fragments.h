//===- Fragments.h - operands of mma.sync in shared memory --------------------------*- C++ -*-===//
//
// One operand's tile of one step of k, in one of two shapes, both free of bank conflicts for 16-byte copies in and for
// ldmatrix out (c is the 16-byte chunk within a row):
//   along k:  a row per row of C, 64 bytes of k; chunk c of row r lies at c ^ (r / 2 % 4)
//   across k: a row per k, the rows of C beside each other; chunk c of row k lies at c ^ (k % 8) where a row is whole
//             128 bytes, else (odd multiples of 64 bytes) at c ^ (k / 2 % 4). f32, which ldmatrix cannot turn, is
//             loaded by words: c ^ (k % 4 * 2)
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_GPU_FRAGMENTS_H
#define MUON_GPU_FRAGMENTS_H

#include "Frame.h"

#include "muon/Plan/GpuTiles.h"

namespace muon::gpu {

/// Four 8 x 8 matrices of 16-bit elements from shared memory, a register (i32) each: row l % 8 of matrix l / 8 lies at
/// lane l's address. By columns (col), each lane has what it would have of the transposed matrix.
SmallVector<Value> loadMatrices(Emitter &e, Value address, mlir::NVVM::MMALayout layout);

/// The rows of C that one operand provides (its columns, for B) and how they come.
class FragmentSource {
public:
  /// `lines` rows of the block, starting at `first`; `limit` is how many the matrix has with its padding; `warpLine` is
  /// where this thread's warp starts within the block; `tileOffset` bytes lie between a stage's start and this
  /// operand's tile.
  FragmentSource(Emitter &e, const Operand &operand, bool alongK, int64_t lines, int64_t depth, Value first,
                 Value limit, Value warpLine, int64_t tileOffset, int64_t threads, Value thread, bool isA);

  int64_t tileBytes() const { return lines * depth * elementBytes; }
  /// Starts the copies of one step into the stage at `stage` (a shared address); `step` is its offset in global memory.
  void copy(Value stage, Value step);
  /// How far a step of k moves in global memory, bytes (i64).
  Value stepBytes();
  /// The registers (i32) of 16 lines (a tile of A, or two of B) for one mma step of k (32 bytes), from the stage at
  /// `stage`.
  SmallVector<Value> load(Value stage, int64_t group, int64_t k);

private:
  void planCopies(Value first, Value limit, int64_t threads, Value thread);
  void planLoads(Value warpLine, Value lane);
  void planWordLoads(Value warpLine, Value lane);
  SmallVector<Value> loadWords(Value stage, int64_t group, int64_t k);
  Value swizzled(Value line, Value chunk);

  Emitter &e;
  Operand operand;
  bool alongK, isA;
  int64_t lines, depth, elementBytes, tileOffset, copies;
  SmallVector<Value> sources; ///< global address of each copy of this thread, at step 0
  SmallVector<Value> targets; ///< its offset in a stage
  /// Of this lane's ldmatrix row: per mma step of k (along k), per group of lines (across).
  SmallVector<Value> laneOffsets;
};

} // namespace muon::gpu

#endif // MUON_GPU_FRAGMENTS_H
