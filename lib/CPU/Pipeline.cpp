//===- Pipeline.cpp ---------------------------------------------------------------------------===//

#include "muon/CPU/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void muon::buildCpuPipeline(OpPassManager &pm) {
  pm.addPass(createMuonLowerKernels());
  auto &functions = pm.nest<LLVM::LLVMFuncOp>();
  functions.addPass(createCSEPass()); // costs time, saves LLVM more
  // While control flow is structured: the vector pass also merges equal blocks, and of two products
  // on different tiles the tiles' numbers would be variables.
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  auto &lowered = pm.nest<LLVM::LLVMFuncOp>();
  lowered.addPass(createArithToLLVMConversionPass());
  lowered.addPass(createReconcileUnrealizedCastsPass());
}
