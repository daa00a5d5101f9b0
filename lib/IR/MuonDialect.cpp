//===- MuonDialect.cpp - registration and argument roles --------------------------------------===//

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/StepFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace muon;

#include "muon/IR/MuonDialect.cpp.inc"

void MuonDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "muon/IR/MuonOps.cpp.inc"
      >();
}

LogicalResult MuonDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  return verifyDiscardable(op, attribute);
}

/// C4: the one weight and the gradient belong together.
static LogicalResult verifyGradient(FunctionOpInterface function, unsigned weight) {
  auto shapeOf = [&](unsigned i) {
    auto tensor = dyn_cast<RankedTensorType>(function.getArgumentTypes()[i]);
    return tensor ? tensor.getShape() : ArrayRef<int64_t>();
  };
  unsigned gradients = 0;
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
    std::optional<Role> role = roleOf(function, i);
    if (role == Role::weight && i != weight)
      return function.emitOpError("expected one weight, got two");
    if (role != Role::gradient)
      continue;
    if (++gradients > 1)
      return function.emitOpError("expected at most one gradient, got two");
    if (shapeOf(i) != shapeOf(weight))
      return function.emitOpError() << "expected a gradient of the weight's shape "
                                    << function.getArgumentTypes()[weight] << ", got "
                                    << function.getArgumentTypes()[i];
  }
  return success();
}

static LogicalResult verifyNames(FunctionOpInterface function) {
  llvm::StringSet<> names;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    StringAttr name = nameOf(function, i);
    if (!function.getArgAttr(i, kArgument) && (!name || !(type.isF64() || type.isInteger(64)))) // C5
      return function.emitOpError() << "expected argument " << i << " to have a role (" << kArgument
                                    << "), or to be a named f64 or i64, got " << type
                                    << (name ? "" : " without a name");
    if (name && !names.insert(name.getValue()).second) // C6
      return function.emitOpError() << "expected distinct names, got " << name << " twice";
  }
  return success();
}

/// C2: what lies in memory, as the runtime describes it.
static LogicalResult verifyMemory(FunctionOpInterface function, StringRef role, Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return function.emitOpError() << "expected the " << role << " to be a static ranked tensor, got " << type;
  if (llvm::is_contained(tensor.getShape(), 0))
    return function.emitOpError() << "expected sizes of 1 or more in the " << role << ", got " << type;
  if (tensor.getRank() > mostDimensions)
    return function.emitOpError() << "expected at most " << mostDimensions << " dimensions in the " << role << ", got "
                                  << type;
  if (hasTooManyElements(tensor.getShape()))
    return function.emitOpError() << "expected at most 2^40 elements in the " << role << ", got " << type;
  if (!isRuntimeType(tensor.getElementType()))
    return function.emitOpError() << "expected the " << role
                                  << " to have elements of f32, bf16, f16, f64, i32 or i64, got " << type;
  return success();
}

/// C7: what a step returns, so that each result has the memory of the argument it replaces.
static LogicalResult verifyResults(FunctionOpInterface function, unsigned weight) {
  SmallVector<Type> expected{function.getArgumentTypes()[weight]};
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
    if (roleOf(function, i) == Role::state)
      expected.push_back(type);
  TypeRange results = function.getResultTypes();
  if (results.size() < expected.size() || results.take_front(expected.size()) != TypeRange(expected))
    return function.emitOpError() << "expected the results to be the new weight and the new states, of types "
                                  << expected << ", got " << results;
  for (unsigned i = expected.size(), e = results.size(); i < e; ++i) {
    if (!function.getResultAttr(i, kName))
      return function.emitOpError() << "expected result " << i << ", a metric, to have a " << kName;
    if (failed(verifyMemory(function, "metric", results[i])))
      return failure();
  }
  return success();
}

LogicalResult MuonDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned argument,
                                                    NamedAttribute attribute) {
  auto function = cast<FunctionOpInterface>(op);
  auto word = dyn_cast<StringAttr>(attribute.getValue());
  if (!word) // C1
    return op->emitOpError() << "expected " << attribute.getName().getValue() << " to be a string, got "
                             << attribute.getValue();
  if (attribute.getName() == kName)
    return success();
  if (attribute.getName() != kArgument) // C1
    return op->emitOpError() << "expected the argument attributes " << kArgument << " and " << kName << ", got "
                             << attribute.getName().getValue();
  std::optional<Role> role = symbolizeRole(word.getValue());
  if (!role) // C1
    return op->emitOpError() << "expected " << kArgument << " to be weight, gradient, state or input, got "
                             << word.getValue();
  if (failed(verifyMemory(function, word.getValue(), function.getArgumentTypes()[argument])))
    return failure();
  if ((role == Role::state || role == Role::input) && !nameOf(function, argument)) // C3
    return op->emitOpError() << "expected the " << word.getValue() << " to have a " << kName;
  if (role != Role::weight)
    return success();
  // The whole signature is checked once, at the weight.
  return success(succeeded(verifyGradient(function, argument)) && succeeded(verifyNames(function)) &&
                 succeeded(verifyResults(function, argument)));
}

LogicalResult MuonDialect::verifyRegionResultAttribute(Operation *op, unsigned, unsigned, NamedAttribute attribute) {
  if (attribute.getName() != kName || !isa<StringAttr>(attribute.getValue()))
    return op->emitOpError() << "expected the result attribute " << kName << " = \"...\", got "
                             << attribute.getName().getValue() << " = " << attribute.getValue();
  return success();
}
