//===- RunLaunch.h - all blocks of a kernel launch --------------------------------------------===//

#ifndef MUON_EMULATOR_RUNLAUNCH_H
#define MUON_EMULATOR_RUNLAUNCH_H

#include "Block.h"
#include "LoadedModule.h"

namespace muon::emulator {

/// A launch with its own copy of the parameters: what a stream or graph holds.
struct QueuedLaunch {
  LoadedFunction *function;
  Dimensions grid, block;
  uint32_t dynamicSharedBytes;
  std::vector<std::vector<uint8_t>> parameters;
};

/// Runs the blocks one after another. What goes wrong is in the machine's reports and sticky error.
void runLaunch(QueuedLaunch &launch);

} // namespace muon::emulator

#endif // MUON_EMULATOR_RUNLAUNCH_H
