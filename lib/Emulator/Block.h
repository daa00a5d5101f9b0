//===- Block.h - the threads of a running block -----------------------------------------------===//
//
// Each GPU thread is a fiber. It runs until it has to wait: at a barrier, at a collective of its warp, at an mbarrier.
// Operations find the running thread by `current`.
//
//===---------------------------------------------------------------------------------------------------------===//
#ifndef MUON_EMULATOR_BLOCK_H
#define MUON_EMULATOR_BLOCK_H

#include "Machine.h"
#include "Mbarrier.h"
#include "TensorMap.h"

#include <deque>
#include <map>
#include <random>
#include <vector>

namespace muon::emulator {

/// What kernels read of a thread, at fixed offsets: special registers.
struct Registers {
  uint32_t tid[3], ntid[3], ctaid[3], nctaid[3];
  uint32_t laneid, warpid, dynamicSharedBytes;
};

/// One cp.async whose data has not moved yet.
struct PendingCopy {
  const Site *site;
  uint8_t *destination;
  const uint8_t *source;
  uint32_t bytes, sourceBytes; // the rest is zero
  uint32_t group;
};

/// A tensor copy that is under way.
struct PendingBulk {
  const Site *site;
  uint64_t shared; ///< Address in shared memory.
  TensorMap map;
  int32_t coordinates[5];
  uint64_t barrier; ///< Address of a load's mbarrier.
  uint32_t epoch;   ///< Of the mbarrier's or the warp's engine; a store's group.
};

struct Thread {
  Registers registers;
  uint32_t index = 0; ///< In the block.
  Context context = nullptr;
  bool finished = false;
  const Site *waiting = nullptr; ///< The operation it waits at.
  std::string waitingFor;        ///< For reports, if the site does not say all.
  Clock clock = nullptr;         ///< Null if races are not looked for.

  // Its part of a warp collective.
  Call call = {};
  uint32_t mask = 0;

  std::vector<PendingCopy> copies;
  uint32_t openGroup = 1; ///< The number cp.async.commit_group will give.

  std::vector<PendingBulk> stores;
  uint32_t openStore = 1;      ///< The number cp.async.bulk.commit.group will give.
  std::vector<uint32_t> fence; ///< What it knew at its last fence.proxy.async.
  uint32_t openWgmma = 1;      ///< The number wgmma.commit_group will give.

  uint32_t epoch() const { return clock ? clock[index] : 0; }
};

/// One of the 16 hardware barriers.
struct Barrier {
  uint32_t expected = 0, arrived = 0;
  std::vector<Thread *> waiting;
  std::vector<uint64_t *> results; ///< Of the waiting, for reductions; null where there is none.
  std::vector<uint32_t> clock;
  uint32_t count = 0; ///< Arrivals with a true predicate.
};

/// Lanes of a warp that have arrived at one collective.
struct Meeting {
  const Site *site;
  uint32_t mask, arrived;
};

struct Dimensions {
  uint32_t x, y, z;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct Launch {
  const char *kernel;
  void (*entry)(void **parameters);
  void **parameters;
  Dimensions grid, block;
  uint32_t dynamicSharedBytes;
  unsigned checks;
  uint32_t firstBlock; ///< Serial number.

  bool findsRaces() const { return checks & (MUON_EMULATOR_ALL & ~MUON_EMULATOR_MEMORY); }
};

class Block {
public:
  Block(const Launch &launch, Dimensions index);
  /// Runs all threads to their end; false if the block was stopped.
  bool run();

  const Launch &launch;
  Dimensions index;
  std::vector<Thread> threads;
  Barrier barriers[16];
  std::vector<std::vector<Meeting>> meetings; ///< Of each warp: more than one if it has diverged.
  std::map<uint64_t, Mbarrier> mbarriers;     ///< By address.
  /// Bulk copies so far by the engine of each, whichever object it was of: their epochs.
  uint32_t bulkCopies[kMostMbarriers] = {};
  std::deque<PendingBulk> bulk;

  /// Lets others run until somebody makes the current thread ready again.
  void wait(Thread &thread, const Site &site, std::string what = "");
  void makeReady(Thread &thread);
  /// The current thread has announced its call: runs the collective when it is the last lane of it, else waits.
  void meet(Thread &thread);
  void meetWarpgroup(Thread &thread);

  /// Reports a fault at a site. The launch will fail; the kernel goes on.
  void report(Fault fault, const Site &site, const Thread &thread, const std::string &what,
              const Site *other = nullptr);
  /// Reports a fault and ends the block. Leaves the fiber; does not return.
  [[noreturn]] void stop(Fault fault, const Site &site, const Thread &thread, const std::string &what);

  void finish(Thread &thread);

private:
  void reportDeadlock();

  Context scheduler = nullptr;
  std::deque<Thread *> ready;
  std::mt19937_64 random;
  uint32_t unfinished = 0;
  bool stopped = false;
};

extern Block *block;
extern Thread *current;

/// Checks an access as far as the launch asks, and records it. The range must not be empty.
void checkAccess(Thread &thread, const Site &site, const void *address, uint64_t bytes, uint64_t alignment, bool write,
                 bool atomic);
/// The parts of it: bounds and alignment; whether it is defined, or that it is now; races by an engine at an epoch.
Region *checkBounds(Thread &thread, const Site &site, const void *address, uint64_t bytes, uint64_t alignment,
                    bool write);
void checkDefined(Thread &thread, const Site &site, Region &region, const void *address, uint64_t bytes);
void checkRaces(Thread &thread, const Site &site, Region &region, const void *address, uint64_t bytes, bool write,
                bool atomic, uint32_t engine, uint32_t epoch);

/// Whether what ordinary stores wrote there was fenced before this asynchronous read (fence.proxy.async).
void checkProxy(Thread &thread, const Site &site, Region &region, const void *address, uint64_t bytes);

/// Reports tensor stores that nobody waited for.
void finishStores(Thread &thread);
/// Moves the data of a tensor load and tells its mbarrier.
void completeBulk(const PendingBulk &bulk);
/// Moves the data of the thread's copies up to `group` and tells its clock.
void completeCopies(Thread &thread, uint32_t group);

} // namespace muon::emulator

#endif // MUON_EMULATOR_BLOCK_H
