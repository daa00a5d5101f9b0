//===- Races.h - vector clocks ----------------------------------------------------------------===//
//
// Two accesses race if neither happens before the other, whatever order they were executed in. An engine is what has a
// clock: every thread, and every thread's asynchronous copies, whose writes are ordered only for those who learn of a
// wait that covers them. FastTrack (Flanagan and Freund, PLDI 2009) per two bytes: the last write, and the last read or
// one clock for each reader.
//
//===-------------------------------------------------------------------------------------------------===//
#ifndef MUON_EMULATOR_RACES_H
#define MUON_EMULATOR_RACES_H

#include "Memory.h"
#include "Site.h"

#include <vector>

namespace muon::emulator {

/// What an engine knows of every engine.
using Clock = uint32_t *;

/// The concurrent readers of a cell since its last write. A read that the next reader knows of is not kept: who comes
/// after that reader comes after it too.
struct Readers {
  static constexpr uint32_t kInline = 7;
  uint32_t count = 0; ///< More than kInline: `all` is the index of a clock with one epoch for each engine.
  uint32_t all = 0;
  uint32_t epochs[kInline];
  uint16_t engines[kInline];
};

/// An access that was found to race with an earlier one.
struct Race {
  bool found = false;
  bool otherWrote = false, otherBlock = false;
  uint16_t otherEngine = 0;
  uint32_t otherSite = 0;
};

class Races {
public:
  /// Forgets the block before. Engines: threads 0 to n - 1, then the copies of each, then `bulkEngines` more.
  void startBlock(uint32_t threads, uint32_t bulkEngines, uint32_t block, uint32_t firstBlockOfLaunch);

  Clock clockOf(uint32_t thread) { return clocks.data() + uint64_t(thread) * numEngines; }
  uint32_t engines() const { return numEngines; }
  uint32_t copyEngine(uint32_t thread) const { return numThreads + thread; }
  uint32_t bulkEngine(uint32_t i) const { return 2 * numThreads + i; }

  /// Checks an access of [address, address + bytes) of the region by `engine` at `epoch`, which knows `clock`, and
  /// records it.
  Race access(Region &region, const void *address, uint64_t bytes, const Site &site, bool write, bool atomic,
              uint32_t engine, uint32_t epoch, Clock clock);

  /// clock = max(clock, other), element by element.
  void join(Clock clock, const uint32_t *other) const {
    for (uint32_t i = 0; i < numEngines; ++i)
      clock[i] = clock[i] > other[i] ? clock[i] : other[i];
  }

private:
  Race check(Cell &cell, bool write, bool atomic, Clock clock) const;
  void enterBlock(Cell &cell, bool shared, bool write, bool atomic, Race &race);
  void addReader(Cell &cell, uint32_t engine, uint32_t epoch, Clock clock);
  void record(Cell &cell, const Site &site, bool write, bool atomic, uint32_t engine, uint32_t epoch, Clock clock);

  uint32_t numThreads = 0, numEngines = 0, block = 0, firstBlock = 0;
  std::vector<uint32_t> clocks;      // numThreads x numEngines
  std::vector<Readers> readers;      // of cells with several
  std::vector<uint32_t> freeReaders; // indices no cell has any more
  std::vector<uint32_t> readClocks;  // numEngines for each cell with more readers than fit
};

} // namespace muon::emulator

#endif // MUON_EMULATOR_RACES_H
