//===- Machine.h - the emulated device: memory, reports, options ------------------------------===//

#ifndef MUON_EMULATOR_MACHINE_H
#define MUON_EMULATOR_MACHINE_H

#include "Fiber.h"
#include "Memory.h"
#include "Races.h"
#include "muon/Emulator/CudaDriver.h"
#include "muon/Emulator/Emulator.h"

#include <set>
#include <string>
#include <vector>

namespace muon::emulator {

/// What a kernel did wrong, and the driver's error for it.
enum class Fault {
  outOfBounds = CUDA_ERROR_ILLEGAL_ADDRESS,
  misaligned = CUDA_ERROR_MISALIGNED_ADDRESS,
  deadlock = CUDA_ERROR_LAUNCH_TIMEOUT,
  illegal = CUDA_ERROR_ILLEGAL_INSTRUCTION, ///< Unknown or misused operation, trap.
  undefined = CUDA_ERROR_LAUNCH_FAILED,     ///< Uninitialised read, race.
};

struct Machine {
  Memory memory;
  Races races;
  Stacks stacks;
  unsigned checks = MUON_EMULATOR_ALL;
  uint64_t seed = 0;
  bool quiet = false;
  muonEmulatorCounters counters = {};
  uint32_t nextBlock = 1; ///< Serial number of the next block.

  std::string reports;
  uint32_t numReports = 0;
  std::set<std::pair<uint64_t, int>> reported; ///< Pairs of sites and kind of fault: one line each.
  CUresult sticky = CUDA_SUCCESS;

  std::vector<const Site *> sites = {nullptr}; ///< By index; 0 is none.

  /// Adds one line; the launch will fail with `fault` unless it has failed already.
  void report(Fault fault, const std::string &line);
};

Machine &machine();

} // namespace muon::emulator

#endif // MUON_EMULATOR_MACHINE_H
