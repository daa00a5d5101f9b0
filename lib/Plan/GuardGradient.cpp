//===- GuardGradient.cpp - one word per matrix that says its gradient is not finite -----------===//

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/Request.h"
#include "muon/IR/StepFunction.h"
#include "muon/Plan/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace muon {
#define GEN_PASS_DEF_GUARDGRADIENTPASS
#include "muon/Plan/Passes.h.inc"
} // namespace muon

using namespace mlir;
using namespace muon;

/// Adds the guard's operations at the start of the function. Each carries the level Plan gives it.
static void guard(func::FuncOp function, Value gradient) {
  OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
  Location loc = function.getLoc();
  auto type = cast<RankedTensorType>(gradient.getType());
  auto mark = [&](Operation *op, int64_t level) { op->setAttr(kGuard, builder.getI64IntegerAttr(level)); };
  auto dense = [&](RankedTensorType of) {
    return arith::ConstantOp::create(builder, loc,
                                     DenseElementsAttr::get(of, builder.getFloatAttr(of.getElementType(), 0.0)));
  };

  auto f32 = RankedTensorType::get(type.getShape(), builder.getF32Type());
  bool isWide = type.getElementType().isF64();
  if (type != f32 && !isWide) {
    gradient = arith::ExtFOp::create(builder, loc, f32, gradient);
    mark(gradient.getDefiningOp(), 0);
  }
  // 0 for a finite element, NaN for any other; the sum keeps a NaN.
  Value zero = arith::MulFOp::create(builder, loc, gradient, dense(isWide ? type : f32));
  mark(zero.getDefiningOp(), 0);
  if (isWide) { // not before: what is large in f64 is infinite in f32
    zero = arith::TruncFOp::create(builder, loc, f32, zero);
    mark(zero.getDefiningOp(), 0);
  }
  int64_t rank = type.getRank(), batch = rank > 2 ? rank - 2 : 0;
  auto scalar = RankedTensorType::get(type.getShape().take_front(batch), builder.getF32Type());
  SmallVector<int64_t> dimensions = llvm::to_vector(llvm::seq<int64_t>(batch, rank));
  auto reduce = linalg::ReduceOp::create(
      builder, loc, zero, ValueRange{dense(scalar)}, dimensions, [](OpBuilder &b, Location l, ValueRange args) {
        linalg::YieldOp::create(b, l, Value(arith::AddFOp::create(b, l, args[0], args[1])));
      });
  mark(reduce, 1);
  Value bad = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO, reduce.getResult(0), reduce.getResult(0));
  mark(bad.getDefiningOp(), 1);
  auto word = arith::ExtUIOp::create(builder, loc, RankedTensorType::get(scalar.getShape(), builder.getI32Type()), bad);
  mark(word, 1);
  word->setAttr(kPredicate, builder.getUnitAttr());
}

namespace {
struct GuardGradient : muon::impl::GuardGradientPassBase<GuardGradient> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    BlockArgument gradient = findGradient(function);
    bool finite = gradient && !isa<FloatType>(getElementTypeOrSelf(gradient.getType())); // integers all are
    if (gradient && !finite && Asked(function).skipsNonfinite())
      guard(function, gradient);
  }
};
} // namespace
