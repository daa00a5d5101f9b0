//===- Body.cpp -------------------------------------------------------------------------------===//

#include "Body.h"

#include "muon/IR/KernelControl.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

//===----------------------------------------------------------------------------------------------===//
// Analysis
//===----------------------------------------------------------------------------------------------===//

/// Elementwise ops every processor has an instruction sequence for.
static bool isInline(Operation &op) {
  return isa<arith::ConstantOp, arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp, arith::NegFOp,
             arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp, arith::MinNumFOp, arith::CmpFOp, arith::CmpIOp,
             arith::SelectOp, arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::DivSIOp, arith::DivUIOp,
             arith::RemSIOp, arith::RemUIOp, arith::AndIOp, arith::OrIOp, arith::XOrIOp, arith::ShLIOp, arith::ShRSIOp,
             arith::ShRUIOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp, arith::SIToFPOp, arith::UIToFPOp,
             arith::FPToSIOp, arith::FPToUIOp, arith::BitcastOp, arith::MaxSIOp, arith::MinSIOp, arith::MaxUIOp,
             arith::MinUIOp, arith::ExtFOp, arith::TruncFOp, math::AbsFOp, math::SqrtOp, math::RsqrtOp, math::FmaOp,
             math::CopySignOp, math::FPowIOp, IndexOp, ParameterOp, YieldOp>(op);
}

static bool isRounding(Operation &op) { return isa<math::FloorOp, math::CeilOp, math::TruncOp, math::RoundEvenOp>(op); }

LogicalResult Body::analyse() {
  auto hasSequence = [&](Operation &op) { return isInline(op) || (isRounding(op) && e.machine.roundInstructions); };
  if (failed(findLevels(hasSequence, "CPU kernels")))
    return failure();
  for (auto cast : kernel.getBody().getOps<arith::BitcastOp>()) // bits of an f16 would be those of f16Scale times it
    if (getElementTypeOrSelf(cast.getIn().getType()).isF16() || getElementTypeOrSelf(cast.getType()).isF16())
      return cast.emitOpError("reinterprets an f16, which is not computed on CPUs");
  for (auto power : kernel.getBody().getOps<math::FPowIOp>())
    if (level(power.getRhs()) == Level::element)
      return power.emitOpError("needs an exponent that is the same for all elements");
  return success();
}

//===----------------------------------------------------------------------------------------------===//
// Emission
//===----------------------------------------------------------------------------------------------===//

void Body::set(Value argument, Value emitted) {
  scalars.erase(argument), vectors.erase(argument);
  (Emitter::isVector(emitted) ? vectors : scalars)[argument] = emitted;
}

Value Body::operandOf(Value original, bool asVector) {
  if (!asVector)
    return scalars.lookup(original);
  auto known = vectors.find(original);
  if (known != vectors.end())
    return known->second;
  return e.broadcast(scalars.lookup(original));
}

void Body::emit(Level wanted, Value row, Value column, Value parameter) {
  bool asVector = wanted == Level::element;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (op.getNumResults() == 0 || level(op.getResult(0)) != wanted)
      continue;
    if (auto index = dyn_cast<IndexOp>(op)) {
      Value lanes = index.getAxis() == 0 ? row : e.add(e.broadcast(column), e.iota(e.i64));
      set(index.getResult(), lanes);
      continue;
    }
    if (isa<ParameterOp>(op)) {
      set(op.getResult(0), parameter);
      continue;
    }
    set(op.getResult(0), emitOp(op, asVector));
  }
}

Value Body::yielded(unsigned i) { return operandOf(yield().getOperand(i), /*asVector=*/true); }
Value Body::unrounded(unsigned i) {
  auto truncation = yieldedValue(i).getDefiningOp<arith::TruncFOp>();
  if (!truncation || !truncation.getIn().getType().isF32())
    return yielded(i);
  return operandOf(truncation.getIn(), /*asVector=*/true);
}
Value Body::yieldedScalar(unsigned i) { return scalars.lookup(yield().getOperand(i)); }
Type Body::yieldedType(unsigned i) { return e.carried(yield().getOperand(i).getType()); }

Value Body::emitOp(Operation &op, bool asVector) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (auto number = dyn_cast<FloatAttr>(constant.getValue()))
      return e.constant(e.carried(constant.getType()), number.getValueAsDouble());
    return e.make<arith::ConstantOp>(constant.getValue());
  }
  SmallVector<Value> operands;
  for (Value operand : op.getOperands())
    operands.push_back(operandOf(operand, asVector));
  if (auto power = dyn_cast<math::FPowIOp>(op))
    return buildPower(e.b, e.loc, operands[0], operandOf(power.getRhs(), false));
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::BitcastOp>(op))
    return emitConversion(op, operands[0], asVector);
  if (isa<math::FmaOp>(op) && !isHalf(op.getResult(0).getType()))
    return e.mulAdd(operands[0], operands[1], operands[2]);
  return emitSame(op, operands, asVector);
}

Value Body::emitSame(Operation &op, ValueRange operands, bool asVector) {
  Type original = op.getResult(0).getType(), element = e.carried(original);
  OperationState state(e.loc, op.getName().getIdentifier(), operands, {asVector ? Type(e.lanes(element)) : element},
                       op.getAttrs());
  state.propertiesAttr = op.getPropertiesAsAttribute();
  Value emitted = e.b.create(state)->getResult(0);
  // Arithmetic in halves is f32 arithmetic rounded; what only moves or negates values is exact.
  bool exact = isa<arith::SelectOp, arith::NegFOp, math::AbsFOp, math::CopySignOp>(op);
  return isHalf(original) && !exact ? e.roundTo(original, emitted) : emitted;
}

Value Body::emitConversion(Operation &op, Value x, bool asVector) {
  Type from = op.getOperand(0).getType(), to = op.getResult(0).getType();
  auto typed = [&](Type element) { return asVector ? Type(e.lanes(element)) : element; };
  if (isa<arith::BitcastOp>(op)) {
    if (from.isBF16())
      x = e.halfBits(from, x);
    if (!to.isBF16())
      return e.value<arith::BitcastOp>(typed(to), x);
    return e.fromBits(to, e.value<arith::BitcastOp>(typed(e.i16), x));
  }
  if (isa<arith::ExtFOp>(op))
    return to.isF64() ? Value(e.make<arith::ExtFOp>(typed(e.f64), x)) : x;
  if (from.isF64())
    x = e.make<arith::TruncFOp>(typed(e.f32), x);
  return isHalf(to) ? e.roundTo(to, x) : x;
}
