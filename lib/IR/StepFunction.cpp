//===- StepFunction.cpp ----------------------------------------------------------------------------===//

#include "muon/IR/StepFunction.h"

using namespace mlir;
using namespace muon;

BlockArgument muon::findWeight(func::FuncOp function) {
  for (BlockArgument argument : function.getArguments())
    if (auto role = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "muon.arg"); role && role.getValue() == "weight")
      return argument;
  return {};
}

int64_t muon::matricesPerParameter(func::FuncOp function) {
  BlockArgument weight = findWeight(function);
  if (!weight)
    return 1;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(weight.getType()).getShape();
  int64_t count = 1;
  for (int64_t size : shape.drop_back(std::min<size_t>(2, shape.size())))
    count *= size;
  return count;
}
