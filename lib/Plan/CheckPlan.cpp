//===- CheckPlan.cpp - the Plan room's exit contract ------------------------------------------===//

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/Muon.h"
#include "muon/Plan/Passes.h"

namespace muon {
#define GEN_PASS_DEF_CHECKPLANPASS
#include "muon/Plan/Passes.h.inc"
} // namespace muon

using namespace mlir;
using namespace muon;

namespace {
struct CheckPlan : muon::impl::CheckPlanPassBase<CheckPlan> {
  LogicalResult check();
  void runOnOperation() override {
    if (failed(check()))
      signalPassFailure();
  }
};
} // namespace

LogicalResult CheckPlan::check() {
  ModuleOp module = getOperation();
  auto variants = llvm::to_vector(module.getOps<VariantOp>());
  if (variants.size() != 1)
    return module.emitOpError() << "expected one muon.variant after Plan, got " << variants.size();
  auto scalars = module->getAttrOfType<ArrayAttr>(kScalars);
  auto kinds = module->getAttrOfType<DenseBoolArrayAttr>(kIntegerScalars);
  if (!scalars || !kinds || static_cast<int64_t>(scalars.size()) != kinds.size())
    return module.emitOpError("expected muon.scalars, the names of its scalars, and as many muon.integer_scalars");
  int64_t workspace = variants.front().getWorkspace();
  WalkResult result = variants.front().walk([&](LaunchOp launch) {
    for (auto place : launch.getPlaces().getAsRange<PlaceAttr>())
      if (!place.isArgument() && place.getOffset() >= workspace) {
        launch.emitOpError() << "expected places that start inside the workspace of " << workspace
                             << " bytes, got offset " << place.getOffset();
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  for (auto kernel : module.getOps<KernelOp>())
    if (SymbolTable::symbolKnownUseEmpty(kernel, module))
      return kernel.emitOpError("expected at least one launch");
  return success();
}

void muon::buildPlanPipeline(OpPassManager &manager) {
  manager.addNestedPass<func::FuncOp>(createSplitViewsPass());
  manager.addNestedPass<func::FuncOp>(createGuardGradientPass());
  manager.addPass(createSplitProductsPass());
  manager.addPass(createPlanLaunchesPass());
  manager.addPass(createCheckPlanPass());
}
