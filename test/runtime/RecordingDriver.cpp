//===- RecordingDriver.cpp - a CUDA driver that runs nothing and writes down what it is asked ---------------------===//
//
// Names, argument orders and error numbers are NVIDIA's.

#include "RecordingDriver.h"

#include <stdlib.h>
#include <string.h>

static DriverRecord &record() {
  static DriverRecord *only = new DriverRecord;
  return *only;
}

namespace {
enum Error { kInvalidImage = 200, kInvalidContext = 201, kNoBinaryForGpu = 209 };
struct Module;
struct Function {
  std::string name;
};
struct Module {
  std::vector<Function *> functions;
};
} // namespace

/// Writes the call down; the error the test wants from it.
static int enter(const char *function) {
  DriverRecord &driver = record();
  driver.calls.push_back(function);
  return driver.failing == function && !--driver.countdown ? driver.error : 0;
}

static int contextTag;
static auto *const kContext = reinterpret_cast<void *>(&contextTag);

/// The chip an ELF file for machine 190 is for: in its flags, where depends on the version.
static int chipOfCubin(const uint8_t *image) {
  constexpr int kAbi = 8, kMachine = 18, kFlags = 48, kNewAbi = 8, kCuda = 190;
  uint16_t machine;
  uint32_t flags;
  memcpy(&machine, image + kMachine, sizeof machine);
  memcpy(&flags, image + kFlags, sizeof flags);
  if (machine != kCuda)
    return 0;
  return image[kAbi] >= kNewAbi ? flags >> 8 & 0xff : flags & 0xff;
}

static int chipOfPtx(const char *text) {
  const char *target = strstr(text, ".target sm_");
  return target ? atoi(target + strlen(".target sm_")) : 0;
}

extern "C" {
DriverRecord *recordedDriver() { return &record(); }

int cuInit(unsigned) { return enter("cuInit"); }

int cuGetErrorName(int error, const char **name) {
  switch (error) {
  case 2:
    *name = "CUDA_ERROR_OUT_OF_MEMORY";
    return 0;
  case kInvalidImage:
    *name = "CUDA_ERROR_INVALID_IMAGE";
    return 0;
  case kNoBinaryForGpu:
    *name = "CUDA_ERROR_NO_BINARY_FOR_GPU";
    return 0;
  case 719:
    *name = "CUDA_ERROR_LAUNCH_FAILED";
    return 0;
  }
  return 1;
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return enter("cuDeviceGet");
}
int cuDeviceGetAttribute(int *value, int attribute, int) {
  constexpr int kMajor = 75;
  *value = attribute == kMajor ? record().chip / 10 : record().chip % 10;
  return enter("cuDeviceGetAttribute");
}
int cuDevicePrimaryCtxRetain(void **context, int) {
  if (int error = enter("cuDevicePrimaryCtxRetain"))
    return error;
  *context = kContext;
  ++record().contexts;
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) {
  --record().contexts;
  return enter("cuDevicePrimaryCtxRelease_v2");
}
int cuCtxGetCurrent(void **context) {
  *context = record().contextIsCurrent ? kContext : nullptr;
  return enter("cuCtxGetCurrent");
}
int cuCtxPushCurrent_v2(void *context) {
  if (int error = enter("cuCtxPushCurrent_v2"))
    return error;
  if (context != kContext)
    return kInvalidContext;
  ++record().pushed;
  return 0;
}
int cuCtxPopCurrent_v2(void **context) {
  *context = kContext;
  --record().pushed;
  return enter("cuCtxPopCurrent_v2");
}
int cuCtxGetDevice(int *device) {
  *device = 0;
  return enter("cuCtxGetDevice");
}

int cuModuleLoadData(void **module, const void *image) {
  if (int error = enter("cuModuleLoadData"))
    return error;
  bool cubin = !memcmp(image, "\177ELF", 4);
  int chip = cubin ? chipOfCubin(static_cast<const uint8_t *>(image)) : chipOfPtx(static_cast<const char *>(image)),
      own = record().chip;
  record().images.push_back((cubin ? "cubin " : "ptx ") + std::to_string(chip));
  if (!chip)
    return kInvalidImage;
  if (chip > own || (cubin && chip / 10 != own / 10))
    return kNoBinaryForGpu;
  *module = new Module;
  ++record().modules;
  return 0;
}
int cuModuleUnload(void *module) {
  auto *made = static_cast<Module *>(module);
  for (Function *function : made->functions)
    delete function;
  delete made;
  --record().modules;
  return enter("cuModuleUnload");
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  if (int error = enter("cuModuleGetFunction"))
    return error;
  auto *made = new Function{name};
  static_cast<Module *>(module)->functions.push_back(made);
  *function = made;
  return 0;
}
int cuFuncGetAttribute(int *value, int, void *) {
  *value = 1024;
  return enter("cuFuncGetAttribute");
}
int cuFuncSetAttribute(void *, int, int) { return enter("cuFuncSetAttribute"); }

int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t bytes) {
  if (int error = enter("cuMemcpyHtoD_v2"))
    return error;
  memcpy(reinterpret_cast<void *>(to), from, bytes);
  return 0;
}
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *) {
  if (int error = enter("cuMemcpyHtoDAsync_v2"))
    return error;
  memcpy(reinterpret_cast<void *>(to), from, bytes);
  return 0;
}
int cuMemsetD32Async(unsigned long long to, unsigned value, size_t count, void *) {
  if (int error = enter("cuMemsetD32Async"))
    return error;
  for (size_t i = 0; i < count; ++i)
    reinterpret_cast<unsigned *>(to)[i] = value;
  return 0;
}
int cuLaunchKernel(void *function, unsigned x, unsigned, unsigned, unsigned threads, unsigned, unsigned,
                   unsigned sharedBytes, void *stream, void **, void **) {
  if (int error = enter("cuLaunchKernel"))
    return error;
  record().launches.push_back({static_cast<Function *>(function)->name, x, threads, sharedBytes, stream});
  return 0;
}
}
