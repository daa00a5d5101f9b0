//===- ForkTest.cpp - the child of a fork starts its own workers ------------------------------===//

#include "StepProgram.h"

#include "Pool.h"
#include "StepKernels.h"

#include <atomic>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define MUON_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MUON_TEST_TSAN 1
#endif
#endif

/// Runs the child's part in a fork with a time limit; returns its exit code.
template <typename Body> static int inChild(Body body) {
  pid_t child = fork();
  if (child == 0) {
    alarm(20); // a hang is a failure
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Fork, ChildAndParentGoOn) {
#ifdef MUON_TEST_TSAN
  GTEST_SKIP() << "ThreadSanitizer cannot start threads after a fork";
#endif
  StepProgram program({{{16, 8}, 3}}, 3);
  program.addVariant(Layout::Shared);
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
  ASSERT_EQ(program.load(&handle, 3), MUON_OK);
  TrainerMemory memory(program);
  ASSERT_EQ(memory.bind(handle, &binding), MUON_OK);
  auto run = [&] { return muon_run(binding, memory.gradients.data(), memory.scalars.data(), nullptr); };
  auto values = [&] {
    std::vector<std::vector<float>> all;
    for (size_t t = 0; t < memory.tensors.size(); ++t)
      all.push_back(memory.values(t));
    return all;
  };
  ASSERT_EQ(run(), MUON_OK);
  std::vector<std::vector<float>> expected = values();
  referenceStep(program, expected, memory.scalars, 3);
  for (int wait : {0, 2000}) { // the parent's workers spinning, or parked
    usleep(wait);
    EXPECT_EQ(inChild([&] {
                if (muon::runtime::pool::threads() != 0 || run() != MUON_OK)
                  return 1;
                if (muon::runtime::pool::threads() != 2 || values() != expected)
                  return 2;
                // And its own child once more.
                if (inChild([&] { return run() == MUON_OK ? 0 : 1; }) != 0)
                  return 3;
                muon_release(binding);
                muon_unload(handle);
                return muon::runtime::pool::threads() == 0 ? 0 : 4;
              }),
              0);
  }
  EXPECT_EQ(run(), MUON_OK);
  EXPECT_EQ(values(), expected);
  muon_release(binding);
  muon_unload(handle);
}

static std::atomic<bool> inside{false}, leave{false};
static void stay(const muon_launch *, void *, uint32_t) {
  inside = true;
  while (!leave)
    usleep(100);
}

TEST(Fork, WhatAnotherThreadRanStaysBusyInTheChild) {
#ifdef MUON_TEST_TSAN
  GTEST_SKIP() << "ThreadSanitizer cannot start threads after a fork";
#endif
  StepProgram program({{{16, 8}, 3}}, 3);
  program.addVariant(Layout::Shared);
  muon_handle *handle = nullptr;
  ASSERT_EQ(program.load(&handle, 2), MUON_OK);
  TrainerMemory memory(program), idleMemory(program);
  muon_binding *binding = nullptr, *idle = nullptr;
  ASSERT_EQ(memory.bind(handle, &binding), MUON_OK);
  ASSERT_EQ(idleMemory.bind(handle, &idle), MUON_OK);
  auto run = [](muon_binding *ran, TrainerMemory &its) {
    return muon_run(ran, its.gradients.data(), its.scalars.data(), nullptr);
  };
  tile_hook = stay;
  std::thread other([&] { EXPECT_EQ(run(binding, memory), MUON_OK); });
  while (!inside)
    usleep(100);
  EXPECT_EQ(inChild([&] {
              tile_hook = nullptr;
              if (run(binding, memory) != MUON_ERROR_BUSY)
                return 1;
              for (int step = 0; step < 3; ++step)
                if (run(idle, idleMemory) != MUON_OK)
                  return 2;
              muon_release(binding);
              muon_release(idle);
              muon_unload(handle);
              return muon::runtime::pool::threads() == 0 ? 0 : 3;
            }),
            0);
  leave = true;
  other.join();
  tile_hook = nullptr;
  muon_release(binding);
  muon_release(idle);
  muon_unload(handle);
}

TEST(Fork, ExitWithRunningThreadsDoesNotHang) {
#ifdef MUON_TEST_TSAN
  GTEST_SKIP() << "ThreadSanitizer cannot start threads after a fork";
#endif
  EXPECT_EQ(inChild([] {
              StepProgram program({{{16, 8}, 3}}, 3);
              program.addVariant(Layout::Shared);
              muon_handle *handle = nullptr;
              muon_binding *binding = nullptr;
              if (program.load(&handle, 3))
                return 1;
              TrainerMemory memory(program);
              if (memory.bind(handle, &binding) ||
                  muon_run(binding, memory.gradients.data(), memory.scalars.data(), nullptr))
                return 2;
              quick_exit(0);
            }),
            0);
}
