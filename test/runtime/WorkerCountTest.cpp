//===- WorkerCountTest.cpp - affinity mask and cgroup quota -----------------------------------===//

#include "WorkerCount.h"

#include "StepProgram.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <thread>
#include <unistd.h>

using namespace muon::runtime;
namespace fs = std::filesystem;

namespace {
class Cgroup : public testing::Test {
protected:
  Cgroup() : root(fs::temp_directory_path() / ("muon-cgroup-" + std::to_string(getpid()))) {
    fs::create_directories(root);
  }
  ~Cgroup() override { fs::remove_all(root); }
  void write(const std::string &path, const std::string &text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  }
  uint32_t quota(const std::string &procCgroup) {
    write("proc", procCgroup);
    return cgroupQuota((root / "proc").c_str(), root.c_str());
  }
  fs::path root;
};
} // namespace

TEST_F(Cgroup, NoLimit) {
  EXPECT_EQ(cgroupQuota("/no/such/file", root.c_str()), 0u);
  EXPECT_EQ(quota("0::/\n"), 0u);
  write("cpu.max", "max 100000\n");
  EXPECT_EQ(quota("0::/\n"), 0u);
}

TEST_F(Cgroup, Version2RoundsUp) {
  write("cpu.max", "250000 100000\n");
  EXPECT_EQ(quota("0::/\n"), 3u);
  write("cpu.max", "50000 100000\n");
  EXPECT_EQ(quota("0::/\n"), 1u);
}

TEST_F(Cgroup, Version2TakesTheTightestOfAllLevels) {
  write("a/cpu.max", "200000 100000\n");
  write("a/b/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota("0::/a/b\n"), 2u);
  write("a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(quota("0::/a/b\n"), 2u);
}

TEST_F(Cgroup, PathOfTheHostInsideAContainer) {
  write("cpu.max", "300000 100000\n");
  EXPECT_EQ(quota("0::/docker/not/mounted/here\n"), 3u);
}

TEST_F(Cgroup, Version1) {
  write("cpu,cpuacct/box/cpu.cfs_quota_us", "150000\n");
  write("cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota("5:memory:/box\n4:cpu,cpuacct:/box\n0::/\n"), 2u);
  write("cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(quota("4:cpu,cpuacct:/box\n"), 0u);
  write("cpu/cpu.cfs_quota_us", "700000\n");
  write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota("4:cpuacct,cpu:/x\n"), 7u);
}

TEST(WorkerCount, FollowsTheAffinityMask) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  EXPECT_EQ(affinityCount(), static_cast<uint32_t>(CPU_COUNT(&allowed)));
  std::thread pinned([&] { // the mask is the calling thread's
    int first = 0;
    while (!CPU_ISSET(first, &allowed))
      ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(affinityCount(), 1u);
    EXPECT_EQ(defaultWorkers(), 1u);
    StepProgram program({{{4, 4}}});
    program.addVariant(Layout::Slab);
    muon_handle *handle = nullptr;
    ASSERT_EQ(muon_load(program.publish(), nullptr, &handle), MUON_OK);
    EXPECT_EQ(muon_workers(handle), 1u);
    muon_unload(handle);
  });
  pinned.join();
  EXPECT_GE(defaultWorkers(), 1u);
}
