//===- Schedule.h - which tiles run, in which order -------------------------------------------===//
//
// Two orders give the same bits. Stage-major: the tiles of a stage in any order, then a barrier.
// Matrix-major: one worker walks a whole matrix through all stages, which keeps a small matrix in
// its cache and needs no barrier. Either happens wave by wave.

#ifndef MUON_RUNTIME_SCHEDULE_H
#define MUON_RUNTIME_SCHEDULE_H

#include "Binding.h"

namespace muon::runtime {

/// At bind: what can be between two barriers, in order. In every wave first its matrix-major jobs,
/// then the stages, the first of them without a barrier before it if all groups are isolated; which of the two a matrix
/// takes is known in each run. False if there is no memory.
bool listStageRuns(Binding &binding);

/// Per run, after the gradients are known: active matrices, tile counts, counters, region width.
void scheduleRun(Binding &binding);

} // namespace muon::runtime

#endif // MUON_RUNTIME_SCHEDULE_H
