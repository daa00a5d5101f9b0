//===- Schedule.cpp --------------------------------------------------------------------------===//

#include "Schedule.h"

namespace muon::runtime {

namespace {
/// The workspace of a group: all matrices' slots of one operand are [offset, offset + n * stride).
struct Slots {
  uint64_t offset, stride;
  bool operator==(const Slots &other) const = default;
};

/// Calls visit(slots) for every workspace operand of the group until it returns false.
template <typename Visitor>
bool eachWorkspaceOperand(const Binding &binding, const GroupRun &group, Visitor visit) {
  for (uint64_t l = 0; l < group.numLaunches; ++l) {
    const muon_launch &launch = *binding.launches[group.firstLaunch + l];
    for (uint32_t o = 0; o < launch.num_operands; ++o) {
      const muon_operand &operand = launch.operands[o];
      if (operand.place == MUON_PLACE_WORKSPACE &&
          !visit(Slots{operand.offset, operand.matrix_stride}))
        return false;
    }
  }
  return true;
}
} // namespace

/// Where the group's workspace begins, and where the last operand's slots end.
static void findRange(const Binding &binding, GroupRun &group, uint64_t matrices) {
  group.workspaceLow = UINT64_MAX;
  group.workspaceHigh = 0;
  eachWorkspaceOperand(binding, group, [&](Slots slots) {
    uint64_t high = slots.offset + matrices * slots.stride;
    group.workspaceLow = slots.offset < group.workspaceLow ? slots.offset : group.workspaceLow;
    group.workspaceHigh = high > group.workspaceHigh ? high : group.workspaceHigh;
    return true;
  });
}

/// One slab per matrix: all operands have the same stride and lie within one such stride. Buffers
/// may then take each other's place inside the slab. Returns the stride, or 0.
static uint64_t slabBytes(const Binding &binding, const GroupRun &group) {
  uint64_t stride = 0;
  bool uniform = eachWorkspaceOperand(binding, group, [&](Slots slots) {
    stride = stride ? stride : slots.stride;
    return slots.stride == stride && slots.offset - group.workspaceLow < stride;
  });
  return uniform ? stride : 0;
}

/// One array of slots per buffer: any two operands use either the same slots or disjoint memory.
/// Then `bytes` is the sum over the distinct ones.
static bool separateArrays(const Binding &binding, const GroupRun &group, uint64_t matrices,
                           uint64_t &bytes) {
  bytes = 0;
  uint64_t index = 0;
  return eachWorkspaceOperand(binding, group, [&](Slots a) {
    uint64_t otherIndex = 0;
    bool repeated = false;
    bool separate = eachWorkspaceOperand(binding, group, [&](Slots b) {
      repeated |= otherIndex++ < index && a == b;
      return a == b || a.offset + matrices * a.stride <= b.offset ||
             b.offset + matrices * b.stride <= a.offset;
    });
    ++index;
    bytes += repeated ? 0 : a.stride;
    return separate && a.stride != 0;
  });
}

/// Buffers whose lifetimes do not meet may share memory in the workspace. Between barriers that is
/// sound; when one matrix runs ahead of another it is not, unless they only ever share with
/// themselves. What an operand touches from a matrix's start is at most its matrix_stride.
void findIsolatedGroups(Binding &binding) {
  for (uint32_t g = 0; g < binding.groups.size(); ++g) {
    GroupRun &group = binding.groups[g];
    uint64_t matrices = matricesOf(binding.program().groups[g]);
    findRange(binding, group, matrices);
    group.matrixBytes = slabBytes(binding, group);
    group.isolated = true;
    if (group.matrixBytes)
      group.workspaceHigh = group.workspaceLow + matrices * group.matrixBytes;
    else
      group.isolated = separateArrays(binding, group, matrices, group.matrixBytes);
    // Groups that run matrix-major at the same time must not share either.
    for (uint32_t other = 0; other < g; ++other) {
      const GroupRun &earlier = binding.groups[other];
      if (earlier.isolated && group.workspaceLow < earlier.workspaceHigh &&
          earlier.workspaceLow < group.workspaceHigh)
        group.isolated = false;
    }
  }
}

static void collectActive(Binding &binding, uint32_t g) {
  const muon_group &group = binding.program().groups[g];
  GroupRun &run = binding.groups[g];
  uint32_t *next = binding.active.data() + run.firstActive;
  uint32_t perParameter = static_cast<uint32_t>(group.matrices_per_parameter);
  for (uint32_t p = 0; p < group.num_parameters; ++p) {
    const Parameter &parameter = binding.parameters[group.first_parameter + p];
    bool skipped = parameter.hasGradient && !parameter.gradient;
    binding.status[group.first_parameter + p] = {skipped ? 1u : 0u, 0};
    for (uint32_t m = 0; m < perParameter && !skipped; ++m)
      *next++ = p * perParameter + m;
  }
  run.numActive = static_cast<uint64_t>(next - binding.active.data()) - run.firstActive;
}

void scheduleRun(Binding &binding) {
  uint64_t most = 1; // tasks that can run at the same time
  binding.matrixJobs = 0;
  for (uint32_t g = 0; g < binding.groups.size(); ++g) {
    GroupRun &group = binding.groups[g];
    collectActive(binding, g);
    group.matrixMajor = group.isolated && prefersMatrixMajor(group.numActive, group.matrixBytes,
                                                             binding.handle->workers);
    if (group.matrixMajor)
      binding.matrixJobs += group.numActive;
  }
  most = binding.matrixJobs > most ? binding.matrixJobs : most;
  for (StageRun &stage : binding.stages) {
    stage.tiles = 0;
    for (uint64_t s = 0; s < stage.numSegments; ++s) {
      Segment &segment = binding.segments[stage.firstSegment + s];
      const GroupRun &group = binding.groups[segment.launch->group];
      if (!group.matrixMajor)
        stage.tiles += group.numActive * segment.launch->tiles_per_matrix;
      segment.endTile = stage.tiles;
    }
    stage.nextTile.store(0, std::memory_order_relaxed);
    most = stage.tiles > most ? stage.tiles : most;
  }
  binding.nextJob.store(0, std::memory_order_relaxed);
  binding.arrived.store(0, std::memory_order_relaxed);
  uint32_t workers = binding.handle->workers;
  binding.regionWorkers = most < workers ? static_cast<uint32_t>(most) : workers;
}

} // namespace muon::runtime
