//===- CpuExecutor.cpp ------------------------------------------------------------------------===//

#include "CpuExecutor.h"

#include "ControlWord.h"
#include "Pool.h"
#include "SpinWait.h"

namespace muon::runtime {

namespace {
/// One worker's walk through the region.
class Worker {
public:
  Worker(Binding &binding, uint32_t worker)
      : binding(binding), workers(binding.regionWorkers),
        scratch(binding.scratch.data() + worker * binding.scratchPerWorker), wait(binding.oversubscribed) {}

  void walk() {
    bool barrierDue = false; // after the last stage run the end of the region is the barrier
    for (StageRun &stage : binding.stages) {
      if (!stage.tiles)
        continue;
      if (barrierDue)
        barrier();
      runStage(stage);
      barrierDue = true;
    }
  }

private:
  /// The next number, taken from all workers exactly once. A lone worker needs no locked operation.
  uint64_t claim(std::atomic<uint64_t> &next) {
    if (workers > 1)
      return next.fetch_add(1, std::memory_order_relaxed);
    uint64_t number = next.load(std::memory_order_relaxed);
    next.store(number + 1, std::memory_order_relaxed);
    return number;
  }

  /// All stages of one matrix.
  void runMatrix(uint32_t group, uint32_t matrix) {
    for (uint64_t l = 0; l < binding.plan().groups[group].numLaunches; ++l) {
      const muon_launch &launch = binding.plan().launch(group, l);
      if (isPredicatedOff(launch, matrix))
        continue;
      uint32_t first = matrix * launch.tiles_per_matrix;
      for (uint32_t tile = 0; tile < launch.tiles_per_matrix; ++tile)
        runTile(launch, first + tile);
    }
  }

  void runStage(StageRun &stage) {
    const Segment *segment = binding.segments.data() + stage.firstSegment;
    uint64_t begin = 0; // first tile of the segment
    for (uint64_t number; (number = claim(stage.nextTile)) < stage.tiles;) {
      while (number >= segment->endTile)
        begin = segment++->endTile;
      const ShareRun &share = binding.shares[segment->share];
      const uint32_t *active = binding.active.data() + share.firstActive;
      uint64_t tile = number - begin;
      if (!segment->launch) {
        runMatrix(binding.plan().shares[segment->share].group, active[tile]);
        continue;
      }
      const muon_launch &launch = *segment->launch;
      uint32_t matrix = active[share.jobs + tile / launch.tiles_per_matrix];
      if (!isPredicatedOff(launch, matrix))
        runTile(launch, matrix * launch.tiles_per_matrix + static_cast<uint32_t>(tile % launch.tiles_per_matrix));
    }
  }

  /// Whether the launch's predicate word stops it for this matrix; 1 is reported.
  bool isPredicatedOff(const muon_launch &launch, uint32_t matrix) {
    if (launch.predicate < 0)
      return false;
    muon_item *item = binding.item(launch, matrix);
    auto *word = static_cast<const int32_t *>(viewsOf(item)[launch.predicate].data);
    if (!word || !*word)
      return false;
    // Several workers may report the same parameter.
    if (*word == 1)
      __atomic_store_n(&binding.status[item->parameter].state, 2u, __ATOMIC_RELAXED);
    return true;
  }

  void runTile(const muon_launch &launch, uint32_t tile) {
    launch.function(&launch, &binding.head, binding.workspace, scratch, tile);
  }

  void barrier() {
    if (workers == 1)
      return;
    uint32_t phase = binding.phase.load(std::memory_order_relaxed);
    if (binding.arrived.fetch_add(1, std::memory_order_acq_rel) == workers - 1) {
      binding.arrived.store(0, std::memory_order_relaxed);
      binding.phase.store(phase + 1, std::memory_order_release);
      return;
    }
    wait.until([&] { return binding.phase.load(std::memory_order_acquire) != phase; });
  }

  Binding &binding;
  uint32_t workers;
  void *scratch;
  SpinWait wait;
};
} // namespace

static void runWorker(void *context, uint32_t worker) {
  ControlWord standard;
  Worker(*static_cast<Binding *>(context), worker).walk();
}

void executeOnCpu(Binding &binding) {
  const muon_handle &handle = *binding.handle;
  if (handle.parallel && binding.regionWorkers > 1) {
    handle.parallel(handle.pool, binding.regionWorkers, runWorker, &binding);
    return;
  }
  if (!handle.parallel)
    binding.regionWorkers = pool::claim(binding.regionWorkers);
  if (binding.regionWorkers > 1)
    pool::run(binding.regionWorkers, runWorker, &binding, /*independent=*/!binding.needsBarriers);
  else
    runWorker(&binding, 0);
}

} // namespace muon::runtime
