//===- Leaves.cpp - what a draft's bodies read ------------------------------------------------===//

#include "muon/Plan/StepPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <set>

using namespace mlir;
using namespace muon;

namespace {
/// Walks the elementwise operations above a draft's outputs down to what is in memory.
class LeafCollector {
public:
  LeafCollector(const StepPlan &plan, const Draft &draft) : plan(plan), draft(draft), chain(plan.chainOf(draft)) {}

  void visit(Value value, const Axes &axes) {
    if (!seen.insert({value.getAsOpaquePointer(), {axes.begin(), axes.end()}}).second)
      return;
    if (auto argument = dyn_cast<BlockArgument>(value))
      return visitArgument(argument, axes);
    if (auto slice = value.getDefiningOp<tensor::ExtractSliceOp>(); slice && !isStored(value))
      return visitSlice(slice, axes);
    if (llvm::is_contained(chain, value.getDefiningOp()))
      return visitOperands(value.getDefiningOp(), axes);
    if (value.getDefiningOp() == draft.product) // the accumulator
      return;
    int64_t buffer = plan.findReadable(value);
    if (buffer < 0 || plan.buffers[buffer].firstStage >= draft.stage)
      buffer = plan.findParts(value);
    if (buffer >= 0 && plan.buffers[buffer].firstStage < draft.stage)
      leaves.memory.push_back({value, axes, buffer, -1});
    else
      visitOperands(value.getDefiningOp(), axes);
  }

  Leaves leaves;

private:
  bool isStored(Value value) const {
    int64_t buffer = plan.find(value, Layout::plain);
    return buffer >= 0 && plan.buffers[buffer].firstStage < draft.stage;
  }

  void visitArgument(BlockArgument argument, const Axes &axes) {
    if (isa<RankedTensorType>(argument.getType()))
      leaves.memory.push_back({argument, axes, -1, static_cast<int64_t>(argument.getArgNumber())});
    else
      leaves.scalars.insert(argument);
  }

  /// A box of an argument or of what is stored.
  void visitSlice(tensor::ExtractSliceOp slice, const Axes &axes) {
    auto argument = dyn_cast<BlockArgument>(slice.getSource());
    int64_t buffer = argument ? -1 : plan.find(slice.getSource(), Layout::plain);
    leaves.memory.push_back(
        {slice.getResult(), axes, buffer, argument ? static_cast<int64_t>(argument.getArgNumber()) : -1, slice});
  }

  void visitOperands(Operation *op, const Axes &axes) {
    if (isa<arith::ConstantOp, tensor::EmptyOp>(op))
      return;
    if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op))
      return visit(broadcast.getInput(), axesBelow(broadcast, axes));
    for (Value operand : op->getOperands())
      visit(operand, isa<RankedTensorType>(operand.getType()) ? axes : Axes{});
  }

  const StepPlan &plan;
  const Draft &draft;
  ArrayRef<Operation *> chain;
  std::set<std::pair<void *, std::vector<int64_t>>> seen;
};
} // namespace

Axes muon::axesBelow(linalg::BroadcastOp broadcast, const Axes &axes) {
  Axes inner;
  for (auto [i, axis] : llvm::enumerate(axes))
    if (!llvm::is_contained(broadcast.getDimensions(), static_cast<int64_t>(i)))
      inner.push_back(axis);
  return inner;
}

Axes muon::identityAxes(size_t rank) { return llvm::to_vector_of<int64_t>(llvm::seq<int64_t>(0, rank)); }

Axes Draft::axes() const {
  Axes axes = identityAxes(shape.size());
  if (turned)
    std::swap(axes[axes.size() - 2], axes.back());
  return axes;
}

Leaves StepPlan::collectLeaves(const Draft &draft) const {
  LeafCollector collector(*this, draft);
  for (const Output &output : draft.outputs)
    collector.visit(output.value, draft.axes());
  return std::move(collector.leaves);
}
