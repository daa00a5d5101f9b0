//===- Binding.h - a program on one trainer's memory -----------------------------------------===//
//
// Everything a run needs is allocated and resolved at bind. What a run changes is marked "per run".

#ifndef MUON_RUNTIME_BINDING_H
#define MUON_RUNTIME_BINDING_H

#include "Aliasing.h"
#include "Array.h"
#include "CheckProgram.h"
#include "Handle.h"
#include "Overlap.h"

#include <atomic>

namespace muon::runtime {

/// A view of one parameter's gradient, somewhere in the item table.
struct GradientView {
  muon_view *view;
  uint64_t offset; // bytes from the gradient's start
};

struct Parameter {
  uint32_t group, index; // index within the group
  uint64_t firstView, numViews;
  bool hasGradient;
  Footprint gradientPrint;  // with low = 0
  void *gradient = nullptr; // per run: what the views hold now; null: skipped
};

/// One group's launches in stage order and its matrices of this run.
struct GroupRun {
  uint64_t firstLaunch, numLaunches; // in Binding::launches
  uint64_t firstActive;              // in Binding::active, with room for all matrices
  uint64_t numActive = 0;            // per run: matrices whose parameter has a gradient
  uint64_t workspaceLow = 0, workspaceHigh = 0;
  uint64_t matrixBytes = 0; // workspace one matrix touches in all stages
  bool isolated = false;    // matrices never touch each other's workspace
  bool matrixMajor = false; // per run
};

/// One launch of a stage and where its tiles end in the stage's tile numbers (per run).
struct Segment {
  const muon_launch *launch;
  uint64_t endTile = 0;
};

struct StageRun {
  alignas(kCacheLine) std::atomic<uint64_t> nextTile{0};
  uint64_t tiles = 0; // per run
  uint64_t firstSegment = 0, numSegments = 0;
};

struct Binding {
  muon_binding head = {nullptr}; // first: what kernels see
  muon_handle *handle = nullptr;
  uint8_t *workspace = nullptr;
  muon_parameter_status *status = nullptr;
  Array<uint8_t> items, scratch;
  uint64_t scratchPerWorker = 0;
  Array<muon_parameter_status> ownStatus; // if the trainer gave none
  Array<Span> spans;

  Array<Parameter> parameters;
  Array<GradientView> gradientViews;
  Array<GroupRun> groups;
  Array<const muon_launch *> launches; // grouped by group
  Array<uint32_t> active;              // matrix indices, a slice per group
  Array<StageRun> stages;
  Array<Segment> segments;
  const muon_scalar *scalars = nullptr; // per run: what the items point to now

  // Per run: matrix-major jobs come first, then the stages.
  uint64_t matrixJobs = 0;
  uint32_t regionWorkers = 1;
  bool oversubscribed = false; // at bind: more workers than processors
  alignas(kCacheLine) std::atomic<uint64_t> nextJob{0};
  alignas(kCacheLine) std::atomic<uint32_t> arrived{0};
  alignas(kCacheLine) std::atomic<uint32_t> phase{0};
  alignas(kCacheLine) std::atomic<bool> busy{false};

  const muon_program &program() const { return *handle->program; }
  const muon_variant &variant() const { return *handle->variant; }
  muon_item *item(const muon_launch &launch, uint64_t matrix) {
    return reinterpret_cast<muon_item *>(items.data() + launch.item_offset +
                                         matrix * launch.item_bytes);
  }
};

inline muon_view *viewsOf(muon_item *item) { return reinterpret_cast<muon_view *>(item + 1); }

} // namespace muon::runtime

#endif // MUON_RUNTIME_BINDING_H
