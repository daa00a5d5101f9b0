//===- LoadedModule.h - a module compiled for this processor ----------------------------------===//

#ifndef MUON_EMULATOR_LOADEDMODULE_H
#define MUON_EMULATOR_LOADEDMODULE_H

#include "RewriteKernels.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <map>
#include <memory>

namespace muon::emulator {

struct LoadedModule;

struct LoadedFunction {
  LoadedModule *module;
  KernelInfo info;
  void (*entry)(void **parameters);
  uint32_t maxDynamicBytes = 48 << 10; ///< Together with static ones; more must be asked for.
};

struct LoadedModule {
  RewrittenModule rewritten;
  unsigned checks;
  std::map<std::string, LoadedFunction> functions;
  std::map<std::string, std::pair<void *, uint64_t>> globals;
  std::unique_ptr<llvm::orc::LLJIT> jit;

  ~LoadedModule();
};

/// Parses, rewrites and compiles bitcode. Null if that fails, with the reason in `error`.
std::unique_ptr<LoadedModule> loadModule(llvm::StringRef bitcode, unsigned checks, std::string &error);

} // namespace muon::emulator

#endif // MUON_EMULATOR_LOADEDMODULE_H
