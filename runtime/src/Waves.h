//===- Waves.h - which matrices are in flight together, and where their workspace is ----------===//
//
// Made once, at load. A program with workspace for all its matrices at the same time would sweep
// over all of it in every stage; run in waves, each of a few matrices through all their stages, it
// needs a wave's workspace only and finds it in the cache. The next wave uses the same memory.

#ifndef MUON_RUNTIME_WAVES_H
#define MUON_RUNTIME_WAVES_H

#include "Abi.h"
#include "Array.h"

namespace muon::runtime {

/// Whether `matrices` of one group go matrix-major (one worker walks a whole matrix through all
/// stages), if their workspace layout allows it.
constexpr bool prefersMatrixMajor(uint64_t matrices, uint64_t matrixBytes, uint32_t workers) {
  // Two per worker or more, or the tail leaves workers idle for too long. Up to 2 MiB each, about a
  // second-level cache; beyond it all workers on one matrix share the panels they read.
  return matrices >= 2 * uint64_t(workers) && matrixBytes <= uint64_t(2) << 20;
}

/// How many tiles a wave's stages should have, if the program has that many. With 8 for each worker
/// a stage takes 8 rounds or more, and its last one, in which half of the workers are idle on
/// average, is at most an eighth of it: about 1/16 lost. More would only be more memory.
constexpr uint64_t waveTiles(uint32_t workers) { return 8 * uint64_t(workers); }

/// How many matrices of a group are in flight: as few as fill the workers. One at a time is best if
/// it has tiles enough, its panels then stay in the last-level cache from stage to stage.
constexpr uint64_t slotsFor(uint64_t matrices, uint64_t tilesPerMatrix, uint32_t workers) {
  uint64_t enough = (waveTiles(workers) + tilesPerMatrix - 1) / tilesPerMatrix;
  return matrices < enough ? matrices : enough;
}

struct GroupLaunch {
  const muon_launch *launch;
  uint32_t stage;
};

/// One group's launches in stage order and what its operands say about its workspace.
struct GroupPlan {
  uint64_t firstLaunch = 0, numLaunches = 0; // in WavePlan::launches
  uint64_t low = 0, high = 0;                // its workspace as the compiler laid it out
  uint64_t matrixBytes = 0;                  // workspace one matrix touches in all stages
  uint64_t thinnestTiles = 1;                // tiles of a matrix in the stage with the fewest
  uint64_t slots = 0;                        // matrices in flight
  uint64_t mostSpread = 0;                   // matrices after the last full round of jobs that better go in stages
  bool isolated = false;                     // matrices never touch each other's workspace
  bool movable = false;                      // isolated, a slab of matrixBytes each
};

/// Consecutive matrices of one group that are in one wave.
struct Share {
  uint32_t group = 0, wave = 0;
  uint64_t firstMatrix = 0, endMatrix = 0;
  uint64_t base = 0; // where in the workspace its first matrix is

  uint64_t matrices() const { return endMatrix - firstMatrix; }
};

struct WavePlan {
  Array<GroupLaunch> launches; // grouped by group
  Array<GroupPlan> groups;
  Array<Share> shares; // wave by wave, which is also group by group and matrix by matrix
  uint64_t workspaceBytes = 0;

  const muon_launch &launch(uint32_t group, uint64_t l) const {
    return *launches[groups[group].firstLaunch + l].launch;
  }
};

/// No workers: everything is in flight at once. Returns false if there is no memory for the plan.
bool planWaves(const muon_program &program, const muon_variant &variant, uint32_t workers, WavePlan &plan);

} // namespace muon::runtime

#endif // MUON_RUNTIME_WAVES_H
