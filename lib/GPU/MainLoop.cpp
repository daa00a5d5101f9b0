//===- MainLoop.cpp - all of k for one block of a product -------------------------------------===//

#include "MainLoop.h"

#include "Fragments.h"
#include "LaunchAbi.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

namespace {
class MainLoop {
public:
  MainLoop(Emitter &e, KernelOp kernel, const Frame &frame, const ProductTile &tile, const BlockPlace &place);
  AccumulatorTile emit();

private:
  void startStep(Value stage, Value stepA, Value stepB);
  void multiplyStep(Value stage, int64_t k, SmallVectorImpl<Value> &sums);
  void wait(int64_t groups);

  Emitter &e;
  const Frame &frame;
  const BlockPlace &place;
  ProductTile tile;
  Type dtype;
  OperandKind kind;
  int64_t stageBytes, rowTiles, columnTiles;
  FragmentSource a, b;
};
} // namespace

Registers muon::gpu::operandRegisters(Emitter &e, SmallVector<Value> words, OperandKind kind) {
  Registers registers{std::move(words), {}};
  if (kind != OperandKind::f32)
    return registers;
  Value kept = e.index(static_cast<int32_t>(0xffffe000));
  for (Value &word : registers.whole) {
    Value upper = e.make<arith::AndIOp>(word, kept);
    Value rest = e.make<arith::SubFOp>(Value(e.make<arith::BitcastOp>(e.f32, word)),
                                       Value(e.make<arith::BitcastOp>(e.f32, upper)));
    registers.rest.push_back(e.make<arith::AndIOp>(Value(e.make<arith::BitcastOp>(e.i32, rest)), kept));
    word = upper;
  }
  return registers;
}

/// One mma.sync.
static void multiply(Emitter &e, Type element, ArrayRef<Value> left, ArrayRef<Value> right,
                     MutableArrayRef<Value> sum) {
  auto type = element.isF32() ? NVVM::MMATypes::tf32 : element.isF16() ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  auto registers = [&](ArrayRef<Value> words) { // mma.sync takes f16 as pairs, the others as words
    SmallVector<Value> taken(words);
    for (Value &word : taken)
      if (type == NVVM::MMATypes::f16)
        word = e.make<LLVM::BitcastOp>(VectorType::get({2}, e.f16), word);
    return taken;
  };
  auto result = LLVM::LLVMStructType::getLiteral(e.b.getContext(), SmallVector<Type>(4, e.f32));
  int64_t depth = type == NVVM::MMATypes::tf32 ? 8 : 16;
  Value product = e.make<NVVM::MmaOp>(result, registers(left), registers(right), ValueRange(ArrayRef<Value>(sum)),
                                      ArrayRef<int64_t>{16, 8, depth}, std::nullopt, std::nullopt,
                                      std::array<NVVM::MMATypes, 2>{type, type},
                                      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  for (auto [i, value] : llvm::enumerate(sum))
    value = e.make<LLVM::ExtractValueOp>(product, i);
}

void muon::gpu::multiplyTile(Emitter &e, Type element, const Registers &left, const Registers &right,
                             MutableArrayRef<Value> sums) {
  auto both = [&](ArrayRef<Value> a, ArrayRef<Value> b) {
    multiply(e, element, a, b.take_front(2), sums.take_front(4));
    multiply(e, element, a, b.drop_front(2), sums.drop_front(4));
  };
  if (!left.rest.empty()) {
    both(left.rest, right.whole);
    both(left.whole, right.rest);
  }
  both(left.whole, right.whole);
}

MainLoop::MainLoop(Emitter &e, KernelOp kernel, const Frame &frame, const ProductTile &tile, const BlockPlace &place)
    : e(e), frame(frame), place(place), tile(tile), dtype(kernel.operandAt(0).getDtype()),
      kind(operandKind(*kernel.getOperandType())), stageBytes(tile.stageBytes(frame.operands[0].bytes())),
      rowTiles(tile.rows / tile.warpsDown / 16), columnTiles(tile.columns / tile.warpsAcross / 8),
      a(e, frame.operands[0], frame.operands[0].attr.getLayout() == Layout::padded, tile.rows, tile.depth, place.row,
        e.roundUp(frame.sizes[abi::kM], kPadding), place.warpRow, 0, tile.threads(), frame.thread, /*isA=*/true),
      b(e, frame.operands[1], frame.operands[1].attr.getLayout() == Layout::turned, tile.columns, tile.depth,
        place.column, e.roundUp(frame.sizes[abi::kN], kPadding), place.warpColumn, a.tileBytes(), tile.threads(),
        frame.thread, /*isA=*/false) {}

void MainLoop::startStep(Value stage, Value stepA, Value stepB) {
  a.copy(stage, stepA);
  b.copy(stage, stepB);
}

/// Until at most `groups` of this thread's steps are on their way, for all threads.
void MainLoop::wait(int64_t groups) {
  e.make<NVVM::CpAsyncWaitGroupOp>(static_cast<uint32_t>(groups));
  e.barrier();
}

void MainLoop::multiplyStep(Value stage, int64_t k, SmallVectorImpl<Value> &sums) {
  SmallVector<Registers> rows, columns;
  for (int64_t i = 0; i < rowTiles; ++i)
    rows.push_back(operandRegisters(e, a.load(stage, i, k), kind));
  for (int64_t j = 0; j < columnTiles / 2; ++j)
    columns.push_back(operandRegisters(e, b.load(stage, j, k), kind));
  for (int64_t i = 0; i < rowTiles; ++i)
    for (int64_t j = 0; j < columnTiles; j += 2)
      multiplyTile(e, dtype, rows[i], columns[j / 2], MutableArrayRef<Value>(sums).slice((i * columnTiles + j) * 4, 8));
}

AccumulatorTile MainLoop::emit() {
  Value shared = e.sharedMemory(), one = e.index(1);
  Value steps = place.steps ? place.steps : e.div(e.roundUp(frame.sizes[abi::kK], kPadding), tile.depth);
  Value strideA = a.stepBytes(), strideB = b.stepBytes(), nextA = e.integer(e.i64, 0), nextB = nextA;
  if (place.firstStep)
    nextA = e.mul(strideA, e.wide(place.firstStep)), nextB = e.mul(strideB, e.wide(place.firstStep));
  int64_t ahead = tile.stages - 1;
  for (int64_t i = 0; i < ahead; ++i) { // a group even where there is no step, so that groups count steps
    e.when(e.less(e.index(i), steps), [&] { startStep(e.bytes(shared, i * stageBytes), nextA, nextB); });
    e.make<NVVM::CpAsyncCommitGroupOp>();
    nextA = e.add(nextA, strideA), nextB = e.add(nextB, strideB);
  }
  SmallVector<Value> init(rowTiles * columnTiles * 4, e.constant(e.f32, 0.0));
  llvm::append_range(init, ValueRange{e.index(0), e.index(ahead * stageBytes), nextA, nextB});
  constexpr size_t kCarried = 4;
  SmallVector<Value> results = e.loop(e.index(0), steps, one, init, [&](Value step, ValueRange carried) {
    SmallVector<Value> sums(carried.drop_back(kCarried));
    Value read = carried[sums.size()], write = carried[sums.size() + 1];
    Value fromA = carried[sums.size() + 2], fromB = carried[sums.size() + 3];
    wait(ahead - 1); // and everyone is done with the stage written next
    e.when(e.less(e.add(step, ahead), steps), [&] { startStep(e.bytes(shared, write), fromA, fromB); });
    e.make<NVVM::CpAsyncCommitGroupOp>();
    Value stage = e.bytes(shared, read);
    for (int64_t k = 0; k < tile.depth * frame.operands[0].bytes() / 32; ++k)
      multiplyStep(stage, k, sums);
    auto following = [&](Value at) {
      Value next = e.add(at, stageBytes);
      return e.select(e.equal(next, tile.stages * stageBytes), e.index(0), next);
    };
    llvm::append_range(sums,
                       ValueRange{following(read), following(write), e.add(fromA, strideA), e.add(fromB, strideB)});
    return sums;
  });
  wait(0);
  results.truncate(results.size() - kCarried);
  return {rowTiles, columnTiles, std::move(results)};
}

AccumulatorTile muon::gpu::emitMainLoop(Emitter &e, KernelOp kernel, const Frame &frame, const ProductTile &tile,
                                        const BlockPlace &place) {
  return MainLoop(e, kernel, frame, tile, place).emit();
}
