//===- Memory.cpp -----------------------------------------------------------------------------===//

#include "Memory.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace muon::emulator {

/// A NaN in every floating-point type, and an address nobody has.
static constexpr int kPoison = 0xff;
/// Between allocations, so that a stray access finds nobody else's memory.
static constexpr uint64_t kGap = 512;
static constexpr uint64_t kAlignment = 256;

/// Zeroed pages that cost nothing until they are touched.
static void *reserve(uint64_t bytes, void *hint = nullptr) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (hint ? MAP_FIXED_NOREPLACE : 0);
  void *memory = mmap(hint, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

Region::Region(uint8_t *begin, uint64_t bytes, std::string name, Byte initial)
    : begin(begin), bytes(bytes), name(std::move(name)) {
  state = static_cast<Byte *>(reserve(bytes ? bytes : 1));
  if (state && initial != Byte::outside)
    memset(state, static_cast<int>(initial), bytes);
}

Region::~Region() {
  if (state)
    munmap(state, bytes ? bytes : 1);
  if (cells)
    munmap(cells, (bytes / kCellBytes + 1) * sizeof(Cell));
}

void Region::mark(const void *from, uint64_t count, Byte as) {
  memset(state + (static_cast<const uint8_t *>(from) - begin), static_cast<int>(as), count);
}

Cell *Region::cell(const void *address) {
  if (!cells)
    cells = static_cast<Cell *>(reserve((bytes / kCellBytes + 1) * sizeof(Cell)));
  return cells + (static_cast<const uint8_t *>(address) - begin) / kCellBytes;
}

Memory::Memory() {
  // Below 4 GiB, so that 32-bit shared addresses in assembly are addresses; aligned, so that the 18 bits in a
  // descriptor are too.
  void *memory = nullptr;
  for (uint64_t address = 0x30000000; !memory && address < 0xf0000000; address += 0x8000000)
    memory = reserve(kSharedBytes, reinterpret_cast<void *>(address));
  if (!memory)
    abort(); // an address space without a free half MiB below 4 GiB
  shared = add(memory, kSharedBytes, "shared memory", Byte::outside);
  shared->shared = true;
}

void *Memory::allocate(uint64_t bytes) {
  if (!bytes || bytes > kDeviceBytes - live)
    return nullptr;
  uint64_t total = bytes + 2 * kGap + 3 * kAlignment;
  auto *block = static_cast<uint8_t *>(malloc(total));
  if (!block)
    return nullptr;
  auto at = (reinterpret_cast<uintptr_t>(block) + kGap + 2 * kAlignment - 1) & ~uintptr_t(2 * kAlignment - 1);
  auto *begin = reinterpret_cast<uint8_t *>(at + kAlignment);
  memset(begin, kPoison, bytes);
  owned[begin] = block;
  live += bytes;
  add(begin, bytes, "allocation " + std::to_string(owned.size()) + " of " + std::to_string(bytes) + " bytes",
      Byte::poisoned);
  return begin;
}

bool Memory::free(void *address) {
  auto found = owned.find(address);
  if (found == owned.end())
    return false;
  live -= find(address)->bytes;
  remove(address);
  ::free(found->second);
  owned.erase(found);
  return true;
}

Region *Memory::add(void *begin, uint64_t bytes, std::string name, Byte initial) {
  auto region = std::make_unique<Region>(static_cast<uint8_t *>(begin), bytes, std::move(name), initial);
  Region *made = region.get();
  regions[made->end()] = std::move(region);
  return made;
}

void Memory::remove(void *begin) {
  last = nullptr;
  if (Region *region = find(begin)) {
    last = nullptr;
    regions.erase(region->end());
  }
}

Region *Memory::find(const void *address) {
  auto *at = static_cast<uint8_t *>(const_cast<void *>(address));
  if (last && at >= last->begin && at < last->end())
    return last;
  auto found = regions.upper_bound(at);
  if (found == regions.end() || at < found->second->begin)
    return nullptr;
  return last = found->second.get();
}

bool Memory::holds(const void *address, uint64_t bytes) {
  if (!bytes)
    return true;
  Region *region = find(address);
  return region && static_cast<const uint8_t *>(address) + bytes <= region->end();
}

void Memory::findTrack() {
  if (!lostTrack)
    return;
  lostTrack = false;
  for (auto &[end, region] : regions)
    if (!region->shared)
      region->mark(region->begin, region->bytes, Byte::defined);
}

} // namespace muon::emulator
