//===- Pipeline.cpp - the room's one builder function -----------------------------------------===//

#include "muon/Form/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace muon;

void muon::buildFormPipeline(OpPassManager &manager, const FormOptions &options) {
  ChooseFormPassOptions choose;
  choose.gramBound = options.gramBound, choose.pairedBound = options.pairedBound,
  choose.flopsPerByte = options.flopsPerByte;
  manager.addNestedPass<func::FuncOp>(createChooseFormPass(choose));
  manager.addNestedPass<func::FuncOp>(createExpandStepPass());
  manager.addNestedPass<func::FuncOp>(createExpandOrthogonalizePass());
  manager.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  manager.addNestedPass<func::FuncOp>(createCSEPass());
  manager.addNestedPass<func::FuncOp>(createCheckFormPass());
}
