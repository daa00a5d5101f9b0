//===- StepFunction.cpp -----------------------------------------------------------------------===//

#include "muon/IR/StepFunction.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace muon;

std::optional<Role> muon::roleOf(FunctionOpInterface function, unsigned argument) {
  auto word = function.getArgAttrOfType<StringAttr>(argument, kArgument);
  return word ? symbolizeRole(word.getValue()) : std::nullopt;
}

StringAttr muon::nameOf(FunctionOpInterface function, unsigned argument) {
  return function.getArgAttrOfType<StringAttr>(argument, kName);
}

bool muon::isStepFunction(FunctionOpInterface function) {
  return llvm::any_of(llvm::seq(function.getNumArguments()),
                      [&](unsigned i) { return roleOf(function, i) == Role::weight; });
}

static SmallVector<BlockArgument> argumentsOfRole(func::FuncOp function, Role role) {
  return llvm::filter_to_vector(function.getArguments(), [&](BlockArgument argument) {
    return roleOf(function, argument.getArgNumber()) == role;
  });
}

static BlockArgument firstOfRole(func::FuncOp function, Role role) {
  SmallVector<BlockArgument> arguments = argumentsOfRole(function, role);
  return arguments.empty() ? BlockArgument() : arguments.front();
}

BlockArgument muon::findWeight(func::FuncOp function) { return firstOfRole(function, Role::weight); }

BlockArgument muon::findGradient(func::FuncOp function) { return firstOfRole(function, Role::gradient); }

SmallVector<BlockArgument> muon::donatedArguments(func::FuncOp function) {
  SmallVector<BlockArgument> donated = argumentsOfRole(function, Role::weight);
  llvm::append_range(donated, argumentsOfRole(function, Role::state));
  return donated;
}

bool muon::isRuntimeType(Type element) {
  return isa<Float32Type, BFloat16Type, Float16Type, Float64Type>(element) || element.isSignlessInteger(32) ||
         element.isSignlessInteger(64);
}

bool muon::hasTooManyElements(ArrayRef<int64_t> shape, int64_t count) {
  constexpr int64_t kMost = int64_t(1) << 40;
  return llvm::any_of(
      shape, [&](int64_t size) { return size > 0 && (llvm::MulOverflow(count, size, count) || count > kMost); });
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
