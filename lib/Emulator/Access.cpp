//===- Access.cpp - is a memory access inside, aligned, defined and ordered? ------------------===//

#include "Block.h"

#include <cstring>

namespace muon::emulator {

static std::string hexadecimal(const void *address) {
  char text[32];
  snprintf(text, sizeof text, "%p", address);
  return text;
}

static std::string describe(const Region *region, const void *address, uint64_t bytes, bool write) {
  std::string text = std::string(write ? "write" : "read") + " of " + std::to_string(bytes) + " bytes at ";
  if (!region)
    return text + hexadecimal(address);
  return text + "offset " + std::to_string(static_cast<const uint8_t *>(address) - region->begin) + " of " +
         region->name;
}

/// The offset of the first byte whose state is `state`, or `bytes`.
static uint64_t findState(const Byte *states, uint64_t bytes, Byte state) {
  const void *found = memchr(states, static_cast<int>(state), bytes);
  return found ? static_cast<const Byte *>(found) - states : bytes;
}

Region *checkBounds(Thread &thread, const Site &site, const void *address, uint64_t bytes, uint64_t alignment,
                    bool write) {
  Machine &device = machine();
  auto at = reinterpret_cast<uintptr_t>(address);
  if (at % alignment)
    block->stop(Fault::misaligned, site, thread,
                describe(device.memory.find(address), address, bytes, write) + ", expected to be aligned to " +
                    std::to_string(alignment));
  if (device.stacks.holds(address))
    return nullptr; // the thread's own local memory
  Region *region = device.memory.find(address);
  if (!region || static_cast<const uint8_t *>(address) + bytes > region->end())
    block->stop(Fault::outOfBounds, site, thread, describe(region, address, bytes, write) + " is out of bounds");
  if (region->shared &&
      findState(region->state + (static_cast<const uint8_t *>(address) - region->begin), bytes, Byte::outside) < bytes)
    block->stop(Fault::outOfBounds, site, thread,
                describe(region, address, bytes, write) + " is outside every shared variable");
  if (write && region->readOnly)
    block->stop(Fault::outOfBounds, site, thread, describe(region, address, bytes, write) + " is to constant memory");
  return region;
}

void checkDefined(Thread &thread, const Site &site, Region &region, const void *address, uint64_t bytes) {
  const Byte *states = region.state + (static_cast<const uint8_t *>(address) - region.begin);
  if (findState(states, bytes, Byte::poisoned) < bytes)
    block->report(Fault::undefined, site, thread, describe(&region, address, bytes, false) + " is uninitialised");
}

void checkRaces(Thread &thread, const Site &site, Region &region, const void *address, uint64_t bytes, bool write,
                bool atomic, uint32_t engine, uint32_t epoch) {
  Races &races = machine().races;
  Race race = races.access(region, address, bytes, site, write, atomic, engine, epoch, thread.clock);
  if (!race.found)
    return;
  std::string who = race.otherBlock ? "another block" : "thread " + std::to_string(race.otherEngine);
  uint32_t threads = block->threads.size();
  if (!race.otherBlock && race.otherEngine >= 2 * threads)
    who = "bulk copy engine " + std::to_string(race.otherEngine - 2 * threads);
  else if (!race.otherBlock && race.otherEngine >= threads)
    who = "the asynchronous copy of thread " + std::to_string(race.otherEngine - threads);
  const Site *other = machine().sites[race.otherSite];
  std::string asynchronous = engine >= threads ? "asynchronous " : "";
  block->report(Fault::undefined, site, thread,
                asynchronous + describe(&region, address, bytes, write) + " races with a " +
                    (race.otherWrote ? "write" : "read") + " by " + who + (other ? " (" + other->text + ")" : ""),
                other);
}

void checkProxy(Thread &thread, const Site &site, Region &region, const void *address, uint64_t bytes) {
  for (auto *at = static_cast<const uint8_t *>(address), *end = at + bytes; at < end; at += kCellBytes) {
    const Cell &cell = *region.cell(at);
    if (!cell.writeEpoch || cell.writer >= block->threads.size())
      continue; // written by a copy, which is of the same kind
    const Thread &writer = block->threads[cell.writer];
    bool byWriter = !writer.fence.empty() && writer.fence[cell.writer] >= cell.writeEpoch;
    bool byReader = !thread.fence.empty() && thread.fence[cell.writer] >= cell.writeEpoch;
    if (byWriter || byReader)
      continue;
    const Site *other = machine().sites[cell.writeSite];
    block->report(Fault::undefined, site, thread,
                  "asynchronous " + describe(&region, at, kCellBytes, false) +
                      " without a fence.proxy.async after the write by thread " + std::to_string(cell.writer) +
                      (other ? " (" + other->text + ")" : ""),
                  other);
    return;
  }
}

void checkAccess(Thread &thread, const Site &site, const void *address, uint64_t bytes, uint64_t alignment, bool write,
                 bool atomic) {
  Region *region = checkBounds(thread, site, address, bytes, alignment, write);
  if (!region)
    return;
  if (!write || atomic)
    checkDefined(thread, site, *region, address, bytes);
  if (write)
    region->mark(address, bytes, Byte::defined);
  if (thread.clock && !region->readOnly)
    checkRaces(thread, site, *region, address, bytes, write, atomic, thread.index, thread.epoch());
}

} // namespace muon::emulator

using namespace muon::emulator;

/// What instrumented kernels call before each access.
extern "C" void muonEmulatorAccess(const Site *site, void *address) {
  checkAccess(*current, *site, address, site->bytes, site->alignment, site->write, site->atomic);
}

extern "C" void muonEmulatorAccessRange(const Site *site, void *address, uint64_t bytes) {
  if (bytes)
    checkAccess(*current, *site, address, bytes, site->alignment, site->write, site->atomic);
}
