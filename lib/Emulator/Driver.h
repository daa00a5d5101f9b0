//===- Driver.h - state of the driver API -----------------------------------------------------===//
//
// Work is queued and done when somebody waits for it, never earlier: a program that forgets to wait finds that nothing
// has happened. One queue in order of issue serves all streams, which is one of the orders streams allow.
//
//===---------------------------------------------------------------------------------------------------------===//
#ifndef MUON_EMULATOR_DRIVER_H
#define MUON_EMULATOR_DRIVER_H

#include "Machine.h"
#include "RunLaunch.h"

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace muon::emulator {

using Work = std::function<void()>;

/// What is known of a chip: compute capability and limits, from the tables of the CUDA programming guide.
struct Chip {
  const char *name;
  int major, minor, multiprocessors;
  int sharedPerBlock, sharedPerMultiprocessor; ///< Opt-in maximum of a block; bytes.
};

/// A fault to inject: the `countdown`-th call of the function returns the error.
struct InjectedFault {
  std::string function;
  uint32_t countdown;
  CUresult error;
};

struct Driver {
  std::recursive_mutex lock;
  bool environmentRead = false, initialised = false;
  const Chip *chip = nullptr;
  std::deque<Work> queue;
  std::vector<InjectedFault> faults;
  uint64_t retained = 0; ///< Of the primary context.
  std::set<void *> streams, events, graphs, executables;
  std::set<std::unique_ptr<LoadedModule>> modules;

  /// What every call begins with: an injected fault, an error that stays, a missing cuInit.
  CUresult enter(const char *function);
  /// The injected error of a function, if its turn has come.
  CUresult injected(const char *function);
  /// Does all queued work, unless an error stays. Returns that.
  CUresult drain();
  /// Queues work on a stream, or adds it to the graph the stream captures.
  CUresult submit(CUstream stream, Work work);
};

Driver &driver();

/// The chip of a name ("sm_80"), null if it is not known.
const Chip *findChip(const std::string &name);

} // namespace muon::emulator

struct CUstream_st {
  bool capturing = false;
  std::vector<muon::emulator::Work> captured;
};
struct CUgraph_st {
  std::vector<muon::emulator::Work> nodes;
};
struct CUgraphExec_st {
  std::vector<muon::emulator::Work> nodes;
};
/// All that is issued before a wait is done by it, whatever an event has recorded.
struct CUevent_st {};

/// Begins a driver function: takes the lock and returns what stands against the call.
#define MUON_DRIVER_ENTER(function)                                                                                    \
  std::lock_guard guard(muon::emulator::driver().lock);                                                                \
  if (CUresult refused = muon::emulator::driver().enter(#function))                                                    \
  return refused

#endif // MUON_EMULATOR_DRIVER_H
