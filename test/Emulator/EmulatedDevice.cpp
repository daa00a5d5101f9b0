//===- EmulatedDevice.cpp ---------------------------------------------------------------------===//

#include "EmulatedDevice.h"

#include <bit>
#include <fstream>
#include <sstream>

std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string kernelPath(const std::string &kernels) { return MUON_TEST_KERNELS "/" + kernels + ".bc"; }

EmulatedDevice::EmulatedDevice(const std::string &kernels, muonEmulatorChecks checks, uint64_t seed) {
  EXPECT_EQ(cuInit(0), CUDA_SUCCESS);
  muonEmulatorReset();
  muonEmulatorSetQuiet(1);
  muonEmulatorSetChecks(checks);
  muonEmulatorSetSchedule(seed);
  std::string bitcode = readFile(kernelPath(kernels));
  EXPECT_FALSE(bitcode.empty()) << kernels;
  EXPECT_EQ(muonEmulatorModuleLoad(&module, bitcode.data(), bitcode.size()), CUDA_SUCCESS) << kernels;
}

EmulatedDevice::~EmulatedDevice() {
  muonEmulatorReset();
  for (CUdeviceptr address : allocations)
    EXPECT_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
  if (module)
    EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  EXPECT_EQ(muonEmulatorLiveObjects(), 0u);
}

CUdeviceptr EmulatedDevice::allocate(size_t bytes) {
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc_v2(&address, bytes), CUDA_SUCCESS);
  allocations.push_back(address);
  return address;
}

CUfunction EmulatedDevice::function(const char *name) {
  CUfunction found = nullptr;
  EXPECT_EQ(cuModuleGetFunction(&found, module, name), CUDA_SUCCESS) << name;
  return found;
}

CUresult EmulatedDevice::launch(const char *kernel, unsigned gridX, unsigned gridY, unsigned threads,
                                unsigned sharedBytes, std::vector<void *> parameters) {
  CUresult error = cuLaunchKernel(function(kernel), gridX, gridY, 1, threads, 1, 1, sharedBytes, nullptr,
                                  parameters.data(), nullptr);
  return error ? error : cuCtxSynchronize();
}

uint16_t toBf16(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float fromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

std::vector<float> integers(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float &value : values)
    value = static_cast<float>(static_cast<int>(random() % 9) - 4);
  return values;
}

std::vector<uint16_t> asBf16(const std::vector<float> &values) {
  std::vector<uint16_t> bits;
  for (float value : values)
    bits.push_back(toBf16(value));
  return bits;
}

std::vector<double> product(const std::vector<float> &a, const std::vector<float> &b, size_t m, size_t n, size_t k) {
  std::vector<double> c(m * n);
  for (size_t i = 0; i < m; ++i)
    for (size_t l = 0; l < k; ++l)
      for (size_t j = 0; j < n; ++j)
        c[i * n + j] += static_cast<double>(a[i * k + l]) * b[l * n + j];
  return c;
}
