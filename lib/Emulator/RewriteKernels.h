//===- RewriteKernels.h - from LLVM IR for the NVPTX backend to LLVM IR for this processor ----===//

#ifndef MUON_EMULATOR_REWRITEKERNELS_H
#define MUON_EMULATOR_REWRITEKERNELS_H

#include "Site.h"

#include "llvm/IR/Module.h"

#include <memory>
#include <string>
#include <vector>

namespace muon::emulator {

/// A kernel in a rewritten module.
struct KernelInfo {
  std::string name;
  std::vector<uint32_t> parameterBytes;
  uint32_t staticSharedBytes = 0; ///< As the device would lay them out.
  uint32_t maxThreads = 1024;     ///< Or what the kernel was compiled for.
  uint64_t dynamicOffset = 0;     ///< Of the dynamic shared memory in the shared region; 0: the kernel has none.
};

/// A variable in shared memory.
struct SharedVariable {
  std::string name;
  uint64_t offset, bytes;
  std::vector<std::string> kernels; ///< That use it.
};

/// A module-level variable in global or constant memory.
struct GlobalVariableInfo {
  std::string name;
  uint64_t bytes;
  bool constant;
};

struct RewrittenModule {
  std::vector<KernelInfo> kernels;
  std::vector<SharedVariable> shared;
  std::vector<GlobalVariableInfo> globals;
  std::vector<std::unique_ptr<Site>> sites;
  std::vector<std::string> unknown; ///< Operations the emulator does not know: they fail if reached.
  std::string target;               ///< The chip it was compiled for ("sm_80"), if it says so.
  std::string error;                ///< Not empty: the module cannot be run, and why.
};

/// The name of the function that unpacks parameters and calls a kernel: void(void **).
std::string entryName(llvm::StringRef kernel);

/// Rewrites the module in place: shared variables become fixed addresses below `sharedBase`, operations of the device
/// become calls into this library, and if `checks` asks for it each memory access is announced. Afterwards it has the
/// given data layout and triple.
RewrittenModule rewriteKernels(llvm::Module &module, unsigned checks, uint64_t sharedBase, uint64_t sharedBytes,
                               const llvm::DataLayout &layout, const llvm::Triple &triple);

} // namespace muon::emulator

#endif // MUON_EMULATOR_REWRITEKERNELS_H
