//===- Schedule.cpp ---------------------------------------------------------------------------===//

#include "Schedule.h"

namespace muon::runtime {

namespace {
/// Appends stage runs and their segments; first only counts them.
struct StageRunWriter {
  Binding &binding;
  bool counts;
  uint64_t stages = 0, segments = 0;
  bool open = false; // the last stage run may take more segments

  void add(const muon_launch *launch, uint32_t share) {
    if (!counts) {
      if (!open)
        binding.stages[stages].firstSegment = segments;
      ++binding.stages[open ? stages - 1 : stages].numSegments;
      binding.segments[segments].launch = launch;
      binding.segments[segments].share = share;
    }
    stages += !open;
    open = true;
    ++segments;
  }
  void close() { open = false; }
};
} // namespace

/// Whether no group's matrices touch workspace of another's.
static bool allIsolated(const WavePlan &plan) {
  for (const GroupPlan &group : plan.groups)
    if (!group.isolated)
      return false;
  return true;
}

/// The stage runs of shares [first, end), which are one wave. `next` are their launches not listed
/// yet, one for each.
static void listWave(StageRunWriter &writer, Array<uint64_t> &next, uint32_t first, uint32_t end) {
  const WavePlan &plan = writer.binding.plan();
  for (uint32_t s = first; s < end; ++s) {
    next[s] = 0;
    if (plan.groups[plan.shares[s].group].isolated)
      writer.add(nullptr, s);
  }
  if (!allIsolated(plan)) // else jobs and the first stage may go together
    writer.close();
  for (uint32_t stage = 0; stage < writer.binding.variant().num_stages; ++stage) {
    for (uint32_t s = first; s < end; ++s) {
      const GroupPlan &group = plan.groups[plan.shares[s].group];
      for (; next[s] < group.numLaunches; ++next[s]) {
        const GroupLaunch &launch = plan.launches[group.firstLaunch + next[s]];
        if (launch.stage != stage)
          break;
        writer.add(launch.launch, s);
      }
    }
    writer.close();
  }
}

static void listWaves(StageRunWriter &writer, Array<uint64_t> &next) {
  const Array<Share> &shares = writer.binding.plan().shares;
  uint32_t count = static_cast<uint32_t>(shares.size());
  for (uint32_t first = 0, end = 0; first < count; first = end) {
    while (end < count && shares[end].wave == shares[first].wave)
      ++end;
    listWave(writer, next, first, end);
  }
}

bool listStageRuns(Binding &binding) {
  const Array<Share> &shares = binding.plan().shares;
  Array<uint64_t> next;
  if (!next.allocate(shares.size()) || !binding.shares.allocate(shares.size()))
    return false;
  uint64_t matrices = 0;
  for (size_t s = 0; s < shares.size(); ++s) {
    binding.shares[s].firstActive = matrices;
    matrices += shares[s].matrices();
  }
  StageRunWriter counted{binding, /*counts=*/true};
  listWaves(counted, next);
  if (!binding.active.allocate(matrices) || !binding.stages.allocate(counted.stages) ||
      !binding.segments.allocate(counted.segments))
    return false;
  StageRunWriter written{binding, /*counts=*/false};
  listWaves(written, next);
  return true;
}

static bool isSkipped(const Parameter &parameter) { return parameter.hasGradient && !parameter.gradient; }

/// Lists the share's matrices whose parameter has a gradient and decides how they go.
static void collectActive(Binding &binding, uint32_t s) {
  const Share &share = binding.plan().shares[s];
  const GroupPlan &plan = binding.plan().groups[share.group];
  const muon_group &group = binding.program().groups[share.group];
  ShareRun &run = binding.shares[s];
  uint32_t *first = binding.active.data() + run.firstActive, *next = first;
  for (uint64_t m = share.firstMatrix; m < share.endMatrix; ++m)
    if (!isSkipped(binding.parameters[group.first_parameter + m / group.matrices_per_parameter]))
      *next++ = static_cast<uint32_t>(m);
  run.numActive = static_cast<uint64_t>(next - first);
  uint32_t workers = binding.handle->workers;
  bool matrixMajor = plan.isolated && prefersMatrixMajor(run.numActive, plan.matrixBytes, workers);
  uint64_t rest = run.numActive % workers;
  run.jobs = matrixMajor ? run.numActive - (rest <= plan.mostSpread ? rest : 0) : 0;
}

void scheduleRun(Binding &binding) {
  for (size_t p = 0; p < binding.parameters.size(); ++p)
    binding.status[p] = {isSkipped(binding.parameters[p]) ? 1u : 0u, 0};
  for (uint32_t s = 0; s < binding.shares.size(); ++s)
    collectActive(binding, s);
  uint64_t most = 1; // tiles that can run at the same time
  uint64_t stageRuns = 0;
  for (StageRun &stage : binding.stages) {
    stage.tiles = 0;
    for (uint64_t i = 0; i < stage.numSegments; ++i) {
      Segment &segment = binding.segments[stage.firstSegment + i];
      const ShareRun &share = binding.shares[segment.share];
      stage.tiles += segment.launch ? (share.numActive - share.jobs) * segment.launch->tiles_per_matrix : share.jobs;
      segment.endTile = stage.tiles;
    }
    stage.nextTile.store(0, std::memory_order_relaxed);
    most = stage.tiles > most ? stage.tiles : most;
    stageRuns += stage.tiles != 0;
  }
  binding.needsBarriers = stageRuns > 1;
  binding.arrived.store(0, std::memory_order_relaxed);
  uint32_t workers = binding.handle->workers;
  binding.regionWorkers = most < workers ? static_cast<uint32_t>(most) : workers;
}

} // namespace muon::runtime
