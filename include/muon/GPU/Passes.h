//===- Passes.h - the GPU room: kernels to functions of thread blocks ---------------*- C++ -*-===//

#ifndef MUON_GPU_PASSES_H
#define MUON_GPU_PASSES_H

#include "muon/IR/Muon.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace muon {

/// Kernels of a module to the llvm and nvvm dialects. The module holds the kernels of ONE GPU target: a single
/// muon.variant, or the target of its `muon.request`. What is left beside llvm functions are the variant and the step
/// functions.
void buildGpuPipeline(mlir::OpPassManager &pm);

/// Threads and dynamic shared memory (bytes) of a kernel's block.
struct KernelBlock {
  unsigned threads, sharedBytes;
};
KernelBlock blockOf(KernelOp kernel);

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "muon/GPU/Passes.h.inc"

} // namespace muon

#endif // MUON_GPU_PASSES_H
