//===- StepFunctions.cpp ----------------------------------------------------------------------===//

#include "StepFunctions.h"

#include "StateRequest.h"

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/Request.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace muon;

static std::string describeShape(const StepOptions &options) {
  std::string name = options.preset;
  for (auto [i, size] : llvm::enumerate(options.shape))
    name += (i ? "x" : "_") + std::to_string(size);
  return name;
}

llvm::Expected<StepFunctions::Built *> StepFunctions::functionFor(const GroupRequest &group,
                                                                  const StepOptions &options) {
  std::string name = describeShape(options);
  std::vector<Built> &alike = built[name];
  RequestAttr request = stateRequest(module.getContext(), group);
  for (Built &earlier : alike)
    if (earlier.options == options && earlier.request == request && earlier.tunedBy == group.tunedBy)
      return &earlier;
  if (!alike.empty())
    name += "_" + std::to_string(alike.size());
  llvm::Expected<func::FuncOp> function = buildStep(module, name, options);
  if (!function)
    return function.takeError();
  if (request)
    (*function)->setAttr(kRequest, request);
  if (!group.tunedBy.empty())
    (*function)->setAttr(kTuned, uses.getStringAttr(group.tunedBy));
  return &alike.emplace_back(Built{options, request, group.tunedBy, name, {}});
}

llvm::Error StepFunctions::add(const GroupRequest &group, const StepOptions &options) {
  llvm::Expected<Built *> step = functionFor(group, options);
  if (!step)
    return step.takeError();
  SmallVector<StringRef> names(group.parameters.begin(), group.parameters.end());
  SmallVector<Attribute> parameters;
  UseOp &use = (*step)->bySet[group.set];
  if (use)
    llvm::append_range(parameters, use.getParameters());
  llvm::append_range(parameters, uses.getStrArrayAttr(names));
  if (use)
    use.setParametersAttr(uses.getArrayAttr(parameters));
  else
    use = UseOp::create(uses, module.getLoc(), (*step)->name, uses.getArrayAttr(parameters), group.set);
  return llvm::Error::success();
}
