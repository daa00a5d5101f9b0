//===- Waves.cpp ------------------------------------------------------------------------------===//

#include "Waves.h"

#include "CheckProgram.h"

namespace muon::runtime {

namespace {
/// The workspace of a group: all matrices' slots of one operand are [offset, offset + n * stride).
struct Slots {
  uint64_t offset, stride;
  bool operator==(const Slots &other) const = default;
};

/// Calls visit(slots) for every workspace operand of the group until it returns false.
template <typename Visitor> bool eachWorkspaceOperand(const WavePlan &plan, const GroupPlan &group, Visitor visit) {
  for (uint64_t l = 0; l < group.numLaunches; ++l) {
    const muon_launch &launch = *plan.launches[group.firstLaunch + l].launch;
    for (uint32_t o = 0; o < launch.num_operands; ++o) {
      const muon_operand &operand = launch.operands[o];
      if (operand.place == MUON_PLACE_WORKSPACE && !visit(Slots{operand.offset, operand.matrix_stride}))
        return false;
    }
  }
  return true;
}
} // namespace

/// Lists the launches of every group, in stage order.
static bool listLaunches(const muon_variant &variant, WavePlan &plan) {
  uint64_t launches = 0;
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    launches += variant.stages[s].num_launches;
  if (!plan.launches.allocate(launches))
    return false;
  auto eachLaunch = [&](auto visit) {
    for (uint32_t s = 0; s < variant.num_stages; ++s)
      for (uint32_t l = 0; l < variant.stages[s].num_launches; ++l)
        visit(variant.stages[s].launches[l], s);
  };
  eachLaunch([&](const muon_launch &launch, uint32_t) { ++plan.groups[launch.group].numLaunches; });
  uint64_t next = 0;
  for (GroupPlan &group : plan.groups) {
    group.firstLaunch = next;
    next += group.numLaunches;
    group.numLaunches = 0;
  }
  eachLaunch([&](const muon_launch &launch, uint32_t stage) {
    GroupPlan &group = plan.groups[launch.group];
    plan.launches[group.firstLaunch + group.numLaunches++] = {&launch, stage};
  });
  return true;
}

/// Where the group's workspace begins, and where the last operand's slots end.
static void findRange(const WavePlan &plan, GroupPlan &group, uint64_t matrices) {
  uint64_t low = UINT64_MAX;
  eachWorkspaceOperand(plan, group, [&](Slots slots) {
    uint64_t high = slots.offset + matrices * slots.stride;
    low = slots.offset < low ? slots.offset : low;
    group.high = high > group.high ? high : group.high;
    return true;
  });
  group.low = low == UINT64_MAX ? 0 : low;
}

/// One slab per matrix: all operands have the same stride and lie within one such stride. Buffers
/// may then take each other's place inside the slab. `bytes` is the stride, 0 if nothing is used.
static bool oneSlab(const WavePlan &plan, const GroupPlan &group, uint64_t &bytes) {
  bytes = 0;
  return eachWorkspaceOperand(plan, group, [&](Slots slots) {
    bytes = bytes ? bytes : slots.stride;
    return slots.stride == bytes && slots.offset - group.low < bytes;
  });
}

/// One array of slots per buffer: any two operands use either the same slots or disjoint memory.
/// Then `bytes` is the sum over the distinct ones.
static bool separateArrays(const WavePlan &plan, const GroupPlan &group, uint64_t matrices, uint64_t &bytes) {
  bytes = 0;
  uint64_t index = 0;
  return eachWorkspaceOperand(plan, group, [&](Slots a) {
    uint64_t otherIndex = 0;
    bool repeated = false;
    bool separate = eachWorkspaceOperand(plan, group, [&](Slots b) {
      repeated |= otherIndex++ < index && a == b;
      return a == b || a.offset + matrices * a.stride <= b.offset || b.offset + matrices * b.stride <= a.offset;
    });
    ++index;
    bytes += repeated ? 0 : a.stride;
    return separate && a.stride != 0;
  });
}

/// Buffers whose lifetimes do not meet may share memory in the workspace. Between barriers that is
/// sound; when one matrix runs ahead of another it is not, unless they only ever share with
/// themselves. What an operand touches from a matrix's start is at most its matrix_stride.
static void findIsolatedGroups(const muon_program &program, WavePlan &plan) {
  for (uint32_t g = 0; g < plan.groups.size(); ++g) {
    GroupPlan &group = plan.groups[g];
    uint64_t matrices = matricesOf(program.groups[g]);
    findRange(plan, group, matrices);
    group.movable = oneSlab(plan, group, group.matrixBytes);
    if (group.movable)
      group.high = group.low + matrices * group.matrixBytes;
    group.isolated = group.movable || separateArrays(plan, group, matrices, group.matrixBytes);
    // Groups that run matrix-major at the same time must not share either.
    for (uint32_t other = 0; other < g; ++other) {
      const GroupPlan &earlier = plan.groups[other];
      if (earlier.isolated && group.low < earlier.high && earlier.low < group.high)
        group.isolated = group.movable = false;
    }
  }
}

/// How long all workers take for some matrices of a group, stage by stage, in launches over one matrix by one worker.
static double stageTime(const WavePlan &plan, uint32_t g, uint64_t matrices, uint32_t workers) {
  double time = 0;
  for (uint64_t l = 0; l < plan.groups[g].numLaunches; ++l) {
    uint64_t tiles = plan.launch(g, l).tiles_per_matrix;
    uint64_t rounds = (matrices * tiles + workers - 1) / workers;
    time += static_cast<double>(rounds) / static_cast<double>(tiles);
  }
  return time;
}

/// One job for each worker is a full round; in a last one of `rest` jobs the other workers are idle. The most that all
/// workers together end in less than half of its time. Less is not worth it: with two workers, barriers and panels in
/// another core's cache made 0.84 of a promised 0.52 and 1.08 of 0.66.
static uint64_t mostSpread(const WavePlan &plan, uint32_t g, uint32_t workers) {
  uint64_t rest = 1;
  while (rest < workers && 2 * stageTime(plan, g, rest, workers) < static_cast<double>(plan.groups[g].numLaunches))
    ++rest;
  return rest - 1;
}

/// Whether one matrix more in flight leaves less idle in the last rounds of the stages, by 1/32 or more of all.
static bool oneMoreIsFaster(const WavePlan &plan, uint32_t g, uint64_t matrices, uint64_t slots, uint32_t workers) {
  auto time = [&](uint64_t wave) {
    return static_cast<double>(matrices / wave) * stageTime(plan, g, wave, workers) +
           stageTime(plan, g, matrices % wave, workers);
  };
  return slots < matrices && time(slots + 1) * 32 <= time(slots) * 31;
}

/// How many matrices of every group are in flight. Stages without work of the group do not count
/// for it, and a matrix-major matrix is a single job.
static void chooseSlots(const muon_program &program, uint32_t workers, WavePlan &plan) {
  for (uint32_t g = 0; g < plan.groups.size(); ++g) {
    GroupPlan &group = plan.groups[g];
    uint64_t matrices = matricesOf(program.groups[g]);
    uint64_t fewest = UINT64_MAX;
    for (uint64_t l = 0; l < group.numLaunches; ++l) {
      uint64_t tiles = plan.launch(g, l).tiles_per_matrix;
      fewest = tiles < fewest ? tiles : fewest;
    }
    bool jobs = prefersMatrixMajor(matrices, group.matrixBytes, workers);
    group.thinnestTiles = jobs || !group.numLaunches ? 1 : fewest;
    group.slots = slotsFor(matrices, group.thinnestTiles, workers);
    // Not of jobs, and one at a time stays in the last-level cache.
    if (!jobs && group.slots > 1 && oneMoreIsFaster(plan, g, matrices, group.slots, workers))
      ++group.slots;
  }
}

/// Deals the matrices into waves, in order, and lays the shares of a wave side by side. A wave is
/// full once its stages have tiles enough for the workers; groups too small for that go together.
static bool dealWaves(const muon_program &program, uint32_t workers, WavePlan &plan) {
  chooseSlots(program, workers, plan);
  uint64_t shares = 0;
  for (uint32_t g = 0; g < plan.groups.size(); ++g)
    shares += (matricesOf(program.groups[g]) + plan.groups[g].slots - 1) / plan.groups[g].slots;
  if (!plan.shares.allocate(shares))
    return false;
  Share *share = plan.shares.data();
  uint32_t wave = 0;
  uint64_t waveHas = 0, used = 0; // tiles and workspace
  for (uint32_t g = 0; g < plan.groups.size(); ++g) {
    const GroupPlan &group = plan.groups[g];
    uint64_t matrices = matricesOf(program.groups[g]);
    for (uint64_t first = 0; first < matrices; first += group.slots, ++share) {
      if (waveHas >= waveTiles(workers)) {
        ++wave;
        waveHas = used = 0;
      }
      uint64_t end = first + group.slots < matrices ? first + group.slots : matrices;
      // Kernels may count on the alignment the compiler gave them, up to the workspace's own.
      uint64_t base = (used + kCacheLine - 1) / kCacheLine * kCacheLine + group.low % kCacheLine;
      *share = {g, wave, first, end, base};
      waveHas += share->matrices() * group.thinnestTiles;
      used = base + share->matrices() * group.matrixBytes;
      plan.workspaceBytes = used > plan.workspaceBytes ? used : plan.workspaceBytes;
    }
  }
  return true;
}

/// Everything in flight at once, where the compiler put it.
static bool dealOneWave(const muon_program &program, const muon_variant &variant, WavePlan &plan) {
  plan.workspaceBytes = variant.workspace_bytes;
  if (!plan.shares.allocate(plan.groups.size()))
    return false;
  for (uint32_t g = 0; g < plan.groups.size(); ++g)
    plan.shares[g] = {g, 0, 0, matricesOf(program.groups[g]), plan.groups[g].low};
  return true;
}

bool planWaves(const muon_program &program, const muon_variant &variant, uint32_t workers, WavePlan &plan) {
  if (!plan.groups.allocate(program.num_groups) || !listLaunches(variant, plan))
    return false;
  findIsolatedGroups(program, plan);
  bool movable = workers != 0;
  for (uint32_t g = 0; g < plan.groups.size(); ++g) {
    plan.groups[g].mostSpread = mostSpread(plan, g, workers);
    movable &= plan.groups[g].movable;
  }
  if (movable && !dealWaves(program, workers, plan))
    return false;
  // Rounding up to cache lines can cost more than an odd layout has; then that stays.
  if (movable && plan.workspaceBytes <= variant.workspace_bytes)
    return true;
  return dealOneWave(program, variant, plan);
}

} // namespace muon::runtime
