//===- MbarrierOperations.cpp - mbarrier.init, arrive, expect_tx, wait ------------------------===//

#include "Block.h"
#include "Operations.h"

#include "llvm/ADT/STLExtras.h"

#include <cstring>

namespace muon::emulator {

static uint64_t signature(uint64_t address) { return address * 0x9e3779b97f4a7c15 ^ 0x6d62617272696572; }

Mbarrier &findMbarrier(Thread &thread, const Site &site, uint64_t address) {
  auto found = block->mbarriers.find(address);
  if (found == block->mbarriers.end())
    block->stop(Fault::illegal, site, thread, "no mbarrier was initialised at this address");
  if (block->launch.checks != MUON_EMULATOR_VALUES) {
    uint64_t held;
    memcpy(&held, reinterpret_cast<void *>(address), sizeof held);
    if (held != signature(address))
      block->stop(Fault::illegal, site, thread, "the mbarrier's memory was overwritten");
  }
  return found->second;
}

/// Completes the phase if nothing is missing, and lets those go on who wait for it.
static void tryComplete(Mbarrier &barrier) {
  if (barrier.pending || barrier.bytes)
    return;
  ++barrier.phase;
  barrier.pending = barrier.count;
  if (!barrier.clock.empty())
    machine().races.join(barrier.completed.data(), barrier.clock.data());
  for (Thread *thread : barrier.waiting) {
    if (thread->clock)
      machine().races.join(thread->clock, barrier.completed.data());
    block->makeReady(*thread);
  }
  barrier.waiting.clear();
}

void completeBytes(Mbarrier &barrier, int64_t bytes, uint32_t epoch) {
  barrier.bytes -= bytes;
  if (!barrier.clock.empty()) {
    uint32_t &known = barrier.clock[machine().races.bulkEngine(barrier.index)];
    known = epoch > known ? epoch : known;
  }
  tryComplete(barrier);
}

/// The engine of the object at an address: its own, or one that nobody has.
static uint32_t engineFor(uint64_t address) {
  auto found = block->mbarriers.find(address);
  if (found != block->mbarriers.end())
    return found->second.index;
  auto hasEngine = [](uint32_t engine) {
    return llvm::any_of(block->mbarriers, [&](const auto &entry) { return entry.second.index == engine; });
  };
  uint32_t engine = 0;
  while (hasEngine(engine))
    ++engine;
  return engine;
}

/// Arguments: address, count.
static void initialise(Thread &thread, const Call &call) {
  uint64_t address = call.arguments[0];
  auto count = static_cast<uint32_t>(call.arguments[1]);
  if (block->launch.checks != MUON_EMULATOR_VALUES)
    checkAccess(thread, *call.site, reinterpret_cast<void *>(address), 8, 8, true, false);
  if (!count || count >= 1u << 20 || (block->mbarriers.size() == kMostMbarriers && !block->mbarriers.count(address)))
    block->stop(Fault::illegal, *call.site, thread,
                "mbarrier for " + std::to_string(count) + " arrivals, or the 17th of the block");
  uint64_t held = signature(address);
  memcpy(reinterpret_cast<void *>(address), &held, sizeof held);
  Mbarrier made;
  made.index = engineFor(address);
  made.count = made.pending = count;
  if (thread.clock) {
    made.clock.resize(machine().races.engines());
    made.completed.resize(machine().races.engines());
  }
  block->mbarriers[address] = std::move(made);
}

static void invalidate(Thread &thread, const Call &call) {
  findMbarrier(thread, *call.site, call.arguments[0]);
  block->mbarriers.erase(call.arguments[0]);
}

/// For race clocks using the object is reading it: its initialisation must be ordered before.
static Mbarrier &use(Thread &thread, const Call &call) {
  if (block->launch.checks != MUON_EMULATOR_VALUES)
    checkAccess(thread, *call.site, reinterpret_cast<void *>(call.arguments[0]), 8, 8, false, true);
  return findMbarrier(thread, *call.site, call.arguments[0]);
}

static void arriveTimes(Thread &thread, const Call &call, Mbarrier &barrier, uint32_t times) {
  if (barrier.pending < times)
    block->stop(Fault::illegal, *call.site, thread,
                "more arrivals than the mbarrier's " + std::to_string(barrier.count));
  if (thread.clock) {
    machine().races.join(barrier.clock.data(), thread.clock);
    ++thread.clock[thread.index];
  }
  barrier.pending -= times;
  tryComplete(barrier);
}

/// Arguments: address, and if operation.a how many arrivals this is. Result: the phase's state, of which only the phase
/// matters.
static void arrive(Thread &thread, const Call &call) {
  Mbarrier &barrier = use(thread, call);
  call.results[0] = barrier.phase;
  arriveTimes(thread, call, barrier, call.site->operation.a ? static_cast<uint32_t>(call.arguments[1]) : 1);
}

/// Arguments: address, bytes.
static void arriveExpecting(Thread &thread, const Call &call) {
  Mbarrier &barrier = use(thread, call);
  barrier.bytes += static_cast<uint32_t>(call.arguments[1]);
  arriveTimes(thread, call, barrier, 1);
}

static void expect(Thread &thread, const Call &call) {
  use(thread, call).bytes += static_cast<uint32_t>(call.arguments[1]);
}

/// Arguments: address, parity. Waits until the phase of that parity is complete.
static void waitParity(Thread &thread, const Call &call) {
  Mbarrier &barrier = use(thread, call);
  if ((barrier.phase & 1) != (call.arguments[1] & 1)) {
    if (thread.clock)
      machine().races.join(thread.clock, barrier.completed.data());
    return;
  }
  barrier.waiting.push_back(&thread);
  block->wait(thread, *call.site,
              "phase " + std::to_string(barrier.phase) + " of an mbarrier, which lacks " +
                  std::to_string(barrier.pending) + " arrivals and " + std::to_string(barrier.bytes) + " bytes");
}

/// As waitParity; a result says whether it is complete. It never has to say no: trying is waiting.
static void tryWaitParity(Thread &thread, const Call &call) {
  waitParity(thread, call);
  call.results[0] = 1;
}

std::optional<Operation> findMbarrierOperation(llvm::StringRef name) {
  Operation operation;
  if (name == "mbarrier.init.shared.b64" || name == "mbarrier.init.shared")
    operation.thread = initialise;
  else if (name == "mbarrier.inval.shared")
    operation.thread = invalidate;
  else if (name == "mbarrier.arrive.shared" || name == "mbarrier.arrive.scope.cta.space.cta")
    operation.thread = arrive, operation.a = name.contains("scope");
  else if (name == "mbarrier.arrive.expect_tx.shared.b64" || name == "mbarrier.arrive.expect.tx.scope.cta.space.cta")
    operation.thread = arriveExpecting;
  else if (name == "mbarrier.expect.tx.scope.cta.space.cta")
    operation.thread = expect;
  else if (name == "mbarrier.wait.parity")
    operation.thread = waitParity;
  else if (name == "mbarrier.try.wait.parity.scope.cta.space.cta" ||
           name == "mbarrier.test.wait.parity.scope.cta.space.cta")
    operation.thread = tryWaitParity;
  else
    return std::nullopt;
  return operation;
}

} // namespace muon::emulator
