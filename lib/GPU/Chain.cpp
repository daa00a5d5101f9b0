//===- Chain.cpp - products of small symmetric matrices, one after another in one block -----------===//
//
// The matrices stay in shared memory: of each the tiles of 16 x 16 on and below the diagonal, row after row, a tile as four 8 x 8
// matrices of whole 128 bytes, (0, 0), (1, 0), (0, 1), (1, 1). That is how ldmatrix reads a fragment and how an accumulator fragment lies
// in the lanes, so neither loads nor stores collide in banks. A tile above the diagonal is read turned from below it.
//
// Warp w computes the rows of tiles w and last - w, which are as many tiles for every warp, and holds all of them in accumulators. So a
// result may take the place of an operand once all warps have read it. A thread's elements are the same in every matrix: epilogues need no
// barrier. Only within tiles on the diagonal the half above is copied from the one below, by lanes of one warp.
//
//===----------------------------------------------------------------------------------------------===//

#include "Blocks.h"
#include "Fragments.h"
#include "LaunchAbi.h"
#include "MainLoop.h"

#include "muon/Plan/Chains.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

static constexpr int64_t kCoreBytes = 128; // 8 x 8 elements
static constexpr int64_t kTileBytes = kChainTile * kChainTile * 2;
static constexpr int64_t kCoreRowBytes = 16;

namespace {
/// A tile's place among the tiles, or an element's in the matrix (i32).
struct Position {
  Value row, column;
};

class ChainBlock {
public:
  ChainBlock(Emitter &e, KernelOp kernel, Body &body, const Frame &frame, const ChainLayout &layout);
  void emit();

private:
  Value matrix(int64_t number) { return e.bytes(e.sharedMemory(), layout.matrices[number].buffer * chainMatrixBytes(side)); }
  Value tileOffset(Value row, Value column);
  Position tileAt(Value slot);
  Position tileAt(int64_t slot);
  void eachRow(llvm::function_ref<void(Value)> body);
  Position firstElement(Position tile);
  void findRows();
  void load(int64_t number);
  SmallVector<Value> fragment(Value matrix, Value line, Value k, bool isB);
  void multiplyStep(const ChainPhase &phase, Value k, SmallVectorImpl<Value> &sums);
  SmallVector<Value> multiply(const ChainPhase &phase);
  void computeWord(const ChainPhase &phase, Value offset, Value row, Value column, ArrayRef<Value> sums);
  void computeResults(const ChainPhase &phase, ArrayRef<Value> sums);
  void clearPadding(Value matrix);
  void mirrorDiagonal(Value matrix);
  void write(int64_t phase);

  Emitter &e;
  Body &body;
  const Frame &frame;
  const ChainLayout &layout;
  Type dtype;
  int64_t side, tiles;
  Value size;              ///< k
  Value lane, low, high;   ///< low, high: this warp's rows of tiles
  Value straight, crossed; ///< where in a tile this lane's row for ldmatrix is: cores by columns, by rows
};
} // namespace

ChainBlock::ChainBlock(Emitter &e, KernelOp kernel, Body &body, const Frame &frame, const ChainLayout &layout)
    : e(e), body(body), frame(frame), layout(layout), dtype(*kernel.getOperandType()), side(kernel.getTile()->front()),
      tiles(side / kChainTile), size(frame.sizes[abi::kRows]), lane(e.rem(frame.thread, kWarp)) {
  findRows();
  Value inCore = e.rem(lane, 8), core = e.div(lane, 8);
  straight = e.mul(lane, kCoreRowBytes);
  Value turned = e.add(e.mul(e.rem(core, 2), 2), e.div(core, 2));
  crossed = e.add(e.mul(turned, kCoreBytes), e.mul(inCore, kCoreRowBytes));
}

/// Where the accumulators are live the rows are asked for anew: what follows from them would else take registers all the time.
void ChainBlock::findRows() {
  low = e.firstLane(e.div(frame.thread, kWarp));
  high = e.sub(e.index(tiles - 1), low);
}

Value ChainBlock::tileOffset(Value row, Value column) {
  return e.mul(e.add(e.div(e.mul(row, e.add(row, 1)), 2), column), kTileBytes);
}

/// The slots 0, 1, .. are the tiles of the high row from the left, the last ones those of the low row, backwards.
Position ChainBlock::tileAt(Value slot) {
  Value inLow = e.less(high, slot);
  return {e.select(inLow, low, high), e.select(inLow, e.sub(e.index(tiles), slot), slot)};
}

Position ChainBlock::tileAt(int64_t slot) {
  if (slot <= tiles / 2) // the high row has more than half of the tiles in all warps
    return {high, e.index(slot)};
  return slot == tiles ? Position{low, e.index(0)} : tileAt(e.index(slot));
}

/// The first of this lane's eight elements of a tile: the others are a column, 8 rows and 8 columns on.
Position ChainBlock::firstElement(Position tile) {
  return {e.add(e.mul(tile.row, kChainTile), e.div(lane, 4)), e.add(e.mul(tile.column, kChainTile), e.mul(e.rem(lane, 4), 2))};
}

void ChainBlock::eachRow(llvm::function_ref<void(Value)> body) { e.loop(low, e.add(high, 1), e.sub(high, low), body); }

/// This warp's tiles of an input: a lane copies half a row of a tile.
void ChainBlock::load(int64_t number) {
  const Operand &operand = frame.operands[layout.matrices[number].read];
  Value to = matrix(number), row = e.div(lane, 2), half = e.rem(lane, 2);
  Value inTile = e.add(e.mul(half, 2 * kCoreBytes), e.mul(row, kCoreRowBytes)); // two cores of 8 rows follow each other
  e.loop(e.index(0), e.index(tiles + 1), e.index(1), [&](Value slot) {
    Position tile = tileAt(slot);
    Value from = elementAddress(e, operand, e.add(e.mul(tile.row, kChainTile), row), e.add(e.mul(tile.column, kChainTile), e.mul(half, 8)));
    Value place = e.bytes(to, e.add(tileOffset(tile.row, tile.column), inTile));
    e.make<NVVM::CpAsyncOp>(place, from, kCoreRowBytes, NVVM::LoadCacheModifierKind::CG, Value());
  });
}

/// The registers of 16 lines and 16 of k: of A the four of a fragment, of B two fragments of 8 lines.
SmallVector<Value> ChainBlock::fragment(Value matrix, Value line, Value k, bool isB) {
  auto from = [&](Value row, Value column, Value inTile, NVVM::MMALayout layout) {
    return loadMatrices(e, e.bytes(matrix, e.add(tileOffset(row, column), inTile)), layout);
  };
  return e.choose(
      SmallVector<Type>(4, e.i32), e.less(line, k), [&] { return from(k, line, isB ? straight : crossed, NVVM::MMALayout::col); },
      [&] { return from(line, k, isB ? crossed : straight, NVVM::MMALayout::row); });
}

void ChainBlock::multiplyStep(const ChainPhase &phase, Value k, SmallVectorImpl<Value> &sums) {
  Value a = matrix(phase.a), b = matrix(phase.b);
  SmallVector<Value> ofHigh = fragment(a, high, k, false), ofLow = fragment(a, low, k, false);
  for (int64_t slot = 0; slot <= tiles; ++slot) {
    Position tile = tileAt(slot);
    SmallVector<Value> left = slot <= tiles / 2 ? ofHigh : ofLow, right = fragment(b, tile.column, k, true);
    if (slot > tiles / 2 && slot < tiles)
      for (auto [value, other] : llvm::zip(left, ofHigh))
        value = e.select(e.less(high, e.index(slot)), value, other);
    for (int64_t half = 0; half < 2; ++half)
      multiplyTile(e, dtype, left, ArrayRef<Value>(right).slice(2 * half, 2), MutableArrayRef<Value>(sums).slice((2 * slot + half) * 4, 4));
  }
}

SmallVector<Value> ChainBlock::multiply(const ChainPhase &phase) {
  findRows();
  SmallVector<Value> init((tiles + 1) * 8, e.constant(e.f32, 0.0));
  return e.loop(e.index(0), e.index(tiles), e.index(1), init, [&](Value k, ValueRange carried) {
    SmallVector<Value> sums(carried);
    multiplyStep(phase, k, sums);
    return sums;
  });
}

/// Two adjacent elements, `offset` bytes into every matrix.
void ChainBlock::computeWord(const ChainPhase &phase, Value offset, Value row, Value column, ArrayRef<Value> sums) {
  constexpr int64_t kPair = 2;
  SmallVector<Value> pairs;
  for (int64_t read : phase.reads)
    pairs.push_back(e.load(VectorType::get({kPair}, dtype), e.bytes(matrix(read), offset), 2 * kPair));
  SmallVector<SmallVector<Value>> results(phase.results.size());
  for (int64_t i = 0; i < kPair; ++i) {
    ContractOp product = phase.product;
    body.set(product.getS(), sums[i]);
    for (auto [read, pair] : llvm::zip(phase.reads, pairs))
      body.set(layout.matrices[read].element, e.lane(pair, i));
    for (Operation *op : phase.ops)
      if (body.level(op->getResult(0)) != Level::uniform)
        body.emit(*op, row, e.add(column, i), frame.parameter);
    for (auto [number, result] : llvm::zip(phase.results, results))
      result.push_back(body.lookup(layout.matrices[number].element));
  }
  for (auto [number, result] : llvm::zip(phase.results, results))
    e.store(e.vectorOf(result), e.bytes(matrix(number), offset), 2 * kPair);
}

void ChainBlock::computeResults(const ChainPhase &phase, ArrayRef<Value> sums) {
  findRows();
  for (int64_t slot = 0; slot <= tiles; ++slot) {
    Position tile = tileAt(slot);
    auto [row, column] = firstElement(tile);
    Value offset = e.add(tileOffset(tile.row, tile.column), e.mul(lane, 4));
    for (int64_t across = 0; across < 2; ++across)
      for (int64_t down = 0; down < 2; ++down)
        computeWord(phase, e.add(offset, (2 * across + down) * kCoreBytes), e.add(row, 8 * down), e.add(column, 8 * across),
                    sums.slice((2 * slot + across) * 4 + 2 * down, 2));
  }
}

/// Zeros beyond the matrix, in this thread's own elements: a body may give others there.
void ChainBlock::clearPadding(Value matrix) {
  auto clear = [&](Value tileRow, Value tileColumn) {
    auto [row, column] = firstElement({tileRow, tileColumn});
    Value at = e.bytes(matrix, e.add(tileOffset(tileRow, tileColumn), e.mul(lane, 4)));
    for (int64_t i = 0; i < 8; ++i) {
      int64_t across = i / 4, down = i / 2 % 2, odd = i % 2;
      Value inside = e.both(e.less(e.add(row, 8 * down), size), e.less(e.add(column, 8 * across + odd), size));
      e.when(e.negate(inside), [&] { e.store(e.zero(dtype), e.bytes(at, (2 * across + down) * kCoreBytes + 2 * odd), 2); });
    }
  };
  e.when(e.less(size, e.index(side)), [&] {
    eachRow([&](Value row) {
      e.when(e.less(size, e.mul(e.add(row, 1), kChainTile)),
             [&] { e.loop(e.index(0), e.add(row, 1), e.index(1), [&](Value column) { clear(row, column); }); });
    });
  });
}

/// In the tiles on the diagonal, the half above it from the one below, which other lanes have stored.
void ChainBlock::mirrorDiagonal(Value matrix) {
  e.make<NVVM::SyncWarpOp>(e.index(-1));
  Value row = e.div(lane, 4);
  eachRow([&](Value tile) {
    Value at = e.bytes(matrix, tileOffset(tile, tile));
    for (int64_t odd = 0; odd < 2; ++odd) {
      Value column = e.add(e.mul(e.rem(lane, 4), 2), odd);
      Value above = e.add(e.mul(row, kCoreRowBytes), e.mul(column, 2)), below = e.add(e.mul(column, kCoreRowBytes), e.mul(row, 2));
      auto copy = [&](int64_t from, int64_t to) {
        Value element = e.load(e.i16, e.bytes(at, e.add(below, from)), 2);
        e.store(element, e.bytes(at, e.add(above, to)), 2);
      };
      copy(kCoreBytes, 2 * kCoreBytes);
      e.when(e.less(row, column), [&] {
        copy(0, 0);
        copy(3 * kCoreBytes, 3 * kCoreBytes);
      });
    }
  });
}

/// Writes what leaves the block and was computed in this phase, both halves.
void ChainBlock::write(int64_t phase) {
  for (auto [number, result] : llvm::enumerate(layout.matrices)) {
    if (result.phase != phase || result.written.empty())
      continue;
    Value from = matrix(number);
    eachRow([&](Value tileRow) {
      e.loop(e.index(0), e.index(tiles), e.index(1), [&](Value tileColumn) {
        SmallVector<Value> words = fragment(from, tileRow, tileColumn, false);
        auto [row, column] = firstElement({tileRow, tileColumn});
        for (int64_t operand : result.written)
          for (auto [i, word] : llvm::enumerate(words))
            e.store(word, elementAddress(e, frame.operands[operand], e.add(row, i % 2 * 8), e.add(column, i / 2 * 8)), 4);
      });
    });
  }
}

void ChainBlock::emit() {
  for (auto [number, input] : llvm::enumerate(layout.matrices))
    if (input.read >= 0)
      load(number);
  e.make<NVVM::CpAsyncCommitGroupOp>();
  e.make<NVVM::CpAsyncWaitGroupOp>(0);
  for (auto [number, phase] : llvm::enumerate(layout.phases)) {
    if (phase.waits)
      e.barrier();
    write(static_cast<int64_t>(number) - 1);
    SmallVector<Value> sums = multiply(phase);
    if (phase.replaces)
      e.barrier();
    computeResults(phase, sums);
    for (int64_t result : phase.results)
      clearPadding(matrix(result));
    for (int64_t result : phase.results)
      mirrorDiagonal(matrix(result));
  }
  e.barrier();
  write(layout.phases.size() - 1);
}

//===----------------------------------------------------------------------------------------------===//
// What the room asks
//===----------------------------------------------------------------------------------------------===//

unsigned muon::gpu::chainSharedBytes(KernelOp kernel) {
  std::string why;
  std::optional<ChainLayout> layout = ChainLayout::of(kernel, why);
  return layout ? layout->buffers * chainMatrixBytes(kernel.getTile()->front()) : 0;
}

LogicalResult muon::gpu::checkChain(KernelOp kernel, TargetAttr target) {
  if (!kernel.getOperandType()->isBF16() && !kernel.getOperandType()->isF16())
    return kernel.emitOpError() << "expected operands of bf16 or f16, got " << *kernel.getOperandType();
  if (!kernel.getTile() || kernel.getTile()->front() > kMostChainSide)
    return kernel.emitOpError() << "expected a tile of at most " << kMostChainSide;
  std::string why;
  if (!ChainLayout::of(kernel, why))
    return kernel.emitOpError() << "one block cannot compute this chain: " << why;
  ChipAttr chip = target.getChip();
  if (chainSharedBytes(kernel) > chip.getBlockShared())
    return kernel.emitOpError() << "expected at most " << chip.getBlockShared() << " bytes of shared memory on " << chip.getName()
                                << ", got " << chainSharedBytes(kernel);
  return success();
}

void muon::gpu::emitChain(Emitter &e, KernelOp kernel, Body &body, const Frame &frame) {
  std::string why;
  ChainLayout layout = *ChainLayout::of(kernel, why);
  ChainBlock(e, kernel, body, frame, layout).emit();
}
