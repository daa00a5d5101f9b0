//===- Body.cpp - a kernel's scalar body in one thread --------------------------------------------===//

#include "Body.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

/// Elementwise ops the NVPTX backend has instructions for, or that are expanded here.
static bool isInline(Operation &op) {
  if (isa<arith::ArithDialect>(op.getDialect()))
    return true;
  return isa<math::AbsFOp, math::SqrtOp, math::RsqrtOp, math::FmaOp, math::CopySignOp, math::FPowIOp, math::FloorOp, math::CeilOp,
             math::TruncOp, math::RoundEvenOp, IndexOp, ParameterOp, YieldOp>(op);
}

LogicalResult Body::analyse() { return findLevels(isInline, "GPU kernels"); }

void Body::emit(Level wanted, Value row, Value column, Value parameter) {
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (op.getNumResults() == 0 || level(op.getResult(0)) != wanted)
      continue;
    if (auto index = dyn_cast<IndexOp>(op))
      set(index.getResult(), e.wide(index.getAxis() == 0 ? row : column));
    else if (isa<ParameterOp>(op))
      set(op.getResult(0), parameter);
    else if (auto power = dyn_cast<math::FPowIOp>(op))
      set(power.getResult(), emitPower(mapping.lookup(power.getLhs()), mapping.lookup(power.getRhs())));
    else if (auto root = dyn_cast<math::RsqrtOp>(op)) {
      Value x = mapping.lookup(root.getOperand());
      set(root.getResult(), e.make<arith::DivFOp>(e.constant(x.getType(), 1.0), Value(e.make<math::SqrtOp>(x))));
    } else
      e.b.clone(op, mapping);
  }
}

/// x^n by repeated squaring, in the order CPU kernels use: there is no instruction.
Value Body::emitPower(Value base, Value exponent) {
  Type type = base.getType(), integer = exponent.getType();
  Value none = e.integer(integer, 0), one = e.integer(integer, 1), unit = e.constant(type, 1.0);
  Value negative = e.less(exponent, none);
  Value magnitude = e.select(negative, e.sub(none, exponent), exponent);
  SmallVector<Value> init{magnitude, base, unit};
  auto loop = e.make<scf::WhileOp>(
      ValueRange(init).getTypes(), init,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value more = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, args[0], none);
        scf::ConditionOp::create(b, loc, more, args);
      },
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value odd = arith::TruncIOp::create(b, loc, b.getI1Type(), args[0]);
        Value product = arith::MulFOp::create(b, loc, args[2], args[1]), square = arith::MulFOp::create(b, loc, args[1], args[1]);
        Value rest = arith::ShRUIOp::create(b, loc, args[0], one), next = arith::SelectOp::create(b, loc, odd, product, args[2]);
        scf::YieldOp::create(b, loc, ValueRange{rest, square, next});
      });
  Value power = loop.getResult(2);
  return e.select(negative, e.make<arith::DivFOp>(unit, power), power);
}
