//===- Body.cpp - a kernel's scalar body in one thread ----------------------------------------===//

#include "Body.h"

#include "muon/IR/KernelControl.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

/// Elementwise ops the NVPTX backend has instructions for, or that are expanded here.
static bool isInline(Operation &op) {
  if (isa<arith::ArithDialect>(op.getDialect()))
    return true;
  return isa<math::AbsFOp, math::SqrtOp, math::RsqrtOp, math::FmaOp, math::CopySignOp, math::FPowIOp, math::FloorOp,
             math::CeilOp, math::TruncOp, math::RoundEvenOp, IndexOp, ParameterOp, ContractOp, YieldOp>(op);
}

LogicalResult Body::analyse() { return findLevels(isInline, "GPU kernels"); }

void Body::emit(Operation &op, Value row, Value column, Value parameter) {
  if (auto index = dyn_cast<IndexOp>(op))
    set(index.getResult(), e.wide(index.getAxis() == 0 ? row : column));
  else if (isa<ParameterOp>(op))
    set(op.getResult(0), parameter);
  else if (auto power = dyn_cast<math::FPowIOp>(op))
    set(power.getResult(), buildPower(e.b, e.loc, mapping.lookup(power.getLhs()), mapping.lookup(power.getRhs())));
  else if (auto narrow = dyn_cast<arith::TruncFOp>(op); narrow && isa<FloatTF32Type>(narrow.getType())) {
    // A tf32 is held as the f32 it equals.
    Value bits = e.make<NVVM::ConvertFloatToTF32Op>(e.i32, mapping.lookup(narrow.getIn()), NVVM::FPRoundingMode::RNA);
    set(narrow.getResult(), e.make<arith::BitcastOp>(e.f32, bits));
  } else if (auto widen = dyn_cast<arith::ExtFOp>(op); widen && isa<FloatTF32Type>(widen.getIn().getType()))
    set(widen.getResult(), mapping.lookup(widen.getIn()));
  else if (auto root = dyn_cast<math::RsqrtOp>(op)) {
    Value x = mapping.lookup(root.getOperand());
    set(root.getResult(), e.make<arith::DivFOp>(e.constant(x.getType(), 1.0), Value(e.make<math::SqrtOp>(x))));
  } else
    e.b.clone(op, mapping);
}

void Body::emit(Level wanted, Value row, Value column, Value parameter) {
  for (Operation &op : kernel.getBody().front().without_terminator())
    if (op.getNumResults() && level(op.getResult(0)) == wanted && !isa<ContractOp>(op))
      emit(op, row, column, parameter);
}
