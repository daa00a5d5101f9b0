//===- Chain.cpp - products of small symmetric matrices, one after another in one block -------===//
//
// The matrices stay in shared memory (Triangle.h). Warp w computes the rows of tiles w and last - w, which are as many
// tiles for every warp, and holds all of them in accumulators. So a result may take the place of an operand once all
// warps have read it. A thread's elements are the same in every matrix: epilogues need no barrier. Only within tiles on
// the diagonal the half above is copied from the one below, by lanes of one warp.
//
//===----------------------------------------------------------------------------------------------===//

#include "Blocks.h"
#include "LaunchAbi.h"
#include "MainLoop.h"
#include "Triangle.h"

#include "muon/Plan/Chains.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

namespace {
class ChainBlock {
public:
  ChainBlock(Emitter &e, KernelOp kernel, Body &body, const Frame &frame, const ChainLayout &layout);
  void emit();

private:
  Value matrix(int64_t number) {
    return e.bytes(e.sharedMemory(), layout.matrices[number].buffer * chainMatrixBytes(side, kind));
  }
  Position tileAt(Value slot);
  Position tileAt(int64_t slot);
  void eachRow(llvm::function_ref<void(Value)> body);
  void findRows();
  void load(int64_t number);
  void multiplyStep(const ChainPhase &phase, Value k, int64_t step, SmallVectorImpl<Value> &sums);
  SmallVector<Value> multiply(const ChainPhase &phase);
  void computePair(const ChainPhase &phase, Value offset, Value row, Value column, ArrayRef<Value> sums);
  void computeResults(const ChainPhase &phase, ArrayRef<Value> sums);
  void clearPadding(Value matrix);
  void mirrorDiagonal(Value matrix);
  void write(int64_t phase);

  Emitter &e;
  Body &body;
  const Frame &frame;
  const ChainLayout &layout;
  OperandKind kind;
  int64_t side, tiles;
  Value size;            ///< k
  Value lane, low, high; ///< low, high: this warp's rows of tiles
  Triangle triangle;
};
} // namespace

ChainBlock::ChainBlock(Emitter &e, KernelOp kernel, Body &body, const Frame &frame, const ChainLayout &layout)
    : e(e), body(body), frame(frame), layout(layout), kind(operandKind(*kernel.getOperandType())),
      side(kernel.getTile()->front()), tiles(side / kChainTile), size(frame.sizes[abi::kRows]),
      lane(e.rem(frame.thread, kWarp)), triangle(e, chainElement(kernel), lane) {
  findRows();
}

/// Where the accumulators are live the rows are asked for anew: what follows from them would else take registers all
/// the time.
void ChainBlock::findRows() {
  low = e.firstLane(e.div(frame.thread, kWarp));
  high = e.sub(e.index(tiles - 1), low);
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

void ChainBlock::eachRow(llvm::function_ref<void(Value)> body) { e.loop(low, e.add(high, 1), e.sub(high, low), body); }

/// This warp's tiles of an input.
void ChainBlock::load(int64_t number) {
  e.loop(e.index(0), e.index(tiles + 1), e.index(1), [&](Value slot) {
    triangle.copyTile(frame.operands[layout.matrices[number].read], matrix(number), tileAt(slot));
  });
}

void ChainBlock::multiplyStep(const ChainPhase &phase, Value k, int64_t step, SmallVectorImpl<Value> &sums) {
  auto load = [&](int64_t number, Value line, bool isB) {
    return operandRegisters(e, triangle.fragment(matrix(number), line, k, step, isB), kind);
  };
  Registers ofHigh = load(phase.a, high, false), ofLow = load(phase.a, low, false);
  for (int64_t slot = 0; slot <= tiles; ++slot) {
    Registers left = slot <= tiles / 2 ? ofHigh : ofLow, right = load(phase.b, tileAt(slot).column, true);
    auto take = [&](SmallVectorImpl<Value> &mine, ArrayRef<Value> others) {
      for (auto [value, other] : llvm::zip(mine, others))
        value = e.select(e.less(high, e.index(slot)), value, other);
    };
    if (slot > tiles / 2 && slot < tiles)
      take(left.whole, ofHigh.whole), take(left.rest, ofHigh.rest);
    multiplyTile(e, triangle.element, left, right, MutableArrayRef<Value>(sums).slice(slot * 8, 8));
  }
}

SmallVector<Value> ChainBlock::multiply(const ChainPhase &phase) {
  findRows();
  SmallVector<Value> init((tiles + 1) * 8, e.constant(e.f32, 0.0));
  return e.loop(e.index(0), e.index(tiles), e.index(1), init, [&](Value k, ValueRange carried) {
    SmallVector<Value> sums(carried);
    for (int64_t step = 0; step < triangle.stepsPerTile(); ++step)
      multiplyStep(phase, k, step, sums);
    return sums;
  });
}

/// Two adjacent elements, `offset` bytes into every matrix.
void ChainBlock::computePair(const ChainPhase &phase, Value offset, Value row, Value column, ArrayRef<Value> sums) {
  constexpr int64_t kPair = 2;
  unsigned alignment = kPair * triangle.elementBytes;
  auto at = [&](int64_t number) { return e.bytes(matrix(number), offset); };
  SmallVector<Value> pairs;
  for (int64_t read : phase.reads)
    pairs.push_back(e.load(VectorType::get({kPair}, triangle.element), at(read), alignment));
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
    e.store(e.vectorOf(result), at(number), alignment);
}

void ChainBlock::computeResults(const ChainPhase &phase, ArrayRef<Value> sums) {
  findRows();
  Value pair = triangle.pairOffset();
  for (int64_t slot = 0; slot <= tiles; ++slot) {
    Position position = tileAt(slot);
    auto [row, column] = triangle.firstElement(position);
    Value offset = e.add(triangle.offsetOf(position), pair);
    for (int64_t across = 0; across < 2; ++across)
      for (int64_t down = 0; down < 2; ++down)
        computePair(phase, e.add(offset, triangle.halfOffset(down, across)), e.add(row, 8 * down),
                    e.add(column, 8 * across), sums.slice((2 * slot + across) * 4 + 2 * down, 2));
  }
}

/// Zeros beyond the matrix, in this thread's own elements: a body may give others there.
void ChainBlock::clearPadding(Value matrix) {
  auto clear = [&](Position tile) {
    auto [row, column] = triangle.firstElement(tile);
    Value at = e.bytes(triangle.tile(matrix, tile), triangle.pairOffset());
    for (int64_t i = 0; i < 8; ++i) {
      int64_t across = i / 4, down = i / 2 % 2, odd = i % 2, bytes = triangle.elementBytes;
      Value inside = e.both(e.less(e.add(row, 8 * down), size), e.less(e.add(column, 8 * across + odd), size));
      e.when(e.negate(inside), [&] {
        e.store(e.zero(triangle.element), e.bytes(at, triangle.halfOffset(down, across) + bytes * odd), bytes);
      });
    }
  };
  e.when(e.less(size, e.index(side)), [&] {
    eachRow([&](Value row) {
      e.when(e.less(size, e.mul(e.add(row, 1), kChainTile)),
             [&] { e.loop(e.index(0), e.add(row, 1), e.index(1), [&](Value column) { clear({row, column}); }); });
    });
  });
}

/// In the tiles on the diagonal: other lanes have stored the half below it.
void ChainBlock::mirrorDiagonal(Value matrix) {
  e.make<NVVM::SyncWarpOp>(e.index(-1));
  eachRow([&](Value row) { triangle.mirrorTile(triangle.tile(matrix, {row, row})); });
}

/// Writes what leaves the block and was computed in this phase, both halves.
void ChainBlock::write(int64_t phase) {
  for (auto [number, result] : llvm::enumerate(layout.matrices)) {
    if (result.phase != phase || result.written.empty())
      continue;
    Value from = matrix(number);
    SmallVector<Operand> to;
    for (int64_t operand : result.written)
      to.push_back(frame.operands[operand]);
    eachRow([&](Value row) {
      e.loop(e.index(0), e.index(tiles), e.index(1),
             [&](Value column) { triangle.storeTile(from, {row, column}, to); });
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
  return layout ? layout->buffers * chainMatrixBytes(kernel.getTile()->front(), operandKind(*kernel.getOperandType()))
                : 0;
}

LogicalResult muon::gpu::checkChain(KernelOp kernel, TargetAttr target) {
  if (!isa<Float32Type, FloatTF32Type, BFloat16Type, Float16Type>(*kernel.getOperandType()))
    return kernel.emitOpError() << "expected operands of f32, tf32, bf16 or f16, got " << *kernel.getOperandType();
  if (!kernel.getTile() || kernel.getTile()->front() > kMostChainSide)
    return kernel.emitOpError() << "expected a tile of at most " << kMostChainSide;
  std::string why;
  if (!ChainLayout::of(kernel, why))
    return kernel.emitOpError() << "one block cannot compute this chain: " << why;
  ChipAttr chip = target.getChip();
  if (chainSharedBytes(kernel) > chip.getBlockShared())
    return kernel.emitOpError() << "expected at most " << chip.getBlockShared() << " bytes of shared memory on "
                                << chip.getName() << ", got " << chainSharedBytes(kernel);
  return success();
}

void muon::gpu::emitChain(Emitter &e, KernelOp kernel, Body &body, const Frame &frame) {
  std::string why;
  ChainLayout layout = *ChainLayout::of(kernel, why);
  ChainBlock(e, kernel, body, frame, layout).emit();
}
