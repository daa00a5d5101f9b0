//===- Schedule.h - which tiles run, in which order ------------------------------------------===//
//
// Two orders give the same bits. Stage-major: the tiles of a stage in any order, then a barrier.
// Matrix-major: one worker walks a whole matrix through all stages, which keeps a small matrix in
// its cache and needs no barrier.

#ifndef MUON_RUNTIME_SCHEDULE_H
#define MUON_RUNTIME_SCHEDULE_H

#include "Binding.h"

namespace muon::runtime {

/// Whether a group of `matrices` goes matrix-major, if its workspace layout allows it.
constexpr bool prefersMatrixMajor(uint64_t matrices, uint64_t matrixBytes, uint32_t workers) {
  // Two per worker or more, or the tail leaves workers idle for too long. Up to 2 MiB each, about a
  // second-level cache; beyond it all workers on one matrix share the panels they read.
  return matrices >= 2 * uint64_t(workers) && matrixBytes <= uint64_t(2) << 20;
}

/// At bind: decides from the operands of every group whether its matrices are isolated.
void findIsolatedGroups(Binding &binding);

/// Per run, after the gradients are known: active matrices, tile counts, counters, region width.
void scheduleRun(Binding &binding);

} // namespace muon::runtime

#endif // MUON_RUNTIME_SCHEDULE_H
