//===- Site.h - one operation in a kernel's source --------------------------------------------===//
//
// Every rewritten instruction has one. Its text is what reports quote.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_EMULATOR_SITE_H
#define MUON_EMULATOR_SITE_H

#include <cstdint>
#include <string>

namespace muon::emulator {

struct Site;
struct Thread;

/// What one thread passes to an operation: 8-byte slots, narrower values zero-extended, structs flattened.
struct Call {
  const Site *site;
  const uint64_t *arguments;
  uint64_t *results;
};

/// All lanes of a warp that take part in a collective, by lane number.
struct WarpCall {
  const Site *site;
  uint32_t mask;
  Thread *threads[32];
  const uint64_t *arguments[32];
  uint64_t *results[32];
};

/// All threads of a warpgroup.
struct WarpgroupCall {
  const Site *site;
  Thread *threads[128];
  const uint64_t *arguments[128];
  uint64_t *results[128];
};

/// How an operation is executed: by each thread for itself, or once for a warp when all its lanes have arrived.
struct Operation {
  using ThreadHandler = void (*)(Thread &, const Call &);
  using WarpHandler = void (*)(const WarpCall &);

  ThreadHandler thread = nullptr;
  WarpHandler warp = nullptr;
  void (*warpgroup)(const WarpgroupCall &) = nullptr;
  int maskArgument = -1;      ///< Slot of the member mask of a warp operation, -1: all 32 lanes.
  int predicateArgument = -1; ///< Slot of a predicate: the operation is skipped where it is false.
  uint32_t a = 0, b = 0;      ///< The variant, for handlers that serve several names.
};

struct Site {
  uint32_t index = 0;
  std::string text; ///< The instruction, and where it comes from if the kernel has debug information.
  Operation operation;
  // Of memory accesses:
  uint32_t bytes = 0, alignment = 1;
  bool write = false, atomic = false;
};

} // namespace muon::emulator

#endif // MUON_EMULATOR_SITE_H
