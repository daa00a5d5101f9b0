//===- DriverLaunch.cpp - modules, functions and launches -------------------------------------===//

#include "Driver.h"

#include <cstring>

using namespace muon::emulator;

static LoadedFunction *functionOf(CUfunction function) { return reinterpret_cast<LoadedFunction *>(function); }

static LoadedModule *findModule(CUmodule module) {
  for (const std::unique_ptr<LoadedModule> &loaded : driver().modules)
    if (loaded.get() == reinterpret_cast<LoadedModule *>(module))
      return loaded.get();
  return nullptr;
}

static bool isKnown(const LoadedFunction *function) {
  for (const std::unique_ptr<LoadedModule> &loaded : driver().modules)
    for (auto &[name, candidate] : loaded->functions)
      if (&candidate == function)
        return true;
  return false;
}

/// Whether code for `target` runs on the chip: as PTX would, on the same or a later one; features of one architecture
/// ("sm_90a") only on that.
static bool runsOn(const std::string &target, const Chip &chip) {
  const Chip *made = findChip(target);
  if (!made)
    return false;
  if (target.back() == 'a')
    return made == &chip;
  return made->major * 100 + made->minor <= chip.major * 100 + chip.minor;
}

static CUresult load(CUmodule *module, llvm::StringRef bitcode) {
  std::string error;
  std::unique_ptr<LoadedModule> loaded = loadModule(bitcode, machine().checks, error);
  if (!loaded) {
    if (!machine().quiet)
      fprintf(stderr, "muon emulator: %s\n", error.c_str());
    return CUDA_ERROR_INVALID_IMAGE;
  }
  const std::string &target = loaded->rewritten.target;
  if (!target.empty() && !runsOn(target, *driver().chip)) {
    if (!machine().quiet)
      fprintf(stderr, "muon emulator: module for %s, the emulated chip is %s\n", target.c_str(), driver().chip->name);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  *module = reinterpret_cast<CUmodule>(loaded.get());
  driver().modules.insert(std::move(loaded));
  return CUDA_SUCCESS;
}

static CUresult checkLaunch(const LoadedFunction &function, Dimensions grid, Dimensions block, uint32_t sharedBytes) {
  if (!grid.count() || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535)
    return CUDA_ERROR_INVALID_VALUE;
  if (!block.count() || block.count() > 1024 || block.count() > function.info.maxThreads)
    return CUDA_ERROR_INVALID_VALUE;
  return function.info.staticSharedBytes + sharedBytes > function.maxDynamicBytes ? CUDA_ERROR_INVALID_VALUE
                                                                                  : CUDA_SUCCESS;
}

/// What a launch does when its turn comes.
static Work makeWork(QueuedLaunch launch) {
  return [launch = std::move(launch)]() mutable {
    if (CUresult error = driver().injected("kernel"))
      machine().sticky = error;
    else
      runLaunch(launch);
  };
}

extern "C" {

CUresult muonEmulatorModuleLoad(CUmodule *module, const void *bitcode, uint64_t bytes) {
  MUON_DRIVER_ENTER(cuModuleLoadData);
  return load(module, {static_cast<const char *>(bitcode), bytes});
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  MUON_DRIVER_ENTER(cuModuleLoadData);
  uint32_t header[4]; // of bitcode in a wrapper: magic, version, offset, size
  memcpy(header, image, sizeof header);
  if (header[0] != 0x0b17c0de)
    return CUDA_ERROR_INVALID_IMAGE;
  return load(module, {static_cast<const char *>(image), size_t(header[2]) + header[3]});
}

CUresult cuModuleUnload(CUmodule module) {
  std::lock_guard guard(driver().lock);
  driver().drain();
  for (auto found = driver().modules.begin(); found != driver().modules.end(); ++found)
    if (reinterpret_cast<CUmodule>(found->get()) == module) {
      driver().modules.erase(found);
      return machine().sticky;
    }
  return CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  MUON_DRIVER_ENTER(cuModuleGetFunction);
  LoadedModule *loaded = findModule(module);
  if (!loaded)
    return CUDA_ERROR_INVALID_HANDLE;
  auto found = loaded->functions.find(name);
  if (found == loaded->functions.end())
    return CUDA_ERROR_NOT_FOUND;
  *function = reinterpret_cast<CUfunction>(&found->second);
  return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module, const char *name) {
  MUON_DRIVER_ENTER(cuModuleGetGlobal_v2);
  LoadedModule *loaded = findModule(module);
  if (!loaded)
    return CUDA_ERROR_INVALID_HANDLE;
  auto found = loaded->globals.find(name);
  if (found == loaded->globals.end())
    return CUDA_ERROR_NOT_FOUND;
  *address = reinterpret_cast<CUdeviceptr>(found->second.first);
  *bytes = found->second.second;
  return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction function) {
  MUON_DRIVER_ENTER(cuFuncGetAttribute);
  LoadedFunction *loaded = functionOf(function);
  if (!isKnown(loaded))
    return CUDA_ERROR_INVALID_HANDLE;
  if (attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
    *value = static_cast<int>(loaded->info.maxThreads);
  else if (attribute == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)
    *value = static_cast<int>(loaded->info.staticSharedBytes);
  else if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
    *value = static_cast<int>(loaded->maxDynamicBytes - loaded->info.staticSharedBytes);
  else
    return CUDA_ERROR_INVALID_VALUE;
  return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value) {
  MUON_DRIVER_ENTER(cuFuncSetAttribute);
  LoadedFunction *loaded = functionOf(function);
  if (!isKnown(loaded))
    return CUDA_ERROR_INVALID_HANDLE;
  auto total = static_cast<uint32_t>(value) + loaded->info.staticSharedBytes;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 ||
      total > static_cast<uint32_t>(driver().chip->sharedPerBlock))
    return CUDA_ERROR_INVALID_VALUE;
  loaded->maxDynamicBytes = std::max<uint32_t>(48 << 10, total);
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                        unsigned blockY, unsigned blockZ, unsigned sharedBytes, CUstream stream, void **parameters,
                        void **extra) {
  MUON_DRIVER_ENTER(cuLaunchKernel);
  LoadedFunction *loaded = functionOf(function);
  if (!isKnown(loaded))
    return CUDA_ERROR_INVALID_HANDLE;
  QueuedLaunch launch = {loaded, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, sharedBytes, {}};
  if (CUresult error = checkLaunch(*loaded, launch.grid, launch.block, sharedBytes))
    return error;
  if (extra || (!parameters && !loaded->info.parameterBytes.empty()))
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < loaded->info.parameterBytes.size(); ++i) {
    auto *begin = static_cast<const uint8_t *>(parameters[i]);
    launch.parameters.emplace_back(begin, begin + loaded->info.parameterBytes[i]);
  }
  return driver().submit(stream, makeWork(std::move(launch)));
}
}
