//===- Frame.cpp - a block and what it is launched with ---------------------------------------===//

#include "Frame.h"
#include "LaunchAbi.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

Value muon::gpu::elementAddress(Emitter &e, const Operand &operand, Value row, Value column) {
  Value at;
  if (row)
    at = e.mul(e.wide(row), operand.rowStride);
  if (column) {
    Value along = e.mul(e.wide(column), operand.columnStride);
    at = at ? e.add(at, along) : along;
  }
  return at ? e.bytes(operand.data, e.mul(at, operand.bytes())) : operand.data;
}

namespace {
class FrameEmitter {
public:
  FrameEmitter(Emitter &e, KernelOp kernel, Body &body) : e(e), kernel(kernel), body(body) {}
  void emit(LLVM::LLVMFuncOp function, llvm::function_ref<void(const Frame &)> emitBlock);

private:
  Value findLaunch(Value launches, Value count, Value block);
  Value hasWork(Value gradient);
  void loadOperands(Value gradient);
  void emitUniform();
  Value loadScalar(const Operand &operand);
  void storeStatus(int64_t state);

  Emitter &e;
  KernelOp kernel;
  Body &body;
  Frame frame;
  Value launch, item;
};
} // namespace

/// The last launch whose first tile is not beyond this block.
Value FrameEmitter::findLaunch(Value launches, Value count, Value block) {
  Value one = e.index(1);
  Value found = e.loop(one, count, one, {e.index(0)}, [&](Value i, ValueRange at) {
    Value address = e.bytes(launches, e.mul(e.wide(i), abi::kLaunchBytes));
    Value beyond = e.less(block, e.field(address, abi::kFirstTile, e.i32));
    return SmallVector<Value>{e.select(beyond, at[0], i)};
  })[0];
  return e.bytes(launches, e.mul(e.wide(found), abi::kLaunchBytes));
}

void FrameEmitter::storeStatus(int64_t state) {
  Value status = e.field(item, abi::kStatus, e.global);
  Value looked = e.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::ne, status, e.make<LLVM::ZeroOp>(e.global));
  Value first = e.both(e.equal(frame.tile, 0), e.equal(frame.thread, 0));
  e.when(e.both(looked, first), [&] { e.store(e.index(state), status, 4); });
}

/// Whether the parameter has a gradient in this run (or never has one) and the predicate lets the matrix through.
Value FrameEmitter::hasWork(Value gradient) {
  Value slot = e.field(item, abi::kGradient, e.global);
  Value none = e.make<LLVM::ZeroOp>(e.global);
  Value hasSlot = e.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::ne, slot, none);
  Value isNull = e.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::eq, gradient, none);
  Value missing = e.both(hasSlot, isNull);
  e.when(missing, [&] { storeStatus(abi::kNoGradient); });
  // Without a gradient nobody has computed the word.
  Value predicate = e.field(launch, abi::kPredicate, e.i32);
  Value stopped = e.choose(
      e.i1, e.either(missing, e.less(predicate, e.index(0))), [&] { return SmallVector<Value>{e.integer(e.i1, 0)}; },
      [&] {
        Value view = e.bytes(item, e.add(e.mul(predicate, abi::kViewBytes), abi::kViews));
        Value word = e.load(e.i32, e.field(view, abi::kData, e.global), 4);
        return SmallVector<Value>{e.negate(e.equal(word, 0))};
      })[0];
  e.when(stopped, [&] { storeStatus(abi::kPredicated); });
  return e.negate(e.either(missing, stopped));
}

void FrameEmitter::loadOperands(Value gradient) {
  ArrayRef<int64_t> gradients = kernel.getGradients().value_or(ArrayRef<int64_t>());
  unsigned partsSize = abi::kParts;
  for (auto [i, attr] : llvm::enumerate(kernel.getOperands().getAsRange<OperandAttr>())) {
    int64_t view = abi::kViews + abi::kViewBytes * i;
    Value data = llvm::is_contained(gradients, static_cast<int64_t>(i))
                     ? e.bytes(gradient, e.field(item, view + abi::kData, e.i64))
                     : e.field(item, view + abi::kData, e.global);
    frame.operands.push_back({attr,
                              data,
                              e.field(item, view + abi::kRowStride, e.i64),
                              e.field(item, view + abi::kColumnStride, e.i64),
                              {}});
    if (attr.isInParts() && attr.getDirection() == Direction::in)
      frame.operands.back().parts = frame.sizes[partsSize++];
  }
}

/// A scalar operand: a value, or partials combined by each warp on its own: every 32nd in order, then the lanes.
Value FrameEmitter::loadScalar(const Operand &operand) {
  Type dtype = operand.attr.getDtype();
  if (!operand.isReduction())
    return e.load(dtype, operand.data, operand.bytes());
  Reduction kind = operand.attr.getReduction();
  Value lane = e.rem(frame.thread, kWarp), count = e.narrow(operand.rowStride);
  Value sum = e.loop(lane, count, e.index(kWarp), {e.identity(kind, e.f64)}, [&](Value i, ValueRange sum) {
    Value partial = e.load(e.f64, e.bytes(operand.data, e.mul(e.wide(i), 8)), 8);
    return SmallVector<Value>{e.combine(kind, sum[0], partial)};
  })[0];
  return e.acrossLanes(kind, sum);
}

void FrameEmitter::emitUniform() {
  for (unsigned i = kernel.numPanels(); i < frame.operands.size(); ++i) {
    const Operand &operand = frame.operands[i];
    if (operand.isIn() && operand.attr.getSpace() == Space::scalar && !body.argument(i).use_empty())
      body.set(body.argument(i), loadScalar(operand));
  }
  Value scalars = e.field(item, abi::kScalars, e.global);
  for (unsigned i = 0, n = kernel.getScalars().size(); i < n; ++i)
    body.set(body.scalar(i), e.field(scalars, 8 * body.scalarColumn(i), body.scalar(i).getType()));
  Value coefficients = e.field(launch, abi::kCoefficients, e.global);
  for (unsigned i = 0, n = kernel.getNumCoefficients(); i < n; ++i) {
    Value coefficient = e.field(coefficients, 8 * i, e.f64);
    if (body.coefficient(i).getType().isF32())
      coefficient = e.make<arith::TruncFOp>(e.f32, coefficient);
    body.set(body.coefficient(i), coefficient);
  }
  body.emit(Level::uniform, {}, {}, frame.parameter);
}

void FrameEmitter::emit(LLVM::LLVMFuncOp function, llvm::function_ref<void(const Frame &)> emitBlock) {
  Block *entry = function.addEntryBlock(e.b);
  e.b.setInsertionPointToStart(entry);
  Value launches = e.make<LLVM::AddrSpaceCastOp>(e.global, entry->getArgument(0));
  Value block = e.make<NVVM::BlockIdXOp>(e.i32);
  frame.thread = e.make<NVVM::ThreadIdXOp>(e.i32);
  launch = findLaunch(launches, entry->getArgument(1), block);
  Value relative = e.sub(block, e.field(launch, abi::kFirstTile, e.i32)),
        perMatrix = e.field(launch, abi::kTilesPerMatrix, e.i32);
  Value matrix = e.div(relative, perMatrix);
  frame.tile = e.sub(relative, e.mul(matrix, perMatrix));
  item =
      e.bytes(e.field(launch, abi::kItems, e.global), e.mul(e.wide(matrix), e.field(launch, abi::kItemBytes, e.i64)));
  Value slot = e.field(item, abi::kGradient, e.global), none = e.make<LLVM::ZeroOp>(e.global);
  Value gradient = e.choose(
      e.global, e.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::ne, slot, none),
      [&] { return SmallVector<Value>{e.load(e.global, slot, 8)}; }, [&] { return SmallVector<Value>{none}; })[0];
  e.when(hasWork(gradient), [&] {
    for (unsigned i = 0; i < sizes::kCommon + kernel.numInParts(); ++i)
      frame.sizes.push_back(e.narrow(e.field(launch, abi::kSizes + 8 * i, e.i64)));
    Value number = e.field(item, abi::kParameter, e.i64), inner = e.wide(e.field(item, abi::kMatrix, e.i32));
    frame.parameter = e.add(e.mul(number, int64_t(1) << 32), inner);
    loadOperands(gradient);
    emitUniform();
    emitBlock(frame);
  });
  e.make<LLVM::ReturnOp>(ValueRange{});
}

void muon::gpu::emitFrame(Emitter &e, KernelOp kernel, Body &body, LLVM::LLVMFuncOp function,
                          llvm::function_ref<void(const Frame &)> emitBlock) {
  FrameEmitter(e, kernel, body).emit(function, emitBlock);
}
