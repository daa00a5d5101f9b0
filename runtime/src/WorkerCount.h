//===- WorkerCount.h - how many workers this process may use ----------------------------------===//

#ifndef MUON_RUNTIME_WORKERCOUNT_H
#define MUON_RUNTIME_WORKERCOUNT_H

#include <stdint.h>

namespace muon::runtime {

/// Processors in the calling thread's affinity mask.
uint32_t affinityCount();

/// The cgroup's CPU quota in whole processors, rounded up; 0 if there is no limit. `procCgroup` and
/// `cgroupRoot` are /proc/self/cgroup and /sys/fs/cgroup except in tests.
uint32_t cgroupQuota(const char *procCgroup, const char *cgroupRoot);

/// min(affinity mask, cgroup quota), at least 1.
uint32_t defaultWorkers();

} // namespace muon::runtime

#endif // MUON_RUNTIME_WORKERCOUNT_H
