//===- CpuExecutor.h - runs a schedule on worker threads --------------------------------------===//

#ifndef MUON_RUNTIME_CPUEXECUTOR_H
#define MUON_RUNTIME_CPUEXECUTOR_H

#include "Binding.h"

namespace muon::runtime {

/// Executes what scheduleRun laid out, in one parallel region. Allocates nothing and waits only for
/// its own workers.
void executeOnCpu(Binding &binding);

} // namespace muon::runtime

#endif // MUON_RUNTIME_CPUEXECUTOR_H
