//===- Driver.cpp - initialisation, device, context, errors -----------------------------------===//

#include "Driver.h"

#include "llvm/ADT/StringRef.h"

#include <cstdlib>
#include <dlfcn.h>
#include <tuple>

using namespace muon::emulator;

namespace muon::emulator {

// CUDA C++ Programming Guide, technical specifications per compute capability, and the multiprocessors of the products
// that the compiler's targets describe (lib/GPU/Targets.cpp; test/GPU/ChipTest.cpp compares them).
static constexpr Chip kChips[] = {
    {"sm_80", 8, 0, 108, 166912, 167936}, {"sm_86", 8, 6, 84, 101376, 102400},    {"sm_89", 8, 9, 128, 101376, 102400},
    {"sm_90", 9, 0, 132, 232448, 233472}, {"sm_120", 12, 0, 188, 101376, 102400},
};

const Chip *findChip(const std::string &name) {
  for (const Chip &chip : kChips)
    if (name == chip.name || name == std::string(chip.name) + "a")
      return &chip;
  return nullptr;
}

Driver &driver() {
  static Driver *only = new Driver;
  return *only;
}

CUresult Driver::injected(const char *function) {
  for (InjectedFault &fault : faults)
    if (fault.function == function && fault.countdown && !--fault.countdown)
      return fault.error;
  return CUDA_SUCCESS;
}

CUresult Driver::enter(const char *function) {
  if (!initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  if (CUresult error = injected(function))
    return error;
  return machine().sticky;
}

CUresult Driver::drain() {
  while (!queue.empty() && machine().sticky == CUDA_SUCCESS) {
    Work work = std::move(queue.front());
    queue.pop_front();
    work();
  }
  if (machine().sticky)
    queue.clear();
  return machine().sticky;
}

CUresult Driver::submit(CUstream stream, Work work) {
  if (stream && !streams.count(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream && stream->capturing)
    stream->captured.push_back(std::move(work));
  else
    queue.push_back(std::move(work));
  return CUDA_SUCCESS;
}

/// What a variable of the environment says, "" if it is not set.
static std::string variable(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

/// False, having said what was expected.
static bool refuse(const char *name, const std::string &value, const char *expected) {
  fprintf(stderr, "muon emulator: %s is '%s', expected %s\n", name, value.c_str(), expected);
  return false;
}

/// "cuMemAlloc_v2:2:2": a function of the driver or "kernel", which call of it, its error.
static bool parseFault(llvm::StringRef text, InjectedFault &fault) {
  auto [function, numbers] = text.split(':');
  auto [nth, error] = numbers.split(':');
  fault.function = function.str();
  int code = 0;
  if (nth.getAsInteger(10, fault.countdown) || error.getAsInteger(10, code) || !fault.countdown || code <= 0)
    return false;
  fault.error = static_cast<CUresult>(code);
  return function == "kernel" || (function.starts_with("cu") && dlsym(RTLD_DEFAULT, fault.function.c_str()));
}

/// All of it or, with one line that says what is wrong, none.
static bool readEnvironment() {
  std::string checks = variable("MUON_EMULATE_CHECKS"), seed = variable("MUON_EMULATE_SEED"),
              list = variable("MUON_EMULATE_FAULT");
  bool memory = checks == "memory", values = checks == "values";
  if (!checks.empty() && checks != "all" && !memory && !values)
    return refuse("MUON_EMULATE_CHECKS", checks, "all, memory or values");
  uint64_t number = machine().seed;
  if (!seed.empty() && llvm::StringRef(seed).getAsInteger(0, number))
    return refuse("MUON_EMULATE_SEED", seed, "a number");
  std::vector<InjectedFault> faults;
  for (llvm::StringRef rest = list; !rest.empty();) {
    llvm::StringRef one;
    std::tie(one, rest) = rest.split(',');
    if (!parseFault(one, faults.emplace_back()))
      return refuse("MUON_EMULATE_FAULT", list,
                    "FUNCTION:N:ERROR[,...] with a driver function or kernel, and numbers from 1");
  }
  if (!checks.empty())
    machine().checks = values ? MUON_EMULATOR_VALUES : memory ? MUON_EMULATOR_MEMORY : MUON_EMULATOR_ALL;
  machine().seed = number;
  machine().quiet = getenv("MUON_EMULATE_QUIET") != nullptr;
  driver().faults.insert(driver().faults.end(), faults.begin(), faults.end());
  return true;
}

/// The one context; its address is all there is to it.
static CUcontext primary() {
  static char context;
  return reinterpret_cast<CUcontext>(&context);
}
static thread_local std::vector<CUcontext> contexts;

} // namespace muon::emulator

extern "C" {

CUresult cuInit(unsigned) {
  Driver &state = driver();
  std::lock_guard guard(state.lock);
  if (state.initialised)
    return CUDA_SUCCESS;
  if (!state.environmentRead && !readEnvironment())
    return CUDA_ERROR_INVALID_VALUE;
  state.environmentRead = true; // once: a call that fails below has counted
  if (CUresult error = state.injected("cuInit"))
    return error;
  std::string name = variable("MUON_EMULATE_CHIP");
  state.chip = findChip(name.empty() ? "sm_80" : name);
  if (!state.chip) {
    refuse("MUON_EMULATE_CHIP", name, "sm_80, sm_86, sm_89, sm_90 or sm_120");
    return CUDA_ERROR_NO_DEVICE;
  }
  state.initialised = true;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
  *version = 12000;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **name) {
  switch (error) {
#define CASE(value)                                                                                                    \
  case value:                                                                                                          \
    *name = #value;                                                                                                    \
    return CUDA_SUCCESS
    CASE(CUDA_SUCCESS);
    CASE(CUDA_ERROR_INVALID_VALUE);
    CASE(CUDA_ERROR_OUT_OF_MEMORY);
    CASE(CUDA_ERROR_NOT_INITIALIZED);
    CASE(CUDA_ERROR_NO_DEVICE);
    CASE(CUDA_ERROR_INVALID_DEVICE);
    CASE(CUDA_ERROR_INVALID_IMAGE);
    CASE(CUDA_ERROR_INVALID_CONTEXT);
    CASE(CUDA_ERROR_NO_BINARY_FOR_GPU);
    CASE(CUDA_ERROR_INVALID_HANDLE);
    CASE(CUDA_ERROR_NOT_FOUND);
    CASE(CUDA_ERROR_ILLEGAL_ADDRESS);
    CASE(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
    CASE(CUDA_ERROR_LAUNCH_TIMEOUT);
    CASE(CUDA_ERROR_ILLEGAL_INSTRUCTION);
    CASE(CUDA_ERROR_MISALIGNED_ADDRESS);
    CASE(CUDA_ERROR_LAUNCH_FAILED);
    CASE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
#undef CASE
  }
  *name = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char **text) { return cuGetErrorName(error, text); }

CUresult cuDeviceGetCount(int *count) {
  MUON_DRIVER_ENTER(cuDeviceGetCount);
  *count = 1;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  MUON_DRIVER_ENTER(cuDeviceGet);
  if (ordinal)
    return CUDA_ERROR_INVALID_DEVICE;
  *device = 0;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice) {
  MUON_DRIVER_ENTER(cuDeviceGetName);
  snprintf(name, static_cast<size_t>(length), "Muon emulator (%s)", driver().chip->name);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice) {
  MUON_DRIVER_ENTER(cuDeviceGetAttribute);
  const Chip &chip = *driver().chip;
  switch (attribute) {
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    *value = 1024;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
    *value = 48 << 10;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
    *value = 32;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
    *value = chip.multiprocessors;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    *value = chip.major;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    *value = chip.minor;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
    *value = chip.sharedPerMultiprocessor;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
    *value = chip.sharedPerBlock;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  MUON_DRIVER_ENTER(cuDeviceTotalMem_v2);
  *bytes = Memory::kDeviceBytes;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
  MUON_DRIVER_ENTER(cuDevicePrimaryCtxRetain);
  ++driver().retained;
  *context = primary();
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  std::lock_guard guard(driver().lock);
  if (!driver().retained)
    return CUDA_ERROR_INVALID_CONTEXT;
  --driver().retained;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *context) {
  MUON_DRIVER_ENTER(cuCtxGetCurrent);
  *context = contexts.empty() ? nullptr : contexts.back();
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  MUON_DRIVER_ENTER(cuCtxSetCurrent);
  if (!contexts.empty())
    contexts.pop_back();
  if (context)
    contexts.push_back(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  MUON_DRIVER_ENTER(cuCtxPushCurrent_v2);
  if (context != primary())
    return CUDA_ERROR_INVALID_CONTEXT;
  contexts.push_back(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  std::lock_guard guard(driver().lock);
  if (contexts.empty())
    return CUDA_ERROR_INVALID_CONTEXT;
  if (context)
    *context = contexts.back();
  contexts.pop_back();
  return machine().sticky;
}

CUresult cuCtxGetDevice(CUdevice *device) {
  MUON_DRIVER_ENTER(cuCtxGetDevice);
  if (contexts.empty())
    return CUDA_ERROR_INVALID_CONTEXT;
  *device = 0;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void) {
  MUON_DRIVER_ENTER(cuCtxSynchronize);
  return driver().drain();
}
}
