//===- BarrierOperations.cpp - the 16 barriers of a block -------------------------------------===//

#include "Block.h"
#include "Operations.h"

namespace muon::emulator {

enum BarrierKind : uint32_t { kSync, kArrive, kPopulation, kAnd, kOr };

static uint64_t reduction(uint32_t kind, const Barrier &barrier) {
  return kind == kPopulation ? barrier.count : kind == kAnd ? barrier.count == barrier.arrived : barrier.count != 0;
}

/// Everyone has arrived: lets the waiting go on, and tells them what all have done.
static void open(Barrier &barrier, uint32_t kind, Thread &last) {
  for (size_t i = 0; i < barrier.waiting.size(); ++i) {
    Thread &thread = *barrier.waiting[i];
    if (thread.clock)
      machine().races.join(thread.clock, barrier.clock.data());
    if (barrier.results[i])
      *barrier.results[i] = reduction(kind, barrier);
    if (&thread != &last)
      block->makeReady(thread);
  }
  barrier = {};
}

/// Arguments: the barrier; the number of threads unless all; the predicate of a reduction.
static void arrive(Thread &thread, const Call &call) {
  uint32_t kind = call.site->operation.a, counted = call.site->operation.b;
  uint64_t number = call.arguments[0];
  if (number >= 16)
    block->stop(Fault::illegal, *call.site, thread, "barrier " + std::to_string(number) + " of 16");
  Barrier &barrier = block->barriers[number];
  auto expected =
      counted ? static_cast<uint32_t>(call.arguments[1]) : static_cast<uint32_t>(block->threads.size() + 31) / 32 * 32;
  if (expected % 32 || !expected)
    block->stop(Fault::illegal, *call.site, thread,
                "barrier for " + std::to_string(expected) + " threads, expected whole warps");
  if (barrier.arrived && barrier.expected != expected)
    block->stop(Fault::illegal, *call.site, thread,
                "barrier " + std::to_string(number) + " for " + std::to_string(expected) + " threads, others said " +
                    std::to_string(barrier.expected));
  barrier.expected = expected;
  ++barrier.arrived;
  if (kind >= kPopulation)
    barrier.count += call.arguments[counted ? 2 : 1] & 1;
  if (thread.clock) {
    barrier.clock.resize(machine().races.engines());
    machine().races.join(barrier.clock.data(), thread.clock);
    ++thread.clock[thread.index];
  }
  if (kind != kArrive) {
    barrier.waiting.push_back(&thread);
    barrier.results.push_back(kind >= kPopulation ? call.results : nullptr);
  }
  // A partial last warp counts as a whole one, as on the device.
  uint32_t missingLanes = counted ? 0 : expected - static_cast<uint32_t>(block->threads.size());
  if (barrier.arrived + missingLanes >= expected)
    open(barrier, kind, thread);
  else if (kind != kArrive)
    block->wait(thread, *call.site, "barrier " + std::to_string(number));
}

std::optional<Operation> findBarrierOperation(llvm::StringRef name) {
  Operation operation;
  if (!name.consume_front("barrier.cta."))
    return std::nullopt;
  operation.thread = arrive;
  operation.a = name.consume_front("sync")       ? kSync
                : name.consume_front("arrive")   ? kArrive
                : name.consume_front("red.popc") ? kPopulation
                : name.consume_front("red.and")  ? kAnd
                : name.consume_front("red.or")   ? kOr
                                                 : ~0u;
  name.consume_front(".aligned");
  operation.b = name == ".count";
  if (operation.a == ~0u || (name != ".all" && name != ".count"))
    return std::nullopt;
  return operation;
}

} // namespace muon::emulator
