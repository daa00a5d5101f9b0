//===- Memory.h - device memory and what is known about each byte of it -----------------------===//
//
// Device addresses are host addresses. A region is a device allocation, a module's global variable, a kernel's
// parameters or the shared memory, of which there is one because blocks run one after another.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_EMULATOR_MEMORY_H
#define MUON_EMULATOR_MEMORY_H

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace muon::emulator {

/// The last accesses to two bytes, as clocks of the engines that made them (Races.h).
struct Cell {
  uint32_t writeEpoch = 0, readEpoch = 0; ///< 0: none. With reader == kManyReaders an index into the read clocks.
  uint16_t writer = 0, reader = 0;
  uint32_t writeSite = 0, readSite = 0;
  uint32_t block = 0;        ///< Serial number of the block that made them.
  uint8_t readElsewhere = 0; ///< An earlier block of the same launch has read it.
  uint8_t atomic = 0;        ///< The write was atomic.
};
inline constexpr uint16_t kManyReaders = 0xffff;
inline constexpr uint64_t kCellBytes = 2;

enum class Byte : uint8_t { outside = 0, poisoned = 1, defined = 2 };

struct Region {
  uint8_t *begin = nullptr;
  uint64_t bytes = 0;
  std::string name;
  bool shared = false, readOnly = false;
  Byte *state = nullptr; ///< One of each byte.
  Cell *cells = nullptr; ///< One of every two bytes; made at the first access that looks for races.

  Region(uint8_t *begin, uint64_t bytes, std::string name, Byte initial);
  ~Region();
  Region(const Region &) = delete;
  uint8_t *end() const { return begin + bytes; }
  void mark(const void *from, uint64_t count, Byte as);
  Cell *cell(const void *address); ///< Of the two bytes that hold `address`.
};

/// All regions by address.
class Memory {
public:
  Memory();

  /// Poisoned device memory, null if the chip's memory does not suffice. Aligned to 256 bytes and no more.
  void *allocate(uint64_t bytes);
  /// False if `address` is not what allocate() gave.
  bool free(void *address);
  uint64_t liveBytes() const { return live; }
  uint64_t numAllocations() const { return owned.size(); }

  Region *add(void *begin, uint64_t bytes, std::string name, Byte initial);
  void remove(void *begin);
  /// The region that holds the address, or null.
  Region *find(const void *address);
  /// Whether all of [address, address + bytes) is in one region.
  bool holds(const void *address, uint64_t bytes);
  /// A kernel without checks may have written any byte of device memory: before the next checked one they all count as
  /// written.
  void loseTrack() { lostTrack = true; }
  void findTrack();

  Region &sharedRegion() { return *shared; }

  static constexpr uint64_t kDeviceBytes = uint64_t(16) << 30;
  /// With gaps between variables; the first 256 KiB are addressable by descriptors.
  static constexpr uint64_t kSharedBytes = 512 << 10;

private:
  std::map<uint8_t *, std::unique_ptr<Region>> regions; // by end
  std::map<void *, void *> owned;                       // device address -> host block
  Region *shared = nullptr, *last = nullptr;
  uint64_t live = 0;
  bool lostTrack = false;
};

} // namespace muon::emulator

#endif // MUON_EMULATOR_MEMORY_H
