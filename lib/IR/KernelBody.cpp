//===- KernelBody.cpp -------------------------------------------------------------------------===//

#include "muon/IR/KernelBody.h"

#include "muon/IR/DiscardableAttributes.h"

using namespace mlir;
using namespace muon;

YieldOp KernelBody::yield() { return cast<YieldOp>(kernel.getBody().front().back()); }

BlockArgument KernelBody::argument(unsigned operand) {
  unsigned position = 0;
  for (unsigned i = kernel.numPanels(); i < operand; ++i)
    position += kernel.operandAt(i).getDirection() == Direction::in;
  return kernel.getBody().getArgument(position);
}

unsigned KernelBody::firstExtraArgument() { return argument(kernel.getOperands().size()).getArgNumber(); }

BlockArgument KernelBody::accumulator() { return kernel.getBody().getArgument(firstExtraArgument()); }

BlockArgument KernelBody::scalar(unsigned i) {
  unsigned first = firstExtraArgument() + (kernel.getKind() == KernelKind::product);
  return kernel.getBody().getArgument(first + i);
}

BlockArgument KernelBody::coefficient(unsigned i) {
  unsigned total = kernel.getBody().getNumArguments();
  return kernel.getBody().getArgument(total - kernel.getNumCoefficients() + i);
}

LogicalResult KernelBody::findLevels(llvm::function_ref<bool(Operation &)> hasSequence, StringRef where) {
  for (unsigned i = kernel.numPanels(), n = kernel.getOperands().size(); i < n; ++i) {
    OperandAttr operand = kernel.operandAt(i);
    if (operand.getDirection() == Direction::out)
      continue;
    Space space = operand.getSpace();
    levels[argument(i)] = space == Space::scalar ? Level::uniform : space == Space::row ? Level::row : Level::element;
  }
  if (kernel.getKind() == KernelKind::product)
    levels[accumulator()] = Level::element;
  for (Operation &op : kernel.getBody().front()) {
    if (!hasSequence(op))
      return op.emitOpError() << "has no instruction sequence in " << where;
    Level level = Level::uniform;
    if (auto index = dyn_cast<IndexOp>(op))
      level = index.getAxis() == 0 ? Level::row : Level::element;
    for (Value operand : op.getOperands())
      level = std::max(level, levels.lookup(operand));
    for (Value result : op.getResults())
      levels[result] = level;
  }
  return success();
}

int64_t KernelBody::scalarColumn(unsigned i) {
  auto all = kernel->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>(kScalars);
  return all ? std::distance(all.begin(), llvm::find(all, kernel.getScalars()[i])) : i; // there: C11 of the dialect
}
