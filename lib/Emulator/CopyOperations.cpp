//===- CopyOperations.cpp - cp.async ----------------------------------------------------------===//
//
// Nothing moves before a wait covers it: a kernel that waits too little finds poison. For the race clocks the copy is
// made at its issue by an engine of its own, whose accesses are ordered only for threads that learn of the wait.
//
//===----------------------------------------------------------------------------------------------------===//

#include "Block.h"
#include "Operations.h"

#include <algorithm>
#include <cstring>

namespace muon::emulator {

void completeCopies(Thread &thread, uint32_t group) {
  size_t done = 0;
  for (; done < thread.copies.size() && thread.copies[done].group <= group; ++done) {
    const PendingCopy &copy = thread.copies[done];
    memcpy(copy.destination, copy.source, copy.sourceBytes);
    memset(copy.destination + copy.sourceBytes, 0, copy.bytes - copy.sourceBytes);
    machine().counters.copiedBytes += copy.bytes;
    if (block->launch.checks == MUON_EMULATOR_VALUES)
      continue;
    if (Region *region = machine().memory.find(copy.destination))
      region->mark(copy.destination, copy.bytes, Byte::defined);
  }
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + static_cast<ptrdiff_t>(done));
  if (!thread.clock)
    return;
  uint32_t &known = thread.clock[machine().races.copyEngine(thread.index)];
  known = std::max(known, group);
}

/// Arguments: shared destination, global source, and if operation.b bytes to read. operation.a: bytes to write.
static void copy(Thread &thread, const Call &call) {
  const Site &site = *call.site;
  auto *destination = reinterpret_cast<uint8_t *>(call.arguments[0]);
  auto *source = reinterpret_cast<const uint8_t *>(call.arguments[1]);
  uint32_t bytes = site.operation.a;
  uint32_t sourceBytes = site.operation.b ? static_cast<uint32_t>(call.arguments[2]) : bytes;
  if (sourceBytes > bytes)
    block->stop(Fault::illegal, site, thread,
                "copy of " + std::to_string(sourceBytes) + " bytes into " + std::to_string(bytes));
  thread.copies.push_back({&site, destination, source, bytes, sourceBytes, thread.openGroup});
  if (block->launch.checks == MUON_EMULATOR_VALUES)
    return;
  Region *to = checkBounds(thread, site, destination, bytes, bytes, true);
  Region *from = sourceBytes ? checkBounds(thread, site, source, sourceBytes, bytes, false) : nullptr;
  if (!to || !to->shared)
    block->stop(Fault::illegal, site, thread, "the destination of cp.async is not shared memory");
  if (from)
    checkDefined(thread, site, *from, source, sourceBytes);
  // Whoever reads the destination before the wait reads what no program may rely on.
  to->mark(destination, bytes, Byte::poisoned);
  if (!thread.clock)
    return;
  uint32_t engine = machine().races.copyEngine(thread.index);
  if (from)
    checkRaces(thread, site, *from, source, sourceBytes, false, false, engine, thread.openGroup);
  checkRaces(thread, site, *to, destination, bytes, true, false, engine, thread.openGroup);
}

static void commit(Thread &thread, const Call &) { ++thread.openGroup; }

/// Waits for all but the latest n committed groups.
static void waitGroup(Thread &thread, const Call &call) {
  uint32_t committed = thread.openGroup - 1, pending = static_cast<uint32_t>(call.arguments[0]);
  if (committed > pending)
    completeCopies(thread, committed - pending);
}

static void waitAll(Thread &thread, const Call &) { completeCopies(thread, thread.openGroup++); }

std::optional<Operation> findCopyOperation(llvm::StringRef name) {
  Operation operation;
  if (name == "cp.async.commit.group") {
    operation.thread = commit;
  } else if (name == "cp.async.wait.group") {
    operation.thread = waitGroup;
  } else if (name == "cp.async.wait.all") {
    operation.thread = waitAll;
  } else if (name.consume_front("cp.async.ca.shared.global.") || name.consume_front("cp.async.cg.shared.global.")) {
    operation.thread = copy;
    operation.b = name.consume_back(".s");
    if (name.getAsInteger(10, operation.a))
      return std::nullopt;
  } else {
    return std::nullopt;
  }
  return operation;
}

} // namespace muon::emulator
