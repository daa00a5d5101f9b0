//===- GpuCode.h - a GPU variant's kernels as images --------------------------------*- C++ -*-===//

#ifndef MUON_LIB_COMPILER_GPU_CODE_H
#define MUON_LIB_COMPILER_GPU_CODE_H

#include "muon/IR/Muon.h"
#include "muon/Object/CompileBlocks.h"
#include "muon/Object/EmitDescription.h"

#include "mlir/IR/BuiltinOps.h"

namespace muon {

/// A planned module's kernels as LLVM IR for the NVPTX backend, finished: what the bitcode image holds.
llvm::Expected<std::unique_ptr<llvm::Module>> generateBlocks(mlir::ModuleOp planned, llvm::LLVMContext &context);

/// The images of a finished module (cubin, PTX, and bitcode if asked for) and the blocks of its kernels, added to
/// `variant`.
llvm::Error addImages(llvm::Module &finished, mlir::ModuleOp planned, bool embedBitcode, DescribedVariant &variant);

/// Writes NAME.bc, NAME.ptx, NAME.cubin and NAME.cubin.json for every kernel of a finished module into `directory`,
/// which is made if it is missing. NAME is the kernel's.
llvm::Error dumpKernels(const llvm::Module &finished, mlir::ModuleOp planned, llvm::StringRef directory);

/// What ptxas said of one kernel.
struct KernelResources {
  int64_t registers = -1, spillStores = 0, spillLoads = 0, stack = 0, staticShared = 0;
};
/// By kernel name, from the messages of ptxas -v.
llvm::StringMap<KernelResources> parseResources(llvm::StringRef messages);

} // namespace muon

#endif // MUON_LIB_COMPILER_GPU_CODE_H
