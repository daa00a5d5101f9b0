//===- PlanIndex.cpp --------------------------------------------------------------------------===//

#include "muon/Object/PlanIndex.h"

#include "muon/IR/StepFunction.h"

using namespace mlir;
using namespace muon;

PlanIndex::PlanIndex(ModuleOp planned) : planned(planned), symbols(planned) {
  planned.walk([&](LaunchOp launch) { launches[launch.getFunction()].push_back(launch); });
  planned.walk([&](UseOp use) {
    allUses.push_back(use);
    parameters[use.getFunction()] += use.getParameters().size();
  });
}

VariantOp PlanIndex::variant() const { return *planned.getOps<VariantOp>().begin(); }

ArrayRef<LaunchOp> PlanIndex::launchesOf(StringRef function) const {
  auto found = launches.find(function);
  return found == launches.end() ? ArrayRef<LaunchOp>() : ArrayRef<LaunchOp>(found->second);
}

int64_t PlanIndex::matricesOf(StringRef name) const {
  return std::max<int64_t>(parameters.lookup(name), 1) * matricesPerParameter(function(name));
}
