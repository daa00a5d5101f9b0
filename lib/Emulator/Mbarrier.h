//===- Mbarrier.h - barrier objects in shared memory ------------------------------------------===//

#ifndef MUON_EMULATOR_MBARRIER_H
#define MUON_EMULATOR_MBARRIER_H

#include <cstdint>
#include <vector>

namespace muon::emulator {

struct Thread;
struct Site;

/// Of a block at a time.
inline constexpr uint32_t kMostMbarriers = 16;

/// What an initialised mbarrier object stands for. Its 64 bits in memory hold a signature only: whoever overwrites it
/// is noticed.
struct Mbarrier {
  uint32_t index = 0;                     ///< Its bulk copies are one engine of the race clocks.
  uint32_t count = 0, pending = 0;        ///< Arrivals a phase takes, and that are missing.
  int64_t bytes = 0;                      ///< Expected and not yet copied.
  uint32_t phase = 0;                     ///< Completed phases.
  std::vector<uint32_t> clock, completed; ///< What arrivals of the open phase know; of all phases before.
  std::vector<Thread *> waiting;
};

/// The object at an address; ends the block if there is none, or its memory was overwritten.
Mbarrier &findMbarrier(Thread &thread, const Site &site, uint64_t address);
/// A bulk copy has written `bytes` and its engine has reached `epoch`.
void completeBytes(Mbarrier &barrier, int64_t bytes, uint32_t epoch);

} // namespace muon::emulator

#endif // MUON_EMULATOR_MBARRIER_H
