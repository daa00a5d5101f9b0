//===- Product.cpp - one block of a matrix product --------------------------------------------===//
//
// After the main loop the accumulators go through shared memory, one row of warps at a time (a slab), so that the body
// reads and writes matrices by rows in 16-byte chunks as a sweep does. A symmetric product computes blocks on and below
// the diagonal; each slab is written a second time, turned, above it. Blocks on the diagonal are cut into 8 x 8
// squares: those below are written from their own accumulators, those above from the mirrored ones, those on it from
// their lower halves. A product whose k is cut into parts stores the sums of each part in a matrix of its own.
//
//===----------------------------------------------------------------------------------------------===//

#include "Blocks.h"
#include "Chunk.h"
#include "LaunchAbi.h"
#include "MainLoop.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

namespace {
class Product {
public:
  Product(Emitter &e, KernelOp kernel, Body &body, const Frame &frame)
      : e(e), kernel(kernel), frame(frame), tile(ProductTile::of(*kernel.getTile())), rows(frame.sizes[abi::kM]),
        columns(frame.sizes[abi::kN]), chunk(e, kernel, body, inPart(), rows, columns),
        slabRows(tile.rows / tile.warpsDown) {}
  void emit();

private:
  const Frame &inPart();
  void findBlock();
  void findTriangle();
  void findInBands();
  Value slabAddress(Value row, Value column);
  Value loadAccumulator(Value row, Value column);
  void storeSlab(const AccumulatorTile &accumulators);
  void writeDirect(Value slab);
  void writeMirrored(Value slab);
  void writeChunk(Value row, Value column, const Accumulators &accumulators);

  Emitter &e;
  KernelOp kernel;
  Frame frame;
  ProductTile tile;
  Value rows, columns;
  BlockPlace place;
  Chunk chunk;
  int64_t slabRows;
  Value warpDown;   ///< which row of warps this thread belongs to
  Value onDiagonal; ///< of a symmetric product
};
} // namespace

//===----------------------------------------------------------------------------------------------===//
// Which block
//===----------------------------------------------------------------------------------------------===//

/// A product in parts has the tiles of one part after those of another: makes of the frame that of a block of its part.
const Frame &Product::inPart() {
  Operand *sums = llvm::find_if(frame.operands, [](const Operand &operand) { return operand.isInParts(); });
  if (sums == frame.operands.end())
    return frame;
  auto blocks = [&](Value size, int64_t each) { return e.div(e.add(size, each - 1), e.index(each)); };
  Value down = blocks(rows, tile.rows);
  Value each =
      kernel.getSymmetric() ? e.div(e.mul(down, e.add(down, 1)), 2) : e.mul(down, blocks(columns, tile.columns));
  Value part = e.div(frame.tile, each), perPart = e.div(frame.sizes[abi::kPartDepth], tile.depth);
  Value all = e.div(e.roundUp(frame.sizes[abi::kK], kPadding), tile.depth);
  place.firstStep = e.mul(part, perPart);
  place.steps = e.min(perPart, e.sub(all, place.firstStep));
  frame.tile = e.sub(frame.tile, e.mul(part, each));
  sums->data = e.bytes(sums->data, e.mul(e.mul(e.wide(part), e.mul(e.wide(rows), sums->rowStride)), sums->bytes()));
  return frame;
}

/// Row r of blocks starts at tile r (r + 1) / 2; the root is off by at most one after rounding.
void Product::findTriangle() {
  Value wide = e.make<arith::UIToFPOp>(e.f32, e.add(e.mul(frame.tile, 8), 1));
  Value root = e.make<arith::SubFOp>(e.make<math::SqrtOp>(wide), e.constant(e.f32, 1.0));
  Value guess = e.make<arith::FPToSIOp>(e.i32, e.make<arith::MulFOp>(root, e.constant(e.f32, 0.5)));
  auto start = [&](Value row) { return e.div(e.mul(row, e.add(row, 1)), 2); };
  Value row = e.select(e.less(frame.tile, start(guess)), e.add(guess, -1), guess);
  row = e.select(e.less(frame.tile, start(e.add(row, 1))), row, e.add(row, 1));
  Value column = e.sub(frame.tile, start(row));
  onDiagonal = e.equal(row, column);
  place.row = e.mul(row, tile.rows), place.column = e.mul(column, tile.columns);
}

/// Bands of 8 rows of blocks, each walked column by column: blocks that run together share rows of A and columns of B
/// in the cache.
void Product::findInBands() {
  constexpr int64_t kBand = 8;
  auto blocks = [&](Value size, int64_t each) { return e.div(e.add(size, each - 1), e.index(each)); };
  Value across = blocks(columns, tile.columns), down = blocks(rows, tile.rows), perBand = e.mul(across, kBand);
  Value band = e.div(frame.tile, perBand), first = e.mul(band, kBand),
        height = e.min(e.index(kBand), e.sub(down, first));
  Value inBand = e.sub(frame.tile, e.mul(band, perBand)), column = e.div(inBand, height);
  place.row = e.mul(e.add(first, e.sub(inBand, e.mul(column, height))), tile.rows);
  place.column = e.mul(column, tile.columns);
}

void Product::findBlock() {
  if (kernel.getSymmetric()) {
    findTriangle();
  } else {
    findInBands();
  }
  Value warp = e.div(frame.thread, kWarp);
  warpDown = e.div(warp, tile.warpsAcross);
  place.warpRow = e.mul(warpDown, slabRows);
  place.warpColumn = e.mul(e.rem(warp, tile.warpsAcross), tile.columns / tile.warpsAcross);
}

//===----------------------------------------------------------------------------------------------===//
// The slab: f32, a row after the other, groups of 8 columns exchanged so that neither rows nor columns of it collide in
// banks
//===----------------------------------------------------------------------------------------------===//

Value Product::slabAddress(Value row, Value column) {
  Value key = e.mul(e.rem(e.exclusiveOr(row, e.div(row, 8)), 4), kChunk);
  Value at = e.add(e.mul(row, tile.columns), e.exclusiveOr(column, key));
  return e.bytes(e.sharedMemory(), e.mul(at, sizeof(float)));
}

Value Product::loadAccumulator(Value row, Value column) {
  return e.load(e.f32, slabAddress(row, column), sizeof(float));
}

void Product::storeSlab(const AccumulatorTile &accumulators) {
  Value lane = e.rem(frame.thread, kWarp);
  Value row = e.div(lane, 4), column = e.add(place.warpColumn, e.mul(e.rem(lane, 4), 2));
  for (int64_t i = 0; i < accumulators.rowTiles; ++i)
    for (int64_t j = 0; j < accumulators.columnTiles; ++j)
      for (int64_t half = 0; half < 2; ++half) {
        Value pair = e.vectorOf({accumulators.at(i, j, 2 * half), accumulators.at(i, j, 2 * half + 1)});
        e.store(pair, slabAddress(e.add(row, 16 * i + 8 * half), e.add(column, 8 * j)), 2 * sizeof(float));
      }
}

//===----------------------------------------------------------------------------------------------===//
// Writing C
//===----------------------------------------------------------------------------------------------===//

/// A chunk of C, unless it lies beyond what is written.
void Product::writeChunk(Value row, Value column, const Accumulators &accumulators) {
  Value inside = e.both(e.less(row, chunk.extentRows()), e.less(column, chunk.extentColumns()));
  e.when(inside, [&] { chunk.emit(row, column, &accumulators, {}); });
}

void Product::writeDirect(Value slab) {
  int64_t perRow = tile.columns / kChunk;
  e.loop(frame.thread, e.index(slabRows * perRow), e.index(tile.threads()), [&](Value i) {
    Value row = e.div(i, e.index(perRow)), column = e.mul(e.sub(i, e.mul(row, perRow)), kChunk),
          inBlock = e.add(slab, row);
    // Of a square on the diagonal the half above it is read from below.
    Value straddles =
        kernel.getSymmetric() ? e.both(onDiagonal, e.equal(e.div(inBlock, kChunk), e.div(column, kChunk))) : Value();
    auto rows = [&] {
      SmallVector<Value> elements;
      constexpr int64_t kVector = 4;
      for (int64_t begin = 0; begin < kChunk; begin += kVector) {
        Value part =
            e.load(VectorType::get({kVector}, e.f32), slabAddress(row, e.add(column, begin)), kVector * sizeof(float));
        for (int64_t j = 0; j < kVector; ++j)
          elements.push_back(e.lane(part, j));
      }
      return elements;
    };
    auto one = [&](Value j) {
      Value other = e.add(column, j);
      if (!straddles)
        return loadAccumulator(row, other);
      Value above = e.both(straddles, e.less(inBlock, other));
      return loadAccumulator(e.select(above, e.sub(other, slab), row), e.select(above, inBlock, other));
    };
    auto square = [&] {
      SmallVector<Value> elements;
      for (int64_t j = 0; j < kChunk; ++j)
        elements.push_back(one(e.index(j)));
      return elements;
    };
    Accumulators accumulators{
        [&] { return straddles ? e.choose(SmallVector<Type>(kChunk, e.f32), straddles, square, rows) : rows(); }, one};
    auto write = [&] { writeChunk(e.add(place.row, inBlock), e.add(place.column, column), accumulators); };
    if (!straddles)
      return write();
    Value above = e.both(onDiagonal, e.less(e.div(inBlock, kChunk), e.div(column, kChunk)));
    e.when(e.negate(above), write);
  });
}

/// The slab's columns as rows of C above the diagonal. A warp takes 8 rows of 4 chunks (16 of 2): whole sectors of
/// memory, all banks.
void Product::writeMirrored(Value slab) {
  int64_t across = slabRows / kChunk % 4 ? 2 : 4, down = kWarp / across, groups = slabRows / kChunk / across;
  e.loop(frame.thread, e.index(tile.columns * slabRows / kChunk), e.index(tile.threads()), [&](Value i) {
    Value lane = e.rem(i, kWarp), group = e.div(i, kWarp), band = e.div(group, e.index(groups));
    Value chunkOfSlab = e.add(e.mul(e.sub(group, e.mul(band, groups)), across), e.rem(lane, across));
    Value first = e.mul(chunkOfSlab, kChunk), row = e.add(e.mul(band, down), e.div(lane, across)),
          column = e.add(slab, first);
    auto one = [&](Value j) { return loadAccumulator(e.add(first, j), row); };
    Accumulators accumulators{[&] {
                                SmallVector<Value> elements;
                                for (int64_t j = 0; j < kChunk; ++j)
                                  elements.push_back(one(e.index(j)));
                                return elements;
                              },
                              one};
    Value above = e.less(e.div(row, kChunk), e.div(column, kChunk));
    e.when(e.either(above, e.negate(onDiagonal)),
           [&] { writeChunk(e.add(place.column, row), e.add(place.row, column), accumulators); });
  });
}

void Product::emit() {
  findBlock();
  AccumulatorTile accumulators = emitMainLoop(e, kernel, frame, tile, place);
  for (int64_t i = 0; i < tile.warpsDown; ++i) {
    if (i)
      e.barrier(); // the slab before has been read
    e.when(e.equal(warpDown, i), [&] { storeSlab(accumulators); });
    e.barrier();
    Value slab = e.index(i * slabRows);
    writeDirect(slab);
    if (kernel.getSymmetric())
      writeMirrored(slab);
  }
}

void muon::gpu::emitProduct(Emitter &e, KernelOp kernel, Body &body, const Frame &frame) {
  Product(e, kernel, body, frame).emit();
}
