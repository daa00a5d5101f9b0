//===- RunLaunch.cpp --------------------------------------------------------------------------===//

#include "RunLaunch.h"

#include <algorithm>
#include <cstring>

namespace muon::emulator {

/// Shared memory as a block finds it: poison in the kernel's variables, nothing between them.
static void poisonShared(const LoadedFunction &function, uint32_t dynamicBytes) {
  Region &shared = machine().memory.sharedRegion();
  uint64_t end = function.info.dynamicOffset + dynamicBytes;
  for (const SharedVariable &variable : function.module->rewritten.shared)
    end = std::max(end, variable.offset + variable.bytes);
  memset(shared.begin, 0xff, end);
  shared.mark(shared.begin, shared.bytes, Byte::outside);
  for (const SharedVariable &variable : function.module->rewritten.shared)
    if (std::find(variable.kernels.begin(), variable.kernels.end(), function.info.name) != variable.kernels.end())
      shared.mark(shared.begin + variable.offset, variable.bytes, Byte::poisoned);
  if (function.info.dynamicOffset)
    shared.mark(shared.begin + function.info.dynamicOffset, dynamicBytes, Byte::poisoned);
}

void runLaunch(QueuedLaunch &queued) {
  Machine &device = machine();
  LoadedFunction &function = *queued.function;
  if (!device.stacks.reserve(static_cast<uint32_t>(queued.block.count()))) {
    device.report(Fault::illegal, "no memory for the stacks of " + std::to_string(queued.block.count()) + " threads");
    return;
  }
  if (function.module->checks == MUON_EMULATOR_VALUES)
    device.memory.loseTrack();
  else
    device.memory.findTrack();
  std::vector<void *> parameters;
  for (std::vector<uint8_t> &parameter : queued.parameters) {
    parameters.push_back(parameter.data());
    device.memory.add(parameter.data(), parameter.size(), "a kernel parameter", Byte::defined)->readOnly = true;
  }
  Launch launch = {function.info.name.c_str(), function.entry,          parameters.data(), queued.grid, queued.block,
                   queued.dynamicSharedBytes,  function.module->checks, device.nextBlock};
  ++device.counters.launches;
  bool good = true;
  for (uint32_t z = 0; z < queued.grid.z && good; ++z)
    for (uint32_t y = 0; y < queued.grid.y && good; ++y)
      for (uint32_t x = 0; x < queued.grid.x && good; ++x) {
        poisonShared(function, queued.dynamicSharedBytes);
        ++device.counters.blocks;
        Block running(launch, {x, y, z});
        good = running.run();
      }
  for (std::vector<uint8_t> &parameter : queued.parameters)
    device.memory.remove(parameter.data());
}

} // namespace muon::emulator
