//===- CudaDriver.cpp -------------------------------------------------------------------------===//

#include "CudaDriver.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

namespace muon::runtime {

const char *CudaDriver::nameOf(CudaResult error) const {
  const char *name = nullptr;
  return !getErrorName(error, &name) && name ? name : "an unknown error";
}

// In the order of CudaDriver's members, but for the emulator's.
static const char *const kSymbols[] = {
    "cuInit",
    "cuGetErrorName",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxGetCurrent",
    "cuCtxPushCurrent_v2",
    "cuCtxPopCurrent_v2",
    "cuCtxGetDevice",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuModuleGetFunction",
    "cuFuncGetAttribute",
    "cuFuncSetAttribute",
    "cuMemcpyHtoD_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD32Async",
    "cuLaunchKernel",
};

bool openCudaDriver(CudaDriver &driver, Line &text) {
  const char *asked = getenv("MUON_CUDA_DRIVER");
  const char *path = asked && *asked ? asked : "libcuda.so.1";
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    text.append("no CUDA driver: %s", dlerror());
    return false;
  }
  constexpr size_t count = sizeof(kSymbols) / sizeof(*kSymbols);
  static_assert(sizeof(CudaDriver) == (count + 1) * sizeof(void *));
  void *addresses[count + 1];
  for (size_t i = 0; i < count; ++i)
    if (!(addresses[i] = dlsym(library, kSymbols[i]))) {
      text.append("CUDA driver '%s' has no %s", path, kSymbols[i]);
      return false;
    }
  bool emulates = dlsym(library, "muonEmulatorVersion");
  addresses[count] = emulates ? dlsym(library, "muonEmulatorModuleLoad") : nullptr;
  memcpy(static_cast<void *>(&driver), addresses, sizeof driver);
  if (CudaResult error = driver.init(0)) {
    text.append("cuInit of CUDA driver '%s' failed: %s", path, driver.nameOf(error));
    return false;
  }
  return true;
}

} // namespace muon::runtime
