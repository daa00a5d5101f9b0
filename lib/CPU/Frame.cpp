//===- Frame.cpp ------------------------------------------------------------------------------===//

#include "Frame.h"
#include "LaunchAbi.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

Value cpu::elementAddress(Emitter &e, const Operand &operand, Value row, Value column) {
  Value at = e.add(e.mul(row, operand.rowStride), e.mul(column, operand.columnStride));
  return e.offset(operand.data, operand.attr.getDtype(), at);
}

Value cpu::combine(Emitter &e, Reduction kind, Value a, Value b) {
  switch (kind) {
  case Reduction::max:
    return e.make<arith::MaximumFOp>(a, b);
  case Reduction::min:
    return e.make<arith::MinimumFOp>(a, b);
  default:
    return e.make<arith::AddFOp>(a, b);
  }
}

Value cpu::identity(Emitter &e, Reduction kind, Type type) {
  double infinity = std::numeric_limits<double>::infinity();
  return e.constant(type, kind == Reduction::max ? -infinity : kind == Reduction::min ? infinity : 0.0);
}

/// A scalar operand: a value, or partials combined in index order.
static Value loadScalar(Emitter &e, const Operand &operand) {
  if (!operand.isReduction())
    return e.loadElement(operand.attr.getDtype(), operand.data);
  Reduction kind = operand.attr.getReduction();
  return e.loop(e.index(0), operand.rowStride, 1, identity(e, kind, e.f64), [&](Value i, ValueRange sum) {
    Value partial = e.loadElement(e.f64, e.offset(operand.data, e.f64, i));
    return SmallVector<Value>{combine(e, kind, sum[0], partial)};
  })[0];
}

static void emitUniform(Emitter &e, KernelOp kernel, Body &body, Frame &frame, Value launch, Value item) {
  for (unsigned i = kernel.numPanels(); i < frame.operands.size(); ++i) {
    const Operand &operand = frame.operands[i];
    if (operand.isIn() && operand.attr.getSpace() == Space::scalar)
      body.set(body.argument(i), loadScalar(e, operand));
  }
  Value scalars = e.field(item, abi::kScalars, e.ptr);
  for (unsigned i = 0, n = kernel.getScalars().size(); i < n; ++i) {
    BlockArgument argument = body.scalar(i);
    body.set(argument, e.field(scalars, 8 * body.scalarColumn(i), argument.getType()));
  }
  if (kernel.getNumCoefficients() == 0)
    return body.emit(Level::uniform, {}, {}, frame.parameter);
  Value coefficients = e.field(launch, abi::kCoefficients, e.ptr);
  for (unsigned i = 0, n = kernel.getNumCoefficients(); i < n; ++i) {
    Value coefficient = e.field(coefficients, 8 * i, e.f64);
    if (body.coefficient(i).getType().isF32())
      coefficient = e.make<arith::TruncFOp>(e.f32, coefficient);
    body.set(body.coefficient(i), coefficient);
  }
  body.emit(Level::uniform, {}, {}, frame.parameter);
}

Frame cpu::openFrame(Emitter &e, KernelOp kernel, Body &body, LLVM::LLVMFuncOp function) {
  Block *entry = function.addEntryBlock(e.b);
  e.b.setInsertionPointToStart(entry);
  Value launch = entry->getArgument(0), binding = entry->getArgument(1);
  Frame frame;
  frame.scratch = entry->getArgument(3);
  for (unsigned i = 0; i < 6; ++i)
    frame.sizes.push_back(e.field(launch, abi::kSizes + 8 * i, e.i64));
  // 32-bit division is several times cheaper, and tiles are counted in 32 bits.
  Value perMatrix = e.field(launch, abi::kTilesPerMatrix, e.i32), tile = entry->getArgument(4);
  auto wide = [&](Value x) -> Value { return e.make<arith::ExtUIOp>(e.i64, x); };
  Value matrix = wide(e.make<arith::DivUIOp>(tile, perMatrix));
  frame.tile = wide(e.make<arith::RemUIOp>(tile, perMatrix));
  Value items = e.field(binding, 0, e.ptr);
  Value itemBytes = e.field(launch, abi::kItemBytes, e.i64);
  Value at = e.add(e.field(launch, abi::kItemOffset, e.i64), e.mul(matrix, itemBytes));
  Value item = e.bytes(items, at);
  Value number = e.field(item, abi::kParameter, e.i64);
  Value inner = wide(e.field(item, abi::kMatrix, e.i32));
  frame.parameter = e.add(e.mul(number, int64_t(1) << 32), inner);
  for (auto [i, attr] : llvm::enumerate(kernel.getOperands().getAsRange<OperandAttr>())) {
    int64_t view = abi::kViews + abi::kViewBytes * i;
    frame.operands.push_back({attr, e.field(item, view + abi::kData, e.ptr),
                              e.field(item, view + abi::kRowStride, e.i64),
                              e.field(item, view + abi::kColumnStride, e.i64)});
  }
  emitUniform(e, kernel, body, frame, launch, item);
  return frame;
}
