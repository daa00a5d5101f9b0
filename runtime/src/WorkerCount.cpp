//===- WorkerCount.cpp ------------------------------------------------------------------------===//

#include "WorkerCount.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace muon::runtime {

uint32_t affinityCount() {
  // Machines with more processors than cpu_set_t holds answer EINVAL until the set is big enough.
  for (int processors = CPU_SETSIZE; processors <= 1 << 16; processors *= 2) {
    cpu_set_t *set = CPU_ALLOC(processors);
    if (!set)
      break;
    size_t bytes = CPU_ALLOC_SIZE(processors);
    int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0)
      return static_cast<uint32_t>(count);
  }
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<uint32_t>(online) : 1;
}

static bool readFile(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  size_t length = fread(text, 1, size - 1, file);
  fclose(file);
  text[length] = 0;
  return length > 0;
}

/// One control group's limit: "quota period" in microseconds, "max" or -1 for none.
static uint32_t limitIn(const char *directory, bool unified) {
  char path[1200], text[128];
  long long quota = 0, period = 0;
  if (unified) {
    snprintf(path, sizeof path, "%s/cpu.max", directory);
    if (!readFile(path, text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2)
      return 0;
  } else {
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    if (!readFile(path, text, sizeof text) || sscanf(text, "%lld", &quota) != 1)
      return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    if (!readFile(path, text, sizeof text) || sscanf(text, "%lld", &period) != 1)
      return 0;
  }
  if (quota <= 0 || period <= 0)
    return 0;
  long long whole = (quota + period - 1) / period;
  return whole < UINT32_MAX ? static_cast<uint32_t>(whole) : 0;
}

/// The tightest limit of a group and all groups above it. Inside a container the path names a group
/// of the host that is not mounted; its own limit then stands at the root.
static uint32_t tightestLimit(const char *root, const char *group, bool unified) {
  char directory[1100];
  int length = snprintf(directory, sizeof directory, "%s%s", root, group);
  if (length < 0 || length >= static_cast<int>(sizeof directory))
    return 0;
  uint32_t tightest = 0;
  for (size_t stop = strlen(root);;) {
    uint32_t limit = limitIn(directory, unified);
    if (limit && (!tightest || limit < tightest))
      tightest = limit;
    char *slash = strrchr(directory, '/');
    if (!slash || static_cast<size_t>(slash - directory) < stop)
      return tightest;
    *slash = 0;
  }
}

/// Whether "cpu" is one of the comma-separated controllers.
static bool namesCpu(const char *controllers) {
  for (; *controllers; controllers += *controllers == ',') {
    size_t length = strcspn(controllers, ",");
    if (length == 3 && memcmp(controllers, "cpu", 3) == 0)
      return true;
    controllers += length;
  }
  return false;
}

uint32_t cgroupQuota(const char *procCgroup, const char *cgroupRoot) {
  FILE *file = fopen(procCgroup, "re");
  if (!file)
    return 0;
  uint32_t quota = 0;
  char line[1024], root[256];
  while (fgets(line, sizeof line, file)) { // hierarchy:controllers:path
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(++controllers, ':') : nullptr;
    if (!path)
      continue;
    *path++ = 0;
    uint32_t limit = 0;
    if (!*controllers) {
      limit = tightestLimit(cgroupRoot, path, /*unified=*/true);
    } else if (namesCpu(controllers)) {
      snprintf(root, sizeof root, "%s/%s", cgroupRoot, controllers);
      limit = tightestLimit(root, path, /*unified=*/false);
      if (!limit && strcmp(controllers, "cpu") != 0) {
        snprintf(root, sizeof root, "%s/cpu", cgroupRoot);
        limit = tightestLimit(root, path, /*unified=*/false);
      }
    }
    if (limit && (!quota || limit < quota))
      quota = limit;
  }
  fclose(file);
  return quota;
}

uint32_t defaultWorkers() {
  uint32_t workers = affinityCount();
  uint32_t quota = cgroupQuota("/proc/self/cgroup", "/sys/fs/cgroup");
  return quota && quota < workers ? quota : workers;
}

} // namespace muon::runtime
