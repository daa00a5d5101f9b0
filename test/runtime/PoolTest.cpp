//===- PoolTest.cpp - threads, wakes, signals, floating-point mode ----------------------------===//

#include "StepProgram.h"

#include "Pool.h"
#include "StepKernels.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>
#include <sched.h>
#include <set>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace muon::runtime;

namespace {
class Pool : public testing::Test {
protected:
  void start(uint32_t workers, muon_parallel parallel = nullptr, void *pool = nullptr) {
    program.emplace(std::vector<GroupShape>{{{64, 8}, 3}}, 3);
    program->addVariant(Layout::Shared);
    muon_options options = {workers, 0, parallel, pool};
    ASSERT_EQ(muon_load(program->publish(), &options, &handle), MUON_OK) << muon_error_text();
    memory.emplace(*program);
    ASSERT_EQ(memory->bind(handle, &binding), MUON_OK) << muon_error_text();
  }
  ~Pool() override {
    tile_hook = nullptr;
    muon_release(binding);
    muon_unload(handle);
    EXPECT_EQ(pool::threads(), 0u); // the last handle ends the threads
  }
  muon_status run() { return muon_run(binding, memory->gradients.data(), memory->scalars.data(), nullptr); }

  std::optional<StepProgram> program;
  std::optional<TrainerMemory> memory;
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
};
} // namespace

TEST_F(Pool, AtMostOneWakePerRun) {
  start(3);
  EXPECT_EQ(pool::threads(), 2u);
  uint64_t before = pool::wakeCalls();
  for (int step = 0; step < 20; ++step) {
    usleep(step % 2 ? 2000 : 0); // parked, or still spinning
    ASSERT_EQ(run(), MUON_OK);
  }
  uint64_t wakes = pool::wakeCalls() - before;
  EXPECT_LE(wakes, 20u);
  EXPECT_GE(wakes, 1u);
}

TEST_F(Pool, OneWorkerNeedsNoThreadAndNoWake) {
  start(1);
  uint64_t before = pool::wakeCalls();
  ASSERT_EQ(run(), MUON_OK);
  EXPECT_EQ(pool::threads(), 0u);
  EXPECT_EQ(pool::wakeCalls(), before);
}

TEST_F(Pool, HandlesShareTheThreads) {
  start(3);
  StepProgram second({{{8, 8}}});
  second.addVariant(Layout::Slab);
  muon_handle *other = nullptr;
  ASSERT_EQ(second.load(&other, 5), MUON_OK);
  EXPECT_EQ(pool::threads(), 4u);
  EXPECT_EQ(run(), MUON_OK);
  muon_unload(other);
  EXPECT_EQ(run(), MUON_OK);
}

TEST_F(Pool, AnotherLoadersAffinityDoesNotCount) {
  start(3);
  uint32_t processors = pool::processors();
  if (processors < 2)
    GTEST_SKIP() << "one processor";
  std::thread([] { // a data loader's, on one processor
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    int first = 0;
    while (!CPU_ISSET(first, &all))
      ++first;
    CPU_SET(first, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    StepProgram second({{{8, 8}}});
    second.addVariant(Layout::Slab);
    muon_handle *other = nullptr;
    ASSERT_EQ(second.load(&other, 3), MUON_OK);
    muon_unload(other);
  })
      .join();
  EXPECT_EQ(pool::processors(), processors);
}

static std::mutex lock;
static std::set<std::thread::id> seen;
static std::atomic<int> unblocked{0};
static void recordThread(const muon_launch *, void *, uint32_t) {
  std::lock_guard<std::mutex> guard(lock);
  if (seen.insert(std::this_thread::get_id()).second) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    unblocked += !sigismember(&mask, SIGINT) + !sigismember(&mask, SIGUSR1) + !sigismember(&mask, SIGCHLD);
  }
  usleep(500);
}

TEST_F(Pool, AllWorkersTakePartAndTakeNoSignals) {
  start(3);
  seen.clear();
  unblocked = 0;
  tile_hook = recordThread;
  for (int step = 0; step < 3; ++step)
    ASSERT_EQ(run(), MUON_OK);
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_TRUE(seen.count(std::this_thread::get_id())); // the caller is one of them
  EXPECT_EQ(unblocked, 3);                             // only the caller's own
}

#if defined(__x86_64__)
static std::atomic<int> wrongModes{0};
static void checkMode(const muon_launch *, void *, uint32_t) {
  if ((_mm_getcsr() & 0xFFC0u) != 0x1F80u)
    ++wrongModes;
}

TEST_F(Pool, FloatingPointModeIsSetAndRestored) {
  for (uint32_t workers : {1u, 3u}) {
    if (binding) {
      muon_release(binding);
      muon_unload(handle);
    }
    start(workers);
    uint32_t before = _mm_getcsr();
    uint32_t trainers = 0x1F80u | 0x8040u | 0x6000u | 0x1u; // FTZ, DAZ, truncate, a sticky flag
    wrongModes = 0;
    tile_hook = checkMode;
    _mm_setcsr(trainers);
    muon_status status = run();
    uint32_t after = _mm_getcsr();
    _mm_setcsr(before);
    EXPECT_EQ(status, MUON_OK);
    EXPECT_EQ(after, trainers);
    EXPECT_EQ(wrongModes, 0);
  }
}
#endif

namespace {
struct LentPool {
  uint32_t calls = 0, workers = 0;
  static void parallel(void *pool, uint32_t workers, void (*body)(void *, uint32_t), void *context) {
    LentPool &lent = *static_cast<LentPool *>(pool);
    ++lent.calls;
    lent.workers = workers;
    std::vector<std::thread> threads;
    for (uint32_t worker = 1; worker < workers; ++worker)
      threads.emplace_back(body, context, worker);
    body(context, 0);
    for (std::thread &thread : threads)
      thread.join();
  }
};
} // namespace

TEST_F(Pool, TheTrainersPoolIsUsed) {
  LentPool lent;
  start(4, LentPool::parallel, &lent);
  EXPECT_EQ(pool::threads(), 0u);
  std::vector<std::vector<float>> expected;
  for (size_t t = 0; t < memory->tensors.size(); ++t)
    expected.push_back(memory->values(t));
  for (int step = 0; step < 3; ++step) {
    ASSERT_EQ(run(), MUON_OK);
    referenceStep(*program, expected, memory->scalars, 3);
  }
  EXPECT_EQ(lent.calls, 3u); // one region per run
  EXPECT_EQ(lent.workers, 4u);
  for (size_t t = 0; t < memory->tensors.size(); ++t)
    EXPECT_EQ(memory->values(t), expected[t]);
}

TEST_F(Pool, NoMoreWorkersThanTilesAreCalled) {
  LentPool lent;
  program.emplace(std::vector<GroupShape>{{{4, 4}}}, 1, 2); // two tiles in a stage
  program->addVariant(Layout::Slab);
  muon_options options = {8, 0, LentPool::parallel, &lent};
  ASSERT_EQ(muon_load(program->publish(), &options, &handle), MUON_OK);
  memory.emplace(*program);
  ASSERT_EQ(memory->bind(handle, &binding), MUON_OK);
  ASSERT_EQ(run(), MUON_OK);
  EXPECT_EQ(lent.workers, 2u);
}

static std::atomic<bool> held{false}, letGo{false};
static void hold(int) {
  held = true;
  while (!letGo)
    std::this_thread::yield();
}
static bool within2Seconds(const std::atomic<bool> &happened) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (!happened && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  return happened;
}

TEST_F(Pool, JobsDoNotWaitForAWorkerThatTookNone) {
  program.emplace(std::vector<GroupShape>{{{4, 4}, 4}}, 3);
  program->addVariant(Layout::Slab);
  ASSERT_EQ(program->load(&handle, 2), MUON_OK) << muon_error_text();
  memory.emplace(*program);
  ASSERT_EQ(memory->bind(handle, &binding), MUON_OK);
  std::vector<std::vector<float>> expected;
  for (size_t t = 0; t < memory->tensors.size(); ++t)
    expected.push_back(memory->values(t));
  struct sigaction holding = {}, before;
  holding.sa_handler = hold;
  ASSERT_EQ(sigaction(SIGTRAP, &holding, &before), 0);
  for (const auto &task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (name == "muon-worker")
      syscall(SYS_tgkill, getpid(), std::stoi(task.path().filename()), SIGTRAP);
  }
  std::atomic<bool> done{false};
  bool isHeld = within2Seconds(held), isDone = false;
  if (isHeld) {
    std::thread runner([&] { done = run() == MUON_OK; });
    isDone = within2Seconds(done);
    letGo = true;
    runner.join();
  }
  sigaction(SIGTRAP, &before, nullptr);
  if (!isHeld)
    GTEST_SKIP() << "the worker takes no signal"; // a sanitizer's runtime keeps it
  EXPECT_TRUE(isDone);
  for (int step = 0; step < 20; ++step) // it takes part again
    ASSERT_EQ(run(), MUON_OK);
  for (int step = 0; step < 21; ++step)
    referenceStep(*program, expected, memory->scalars, 3);
  for (size_t t = 0; t < memory->tensors.size(); ++t)
    EXPECT_EQ(memory->values(t), expected[t]);
}
