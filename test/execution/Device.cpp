//===- Device.cpp -----------------------------------------------------------------------------===//

#include "Device.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

namespace muon::execution {

std::string whyNoGpuPrograms() {
  if (const char *chosen = std::getenv("MUON_PTXAS"); chosen && *chosen)
    return "";
  const char *home = std::getenv("CUDA_HOME"), *path = std::getenv("PATH");
  std::stringstream folders(std::string(path ? path : "") + (home ? std::string(":") + home + "/bin" : ""));
  for (std::string folder; std::getline(folders, folder, ':');)
    if (access((folder + "/ptxas").c_str(), X_OK) == 0)
      return "";
  return "no ptxas: expected it on PATH, in CUDA_HOME/bin or named by MUON_PTXAS";
}

std::string whyNotOn(const std::string &chip) {
  if (std::string why = whyNoGpuPrograms(); !why.empty())
    return why;
  static const std::string first = chip;
  if (chip == first)
    return "";
  return "the emulator is one chip per process, " + first + " in this one; ctest gives each test its own";
}

Device::Device(const std::string &chip, uint64_t seed) {
  setenv("MUON_CUDA_DRIVER", MUON_TEST_EMULATOR, 1);
  setenv("MUON_EMULATE_CHIP", chip.c_str(), 1);
  CUdevice device = 0;
  EXPECT_EQ(cuInit(0), CUDA_SUCCESS);
  EXPECT_EQ(cuDeviceGet(&device, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&context, device), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
  muonEmulatorReset();
  muonEmulatorSetQuiet(1);
  muonEmulatorSetChecks(MUON_EMULATOR_ALL);
  muonEmulatorSetSchedule(seed);
}

Device::~Device() {
  for (CUdeviceptr address : allocations)
    EXPECT_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
  muonEmulatorReset();
  EXPECT_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
}

void *Device::allocate(size_t bytes) {
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc_v2(&address, bytes ? bytes : 1), CUDA_SUCCESS);
  allocations.push_back(address);
  return reinterpret_cast<void *>(address);
}

void *Device::mirror(void *host, size_t bytes) {
  void *device = allocate(bytes);
  mirrors.push_back({host, allocations.back(), bytes});
  return device;
}

void Device::upload() {
  for (const Mirror &mirror : mirrors)
    EXPECT_EQ(cuMemcpyHtoD_v2(mirror.device, mirror.host, mirror.bytes), CUDA_SUCCESS);
}

void Device::download() {
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_STREQ(muonEmulatorReports(), "");
  for (const Mirror &mirror : mirrors)
    EXPECT_EQ(cuMemcpyDtoH_v2(mirror.host, mirror.device, mirror.bytes), CUDA_SUCCESS);
}

} // namespace muon::execution
