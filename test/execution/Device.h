//===- Device.h - The emulated GPU's memory -----------------------------------------*- C++ -*-===//
#ifndef MUON_TEST_EXECUTION_DEVICE_H
#define MUON_TEST_EXECUTION_DEVICE_H

#include "muon/Emulator/Emulator.h"

#include <cstddef>
#include <string>
#include <vector>

namespace muon::execution {

/// Whether a request's target is a GPU: its programs run on the emulator, in device memory.
inline bool isGpu(const std::string &target) { return target.rfind("sm_", 0) == 0; }

/// "" if programs for GPUs can be made here, else why not: their objects hold what ptxas assembles.
std::string whyNoGpuPrograms();
/// The same of programs for `chip`: the emulator is one chip per process, that of the first call.
std::string whyNotOn(const std::string &chip);

/// Host buffers and their copies on the device that the emulator pretends to be. All checks are on;
/// what they find fails the test.
class Device {
public:
  /// The device is of the chip the target names, and threads of a block run in the order of `seed`.
  explicit Device(const std::string &chip, uint64_t seed = 0);
  ~Device();
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  /// Memory of that size, uninitialised; gone with this object.
  void *allocate(size_t bytes);
  /// Memory that `upload` fills from `host` and `download` copies back there.
  void *mirror(void *host, size_t bytes);
  void upload();
  /// Waits for the device first.
  void download();

private:
  struct Mirror {
    void *host;
    CUdeviceptr device;
    size_t bytes;
  };
  CUcontext context = nullptr;
  std::vector<Mirror> mirrors;
  std::vector<CUdeviceptr> allocations;
};

} // namespace muon::execution

#endif // MUON_TEST_EXECUTION_DEVICE_H
