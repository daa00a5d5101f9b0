//===- Emulator.cpp - what the driver offers beside the driver API ----------------------------===//

#include "muon/Emulator/Emulator.h"

#include "Driver.h"

using namespace muon::emulator;

extern "C" {

int muonEmulatorVersion(void) { return 1; }

void muonEmulatorSetChecks(muonEmulatorChecks checks) {
  std::lock_guard guard(driver().lock);
  machine().checks = checks;
}

void muonEmulatorSetSchedule(uint64_t seed) {
  std::lock_guard guard(driver().lock);
  machine().seed = seed;
}

void muonEmulatorSetQuiet(int quiet) {
  std::lock_guard guard(driver().lock);
  machine().quiet = quiet;
}

void muonEmulatorInjectFault(const char *function, uint32_t nth, int error) {
  std::lock_guard guard(driver().lock);
  driver().faults.push_back({function, nth, static_cast<CUresult>(error)});
}

const char *muonEmulatorReports(void) {
  std::lock_guard guard(driver().lock);
  return machine().reports.c_str();
}

void muonEmulatorReset(void) {
  std::lock_guard guard(driver().lock);
  driver().faults.clear();
  driver().queue.clear();
  Machine &device = machine();
  device.sticky = CUDA_SUCCESS;
  device.reports.clear();
  device.numReports = 0;
  device.reported.clear();
  device.counters = {};
}

uint64_t muonEmulatorLiveObjects(void) {
  std::lock_guard guard(driver().lock);
  const Driver &state = driver();
  return machine().memory.numAllocations() + state.modules.size() + state.streams.size() + state.events.size() +
         state.graphs.size() + state.executables.size() + state.retained;
}

uint64_t muonEmulatorLiveBytes(void) {
  std::lock_guard guard(driver().lock);
  return machine().memory.liveBytes();
}

void muonEmulatorCount(muonEmulatorCounters *counters) {
  std::lock_guard guard(driver().lock);
  *counters = machine().counters;
}
}
