//===- Pool.cpp -------------------------------------------------------------------------------===//

#include "Pool.h"

#include "Array.h"
#include "SpinWait.h"
#include "WorkerCount.h"

#include <atomic>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace muon::runtime::pool {

/// The announcement workers wait on: a count of regions above, the number of workers below. A
/// thread decides from this one word whether it is asked for; only one that then enters the region
/// reads the job, and the caller waits for all of those before it writes the next one.
static constexpr uint32_t kWorkerBits = 12;
static constexpr uint32_t kWorkerMask = (1u << kWorkerBits) - 1;
static constexpr uint32_t kLeave = kWorkerMask; // in place of the number: all threads end
static_assert(kMaxWorkers < kLeave);

/// The door of a region: its announcement above, whether it is closed, how many workers have entered.
static constexpr uint32_t kDoorBits = 32;
static constexpr uint64_t kClosed = uint64_t(1) << 31;
static constexpr uint64_t kEntered = kClosed - 1;

namespace {
struct State {
  alignas(kCacheLine) std::atomic<uint32_t> announcement{0};
  std::atomic<uint32_t> parked{0};
  Body body = nullptr;
  void *context = nullptr;

  alignas(kCacheLine) std::atomic<uint64_t> door{0};
  alignas(kCacheLine) std::atomic<uint32_t> left{0};  // workers that entered the region and are done
  alignas(kCacheLine) std::atomic<bool> taken{false}; // a region is being set up or running
  std::atomic<uint32_t> threads{0};
  std::atomic<uint32_t> processors{1};
  std::atomic<uint64_t> wakes{0};

  // Under `lifetime`: which threads exist. Never held during a region.
  pthread_mutex_t lifetime = PTHREAD_MUTEX_INITIALIZER;
  uint32_t users = 0;
  bool handlesFork = false;
  pthread_t handles[kMaxWorkers] = {};
  uint32_t firstSeen[kMaxWorkers] = {}; // the announcement a thread must not act on
};
} // namespace

static constinit State state;

static void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

static void wakeParked() {
  state.wakes.fetch_add(1, std::memory_order_relaxed);
  syscall(SYS_futex, &state.announcement, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

static uint64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

/// Returns the next announcement after `seen`.
static uint32_t awaitAnnouncement(uint32_t seen, bool maySpin) {
  constexpr uint64_t kSpinNanoseconds = 50000;
  for (uint64_t end = maySpin ? nanoseconds() + kSpinNanoseconds : 0; end;) {
    for (int i = 0; i < 64; ++i) {
      uint32_t word = state.announcement.load(std::memory_order_acquire);
      if (word != seen)
        return word;
      pauseProcessor();
    }
    if (nanoseconds() >= end)
      break;
  }
  for (;;) {
    // In this order, against announce(): either it sees this thread parked or the kernel sees its
    // new word.
    state.parked.fetch_add(1, std::memory_order_seq_cst);
    futexWait(state.announcement, seen);
    state.parked.fetch_sub(1, std::memory_order_relaxed);
    uint32_t word = state.announcement.load(std::memory_order_acquire);
    if (word != seen)
      return word;
  }
}

/// Takes part in the region of this announcement, unless it is closed or over.
static bool enter(uint32_t announcement) {
  uint64_t door = state.door.load(std::memory_order_relaxed);
  while (door >> kDoorBits == announcement && !(door & kClosed))
    if (state.door.compare_exchange_weak(door, door + 1, std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  return false;
}

static void *workerMain(void *argument) {
  uint32_t worker = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument));
  uint32_t seen = state.firstSeen[worker];
  bool maySpin = false; // a new thread has no region behind it
  for (;;) {
    seen = awaitAnnouncement(seen, maySpin);
    uint32_t workers = seen & kWorkerMask;
    if (workers == kLeave)
      return nullptr;
    maySpin = worker < workers && workers <= state.processors;
    if (worker >= workers || !enter(seen))
      continue;
    state.body(state.context, worker);
    state.left.fetch_add(1, std::memory_order_release);
  }
}

/// Opens the door of the next region, publishes its word and wakes whoever is parked.
static void announce(uint32_t workers) {
  uint32_t word = state.announcement.load(std::memory_order_relaxed);
  word = ((word >> kWorkerBits) + 1) << kWorkerBits | workers;
  state.door.store(uint64_t(word) << kDoorBits, std::memory_order_release);
  state.announcement.store(word, std::memory_order_seq_cst);
  if (state.parked.load(std::memory_order_seq_cst))
    wakeParked();
}

/// Threads never take the process's signals; faults of their own still reach its handlers.
static void blockSignals(sigset_t *before) {
  sigset_t blocked;
  sigfillset(&blocked);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT})
    sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, before);
}

/// Starts missing threads. Called under `lifetime`.
static bool startThreads(uint32_t wanted) {
  uint32_t existing = state.threads.load(std::memory_order_relaxed);
  if (existing >= wanted)
    return true;
  if (!existing) // threads inherit the mask of whoever starts them
    state.processors = affinityCount();
  sigset_t before;
  blockSignals(&before);
  int error = 0;
  while (existing < wanted && !error) {
    uint32_t worker = existing + 1;
    state.firstSeen[worker] = state.announcement.load(std::memory_order_relaxed);
    error = pthread_create(&state.handles[worker], nullptr, workerMain, reinterpret_cast<void *>(uintptr_t(worker)));
    if (error)
      break;
    pthread_setname_np(state.handles[worker], "muon-worker");
    // Only now may a region count on it.
    state.threads.store(++existing, std::memory_order_release);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return !error;
}

static void endThreads() {
  uint32_t existing = state.threads.load(std::memory_order_relaxed);
  if (!existing)
    return;
  announce(kLeave);
  for (uint32_t worker = 1; worker <= existing; ++worker)
    pthread_join(state.handles[worker], nullptr);
  state.threads.store(0, std::memory_order_relaxed);
}

static void beforeFork() { pthread_mutex_lock(&state.lifetime); }
static void afterForkInParent() { pthread_mutex_unlock(&state.lifetime); }
/// Only the forking thread lives on. A region another thread was in is gone with its workers.
static void afterForkInChild() {
  state.threads.store(0, std::memory_order_relaxed);
  state.parked.store(0, std::memory_order_relaxed);
  state.taken.store(false, std::memory_order_relaxed);
  pthread_mutex_unlock(&state.lifetime);
}

bool retain(uint32_t workers) {
  pthread_mutex_lock(&state.lifetime);
  if (!state.handlesFork)
    state.handlesFork = pthread_atfork(beforeFork, afterForkInParent, afterForkInChild) == 0;
  bool started = startThreads((workers < kMaxWorkers ? workers : kMaxWorkers) - 1);
  if (started)
    ++state.users;
  else if (!state.users)
    endThreads();
  pthread_mutex_unlock(&state.lifetime);
  return started;
}

void release() {
  pthread_mutex_lock(&state.lifetime);
  if (--state.users == 0)
    endThreads();
  pthread_mutex_unlock(&state.lifetime);
}

uint32_t claim(uint32_t workers) {
  if (workers <= 1 || state.taken.exchange(true, std::memory_order_acquire))
    return 1;
  uint32_t threads = state.threads.load(std::memory_order_acquire);
  if (threads + 1 < workers && pthread_mutex_trylock(&state.lifetime) == 0) {
    startThreads(workers - 1); // fewer threads than asked for are no error here
    pthread_mutex_unlock(&state.lifetime);
    threads = state.threads.load(std::memory_order_acquire);
  }
  uint32_t available = threads + 1 < workers ? threads + 1 : workers;
  if (available == 1)
    state.taken.store(false, std::memory_order_release);
  return available;
}

void run(uint32_t workers, Body body, void *context, bool independent) {
  state.body = body;
  state.context = context;
  state.left.store(0, std::memory_order_relaxed);
  announce(workers);
  body(context, 0);
  uint64_t others = workers - 1;
  if (independent)
    others = state.door.fetch_or(kClosed, std::memory_order_relaxed) & kEntered;
  SpinWait wait(workers > state.processors);
  wait.until([&] { return state.left.load(std::memory_order_acquire) == others; });
  state.taken.store(false, std::memory_order_release);
}

uint64_t wakeCalls() { return state.wakes.load(std::memory_order_relaxed); }
uint32_t threads() { return state.threads.load(std::memory_order_relaxed); }
uint32_t processors() { return state.processors.load(std::memory_order_relaxed); }

} // namespace muon::runtime::pool
