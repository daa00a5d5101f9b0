//===- EmulatedDevice.h - the emulator as a test uses it --------------------------------------===//

#ifndef MUON_TEST_EMULATOR_EMULATEDDEVICE_H
#define MUON_TEST_EMULATOR_EMULATEDDEVICE_H

#include "muon/Emulator/Emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

/// A device with one module: initialised, reset, and checked for leaks at the end.
class EmulatedDevice {
public:
  /// `kernels`: the file of test kernels without ".bc".
  explicit EmulatedDevice(const std::string &kernels = "NONE", muonEmulatorChecks checks = MUON_EMULATOR_ALL,
                          uint64_t seed = 0);
  ~EmulatedDevice();

  template <typename T> CUdeviceptr upload(const std::vector<T> &values) {
    CUdeviceptr address = allocate(values.size() * sizeof(T));
    EXPECT_EQ(cuMemcpyHtoD_v2(address, values.data(), values.size() * sizeof(T)), CUDA_SUCCESS);
    return address;
  }
  template <typename T> std::vector<T> download(CUdeviceptr address, size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(cuMemcpyDtoH_v2(values.data(), address, count * sizeof(T)), CUDA_SUCCESS);
    return values;
  }
  CUdeviceptr allocate(size_t bytes);
  CUfunction function(const char *name);

  /// Launches and waits; what waiting returns.
  CUresult launch(const char *kernel, unsigned gridX, unsigned gridY, unsigned threads, unsigned sharedBytes,
                  std::vector<void *> parameters);

  std::string reports() const { return muonEmulatorReports(); }

  CUmodule module = nullptr;

private:
  std::vector<CUdeviceptr> allocations;
};

/// The contents of a file; empty if there is none.
std::string readFile(const std::string &path);
std::string kernelPath(const std::string &kernels);

/// bf16 to nearest, ties to even, and back.
uint16_t toBf16(float value);
float fromBf16(uint16_t bits);

/// Small integers: products and sums are exact in every type.
std::vector<float> integers(size_t count, uint32_t seed);
std::vector<uint16_t> asBf16(const std::vector<float> &values);

/// A (m x k) times B (k x n), in double.
std::vector<double> product(const std::vector<float> &a, const std::vector<float> &b, size_t m, size_t n, size_t k);

#endif // MUON_TEST_EMULATOR_EMULATEDDEVICE_H
