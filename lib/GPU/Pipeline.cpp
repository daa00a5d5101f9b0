//===- Pipeline.cpp - the GPU room's passes in order ------------------------------------------===//

#include "muon/GPU/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void muon::buildGpuPipeline(OpPassManager &pm) {
  pm.addPass(createMuonLowerBlocks());
  auto &functions = pm.nest<LLVM::LLVMFuncOp>();
  functions.addPass(createCSEPass());
  functions.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  auto &lowered = pm.nest<LLVM::LLVMFuncOp>();
  lowered.addPass(createArithToLLVMConversionPass());
  lowered.addPass(createReconcileUnrealizedCastsPass());
}
