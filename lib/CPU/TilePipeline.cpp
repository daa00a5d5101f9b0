//===- TilePipeline.cpp - products and bodies of AMX tiles side by side -----------------------===//
//
// A product leaves the matrix unit for memory and comes back as vectors, so that its body can run
// while the next tile is multiplied: the two use different units. One loop over the tiles of a
// block emits both, a step of depth at a time: its products and a share of the slices of the tile
// before, so short that the processor sees the next step's products behind it. Slices stand in the
// code once, since they are most of what there is to compile. The last tile's slices have a turn of
// their own. Above the diagonal of a symmetric product nothing is computed; a tile on it is
// completed in place, one below it is written transposed too.
//
// Numerics: the order of a sum is that of the steps, however they are cut into chunks, since an
// accumulator is f32 in memory too.
//
//===-------------------------------------------------------------------------------------------===//

#include "Kernels.h"
#include "LaunchAbi.h"
#include "SubTile.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

/// Side of an AMX register tile, the elements of depth of a step, and its products.
static constexpr int64_t kTile = 32, kStep = 32, kProducts = 4;
/// One, as shares of slices are counted: rounded up, so that all are due after the last step.
static constexpr int64_t kOne = 1 << 16;

namespace {
class TilePipeline {
public:
  TilePipeline(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame,
               const ProductBlock &block)
      : e(e), routines(routines), kernel(kernel), frame(frame), block(block), reductions(e, body, frame),
        subTile(e, routines, kernel, body, frame, reductions) {}
  void emit();

private:
  /// Steps of depth from `begin`; the last chunk's sums are complete. `share` is the part of all slices due after one
  /// step.
  struct Chunk {
    Value begin, steps, share, first, last;
  };
  /// The tile at hand and, if `slices` is not zero, the one before.
  struct Turn {
    Value real, i, j, sums;
    Value slices, rowBefore, columnBefore, sumsBefore;
  };
  Value countTiles();
  void emitChunk(const Chunk &chunk, Value apart);
  void emitTurn(const Chunk &chunk, const Turn &turn);
  Value completeTile(const Turn &turn);
  void emitProduct(int64_t product, Value onDiagonal);
  void emitSlices(const SubTile::Tile &before, Value begin, Value end);
  void completeDiagonal(Value row, Value column, Value sums);
  void emitAtEdge(const Turn &turn, Value row, Value column, Value mirrored);
  Value rowOf(Value i) { return e.add(block.row, e.mul(i, kTile)); }
  Value columnOf(Value j) { return e.add(block.column, e.mul(j, kTile)); }

  Emitter &e;
  Routines &routines;
  KernelOp kernel;
  const Frame &frame;
  ProductBlock block;
  Reductions reductions;
  SubTile subTile;
  Value down, side;
};
} // namespace

Value TilePipeline::countTiles() {
  Value all = e.mul(down, e.ceilDiv(block.columns, side));
  if (!kernel.getSymmetric())
    return all;
  Value triangle = e.div(e.mul(down, e.add(down, 1)), 2);
  return e.select(block.onDiagonal, triangle, all);
}

void TilePipeline::emit() {
  side = e.index(kTile), down = e.ceilDiv(block.rows, side);
  subTile.beginTile();
  reductions.begin();
  Value zero = e.index(0), depth = e.ceilDiv(frame.sizes[abi::kK], e.index(kStep));
  Value asked = e.ceilDiv(frame.sizes[abi::kChunk], e.index(kStep));
  Value size = e.select(e.less(zero, asked), asked, depth), chunks = e.ceilDiv(depth, size);
  // Sums of several chunks stay where they are; of one, every tile's have the same place, which
  // stays in the first-level cache.
  Value apart = e.select(e.less(e.index(1), chunks), e.index(kTile * kTile), zero);
  openTiles(e);
  e.loop(zero, chunks, 1, [&](Value number) {
    Value begin = e.mul(number, size), steps = e.min(size, e.sub(depth, begin));
    Value share = e.ceilDiv(e.index(kOne), steps);
    emitChunk({begin, steps, share, e.equal(number, zero), e.equal(e.add(begin, steps), depth)}, apart);
  });
  closeTiles(e);
  reductions.finish();
}

/// All tiles, column of tiles by column of tiles so that a panel of B stays in the first-level
/// cache, and a turn for the last body.
void TilePipeline::emitChunk(const Chunk &chunk, Value apart) {
  Value zero = e.index(0), tiles = countTiles();
  Value turns = e.select(chunk.last, e.add(tiles, 1), tiles);
  SmallVector<Value> start(6, zero);
  e.loop(zero, turns, 1, start, [&](Value number, ValueRange carried) {
    Turn turn{e.less(number, tiles),
              carried[0],
              carried[1],
              e.offset(frame.scratch, e.f32, e.mul(number, apart)),
              carried[2],
              carried[3],
              carried[4],
              e.offset(frame.scratch, e.f32, carried[5])};
    emitTurn(chunk, turn);
    Value slices = e.choose(
        e.i64, e.both(turn.real, chunk.last), [&] { return SmallVector<Value>{completeTile(turn)}; },
        [&] { return SmallVector<Value>{zero}; })[0];
    Value nextI = e.add(turn.i, 1), isLast = e.equal(nextI, down), nextJ = e.select(isLast, e.add(turn.j, 1), turn.j);
    Value top = kernel.getSymmetric() ? e.select(block.onDiagonal, nextJ, zero) : zero;
    return SmallVector<Value>{e.select(isLast, top, nextI), nextJ, slices, rowOf(turn.i), columnOf(turn.j),
                              e.mul(number, apart)};
  });
}

void TilePipeline::emitTurn(const Chunk &chunk, const Turn &turn) {
  const Operand &a = frame.operands[0], &b = frame.operands[1];
  Value strip = e.mul(e.add(e.div(block.row, kTile), turn.i), 2), panel = e.add(e.div(block.column, kTile), turn.j);
  Value atA = e.add(e.mul(strip, a.rowStride), e.mul(chunk.begin, 16 * kStep));
  Value atB = e.add(e.mul(panel, b.rowStride), e.mul(chunk.begin, kStep / 2 * kTile));
  Value fromA = e.offset(a.data, a.attr.getDtype(), atA), fromB = e.offset(b.data, e.f32, atB);
  Value onDiagonal = kernel.getSymmetric() ? e.equal(rowOf(turn.i), columnOf(turn.j)) : Value();
  SubTile::Tile before = subTile.openTile(turn.rowBefore, turn.columnBefore, {turn.sumsBefore, side});
  // The last tile's slices have a turn without products, all in one step.
  Value steps = e.select(turn.real, chunk.steps, e.index(1));
  Value share = e.mul(turn.slices, e.select(turn.real, chunk.share, e.index(kOne)));
  e.when(turn.real, [&] { e.when(chunk.first, [&] { zeroTiles(e); }, [&] { loadTiles(e, turn.sums, side); }); });
  e.loop(e.index(0), steps, 1, e.index(0), [&](Value step, ValueRange carried) {
    e.when(turn.real, [&] {
      loadOperandTiles(e, fromA, a.rowStride, fromB, step);
      for (int64_t product = 0; product < kProducts; ++product)
        emitProduct(product, onDiagonal);
    });
    Value due = e.min(turn.slices, e.div(e.mul(e.add(step, 1), share), kOne));
    emitSlices(before, carried[0], due);
    return SmallVector<Value>{due};
  });
  e.when(turn.real, [&] { storeTiles(e, turn.sums, side); });
}

/// Of a tile on the diagonal the corner above it, accumulator 1, is not computed.
void TilePipeline::emitProduct(int64_t product, Value onDiagonal) {
  if (!onDiagonal || product != 1)
    return multiplyTiles(e, product);
  e.when(onDiagonal, [] {}, [&] { multiplyTiles(e, product); });
}

/// Slices of the tile before; the first completes a tile on the diagonal. There are a few at a time, not enough for
/// LLVM's search for induction variables that walk along with the slice: that took a quarter of the compile time.
void TilePipeline::emitSlices(const SubTile::Tile &before, Value begin, Value end) {
  e.loop(begin, end, 1, [&](Value number) {
    Value slice = e.opaque(number);
    e.when(e.equal(slice, e.index(0)), [&] { completeDiagonal(before.row, before.column, before.sums.data); });
    subTile.emitTileSlice(slice, before);
  });
}

/// Copies what lies below the diagonal of a symmetric product above it; of a square one only the corner is missing.
void TilePipeline::completeDiagonal(Value row, Value column, Value sums) {
  if (!kernel.getSymmetric())
    return;
  e.when(e.equal(row, column), [&] {
    if (!kernel.getSquare())
      return routines.symmetrise(e, sums, side, side);
    Value below = e.offset(sums, e.f32, e.index(kTile * kLanes)), above = e.offset(sums, e.f32, e.index(kLanes));
    routines.transposeWords(e, below, kTile, above, kTile);
  });
}

/// The tile's sums are complete. Answers how many slices it leaves to the next turn: none where it
/// reaches over the matrix's edge.
Value TilePipeline::completeTile(const Turn &turn) {
  Value row = rowOf(turn.i), column = columnOf(turn.j), mirrored;
  if (kernel.getSymmetric())
    mirrored = e.value<arith::XOrIOp>(e.equal(row, column), e.bits(e.i1, 1));
  Value lastRow = e.add(block.row, block.rows), lastColumn = e.add(block.column, block.columns);
  Value fits = subTile.fitsTile(row, column, lastRow, lastColumn);
  e.when(
      fits, [] {},
      [&] {
        completeDiagonal(row, column, turn.sums);
        emitAtEdge(turn, row, column, mirrored);
      });
  return e.select(fits, subTile.tileSlices(mirrored), e.index(0));
}

/// The body over the tile by sub-tiles: all as ragged ones, since a second copy of the body takes longer to compile
/// than it saves.
void TilePipeline::emitAtEdge(const Turn &turn, Value row, Value column, Value mirrored) {
  Value lastRow = e.add(block.row, block.rows), lastColumn = e.add(block.column, block.columns);
  e.loop(e.index(0), side, kLanes, [&](Value i) {
    reductions.beginStrip();
    e.loop(e.index(0), side, kLanes, [&](Value j) {
      Value at = e.offset(turn.sums, e.f32, e.add(e.mul(i, kTile), j));
      subTile.emitRagged(e.add(row, i), e.add(column, j), lastRow, lastColumn, {at, side}, mirrored);
    });
    Value strip = e.add(row, i);
    reductions.endStrip(strip, e.min(e.index(kLanes), e.sub(lastRow, strip)), mirrored);
  });
}

void cpu::emitTilePipeline(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame,
                           const ProductBlock &block) {
  TilePipeline(e, routines, kernel, body, frame, block).emit();
}
