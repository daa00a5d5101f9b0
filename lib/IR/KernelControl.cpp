//===- KernelControl.cpp ----------------------------------------------------------------------===//

#include "muon/IR/KernelControl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace muon;

SmallVector<Value> muon::buildLoop(OpBuilder &b, Location loc, Value from, Value to, Value step, ValueRange init,
                                   EmitIteration body) {
  auto op = scf::ForOp::create(b, loc, from, to, step, init);
  OpBuilder::InsertionGuard guard(b);
  if (init.empty())
    b.setInsertionPoint(op.getBody()->getTerminator());
  else
    b.setInsertionPointToStart(op.getBody());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!init.empty())
    scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(op.getResults());
}

SmallVector<Value> muon::buildChoice(OpBuilder &b, Location loc, TypeRange types, Value condition, EmitValues then,
                                     EmitValues otherwise) {
  auto op = scf::IfOp::create(b, loc, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  // Without results the builder has placed the terminators already.
  auto fill = [&](Block *block, EmitValues emit) {
    if (types.empty()) {
      b.setInsertionPoint(block->getTerminator());
      emit();
      return;
    }
    b.setInsertionPointToEnd(block);
    scf::YieldOp::create(b, loc, emit());
  };
  fill(op.thenBlock(), then);
  fill(op.elseBlock(), otherwise);
  return SmallVector<Value>(op.getResults());
}

void muon::buildWhen(OpBuilder &b, Location loc, Value condition, llvm::function_ref<void()> then,
                     llvm::function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.thenBlock()->getTerminator());
  then();
  if (otherwise) {
    b.setInsertionPoint(op.elseBlock()->getTerminator());
    otherwise();
  }
}

Value muon::buildPower(OpBuilder &b, Location loc, Value base, Value exponent) {
  Type type = base.getType(), integer = exponent.getType();
  auto constant = [&](Type type, TypedAttr element) -> Value {
    if (auto vector = dyn_cast<ShapedType>(type))
      element = DenseElementsAttr::get(vector, static_cast<Attribute>(element));
    return arith::ConstantOp::create(b, loc, element);
  };
  Value zero = constant(integer, b.getIntegerAttr(integer, 0)), one = constant(integer, b.getIntegerAttr(integer, 1));
  Value unit = constant(type, b.getFloatAttr(getElementTypeOrSelf(type), 1.0));
  Value negative = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, exponent, zero);
  Value opposite = arith::SubIOp::create(b, loc, zero, exponent);
  Value magnitude = arith::SelectOp::create(b, loc, negative, opposite, exponent);
  SmallVector<Value> init{magnitude, base, unit};
  auto loop = scf::WhileOp::create(
      b, loc, ValueRange(init).getTypes(), init,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value more = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, args[0], zero);
        scf::ConditionOp::create(b, loc, more, args);
      },
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value odd = arith::TruncIOp::create(b, loc, b.getI1Type(), args[0]);
        Value product = arith::MulFOp::create(b, loc, args[2], args[1]);
        Value square = arith::MulFOp::create(b, loc, args[1], args[1]);
        Value rest = arith::ShRUIOp::create(b, loc, args[0], one);
        Value next = arith::SelectOp::create(b, loc, odd, product, args[2]);
        scf::YieldOp::create(b, loc, ValueRange{rest, square, next});
      });
  Value power = loop.getResult(2);
  return arith::SelectOp::create(b, loc, negative, arith::DivFOp::create(b, loc, unit, power), power);
}
