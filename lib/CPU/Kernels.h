//===- Kernels.h - the two kinds of tile functions ----------------------------------*- C++ -*-===//
#ifndef MUON_CPU_KERNELS_H
#define MUON_CPU_KERNELS_H

#include "Frame.h"
#include "Routines.h"

namespace muon::cpu {

/// Refuses what no kernel of this room computes, with a diagnostic that says what.
mlir::LogicalResult checkOperands(KernelOp kernel, Body &body, const Machine &machine);

void emitSweep(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame);
void emitProduct(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame);

/// How a product's register tiles are computed.
enum class Micro { fma, f16, dot, tiles };
Micro microOf(KernelOp kernel);

/// One register tile of C: height x width f32 at `c`, whose rows are `stride` floats apart. It takes A B over `depth`
/// words of k (AMX: steps of 32 elements). `fresh` says whether A B replaces what is there or is added to it.
/// `a` and `b` are the addresses of the first words. A tile has `height` lanes of a panel of A, and of B the first
/// `width` lanes of a panel or all of two.
struct MicroTile {
  Value a, b, c, stride, depth, fresh;
  int64_t height, width;
  /// Words from a panel of B to the next, where the tile is wider than one.
  Value apart = {};
  /// Whether runs of its sums are added up from parts of narrowPart words (callFma).
  bool inParts = false;
};
/// The least multiple, from `depth` on, of the words that a micro kernel's loop takes at a time: what callFma, callDot
/// and callF16 need.
Value unrolledDepth(Emitter &e, Value depth);
void callFma(Emitter &e, Routines &routines, const MicroTile &tile);
void callDot(Emitter &e, Routines &routines, const MicroTile &tile);
void callF16(Emitter &e, Routines &routines, const MicroTile &tile);
/// 32 x 32; `strip` is the distance in elements from A's first strip of 16 rows to its second.
void callTiles(Emitter &e, Routines &routines, const MicroTile &tile, Value strip);

// AMX, one instruction sequence each, between `openTiles` and `closeTiles`: a 32 x 32 product in four accumulator
// tiles, which are set to zero or loaded from C, whose rows are `stride` floats apart; a step is 32 elements of depth:
// operands loaded (`strip`: the elements from one strip of 16 rows of A to the next), then a product for each
// accumulator: 2i + j of rows 16i and columns 16j.
void openTiles(Emitter &e);
void zeroTiles(Emitter &e);
void loadTiles(Emitter &e, Value c, Value stride);
void loadOperandTiles(Emitter &e, Value a, Value strip, Value b, Value step);
void multiplyTiles(Emitter &e, int64_t accumulator);
void storeTiles(Emitter &e, Value c, Value stride);
void closeTiles(Emitter &e);

/// A block of a product: its first element, its extent, and whether it lies on the diagonal of a symmetric one.
struct ProductBlock {
  Value row, column, rows, columns, onDiagonal;
};
/// A block whose AMX tiles are sliced (`slicesTiles`), from its products to its outputs.
void emitTilePipeline(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame,
                      const ProductBlock &block);

} // namespace muon::cpu

#endif // MUON_CPU_KERNELS_H
