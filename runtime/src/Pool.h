//===- Pool.h - the process's one set of worker threads ---------------------------------------===//
//
// All programs of a process share it. Workers are started at load, spin for a moment after a region
// in case the next one follows, then park on a futex. A region is announced by one store and at
// most one system call, and only if somebody is parked. Nothing is pinned; the caller is worker 0.

#ifndef MUON_RUNTIME_POOL_H
#define MUON_RUNTIME_POOL_H

#include <stdint.h>

namespace muon::runtime::pool {

inline constexpr uint32_t kMaxWorkers = 2048;

using Body = void (*)(void *context, uint32_t worker);

/// Starts threads until `workers` can run at once, counting the caller. Every retain is undone by
/// one release; the last one ends the threads. Returns false if the system refuses a thread.
bool retain(uint32_t workers);
void release();

/// Takes the pool for one region and returns how many workers it may have: 1 if another thread is
/// in a region now (nobody ever waits for the pool), otherwise up to `workers`. In the child of a
/// fork the threads are gone: the first claim starts them again. A result above 1 must be followed
/// by run with that number.
uint32_t claim(uint32_t workers);

/// Runs the body once per worker, concurrently, and gives the pool back. If the bodies are
/// independent, of which none waits for another, the call does not wait for a worker that has not
/// begun when the caller's own body ends: that one is left out.
void run(uint32_t workers, Body body, void *context, bool independent);

/// Wake system calls made so far, for tests.
uint64_t wakeCalls();
/// Threads alive now, for tests.
uint32_t threads();
/// Processors the threads may run on, for tests.
uint32_t processors();

} // namespace muon::runtime::pool

#endif // MUON_RUNTIME_POOL_H
