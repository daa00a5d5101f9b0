//===- CheckForm.cpp - the room's exit contract -----------------------------------------------===//

#include "muon/Form/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace muon;

namespace muon {
#define GEN_PASS_DEF_CHECKFORMPASS
#include "muon/Form/Passes.h.inc"
} // namespace muon

static bool isElementwiseArithmetic(Operation *op) {
  bool arithmetic = isa_and_present<arith::ArithDialect, math::MathDialect>(op->getDialect());
  return arithmetic && (isa<arith::ConstantOp>(op) || OpTrait::hasElementwiseMappableTraits(op));
}

static bool isListed(Operation *op) {
  return isElementwiseArithmetic(op) ||
         isa<tensor::SplatOp, tensor::EmptyOp, tensor::ExtractSliceOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp,
             tensor::ConcatOp, linalg::BroadcastOp, linalg::ReduceOp, GramOp, SymmetricMatmulOp, ApplyOp, DiagonalOp,
             RoundOp, ChooseOp, func::ReturnOp>(op);
}

/// Whether combining with it changes nothing.
static bool isNeutral(const llvm::APFloat &number, Operation &combine) {
  if (isa<arith::AddFOp>(combine))
    return number.isZero();
  return number.isInfinity() && number.isNegative() == isa<arith::MaximumFOp>(combine);
}

/// Kernels start a reduction from what is neutral.
static LogicalResult checkStart(linalg::ReduceOp op, Operation &combine) {
  DenseElementsAttr start;
  bool constant = matchPattern(op.getInits()[0], m_Constant(&start)) && start.isSplat();
  if (constant && isNeutral(start.getSplatValue<llvm::APFloat>(), combine))
    return success();
  StringRef expected = isa<arith::AddFOp>(combine)       ? "0"
                       : isa<arith::MaximumFOp>(combine) ? "minus infinity"
                                                         : "infinity";
  InFlightDiagnostic error = op.emitOpError() << "expected outs to be " << expected << " everywhere, got ";
  return constant ? error << start.getSplatValue<Attribute>() : error << "something else";
}

static LogicalResult checkReduce(linalg::ReduceOp op) {
  Block &combiner = op.getCombiner().front();
  Operation &combine = combiner.front();
  bool known = op.getInputs().size() == 1 && combiner.getOperations().size() == 2 &&
               isa<arith::AddFOp, arith::MaximumFOp, arith::MinimumFOp>(combine);
  if (!known)
    return op.emitOpError("expected one input combined by arith.addf, arith.maximumf or arith.minimumf");
  return checkStart(op, combine);
}

static LogicalResult checkOp(Operation &op) {
  if (!isListed(&op))
    return op.emitOpError("is not in the closed op list that the Form room leaves");
  if (op.getNumResults() > 1)
    return op.emitOpError() << "expected one result, got " << op.getNumResults();
  if (DenseElementsAttr elements; matchPattern(&op, m_Constant(&elements)) && !elements.isSplat())
    return op.emitOpError() << "expected one number for all elements, got " << elements.getNumElements()
                            << " different ones";
  for (Value result : op.getResults())
    if (auto shaped = dyn_cast<ShapedType>(result.getType());
        shaped && !(isa<RankedTensorType>(shaped) && shaped.hasStaticShape()))
      return op.emitOpError() << "expected static tensors, got " << shaped;
  if (auto reduce = dyn_cast<linalg::ReduceOp>(op))
    return checkReduce(reduce);
  return success();
}

namespace {
struct CheckFormPass : muon::impl::CheckFormPassBase<CheckFormPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isDeclaration() || !function.getBody().hasOneBlock()) {
      function.emitOpError("expected a body of one block");
      return signalPassFailure();
    }
    for (Operation &op : function.front())
      if (failed(checkOp(op)))
        return signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
