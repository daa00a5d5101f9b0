//===- Binding.h - a program on one trainer's memory ------------------------------------------===//
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
  uint32_t gradientElement; // bytes
  Footprint gradientPrint;  // with low = 0
  void *gradient = nullptr; // per run: what the views hold now; null: skipped
};

/// A share's matrices of this run.
struct ShareRun {
  uint64_t firstActive = 0; // in Binding::active, with room for all matrices
  uint64_t numActive = 0;   // per run: matrices whose parameter has a gradient
  uint64_t jobs = 0;        // per run: the first of them, which go matrix-major; the rest in stages
};

/// One launch over the matrices of a share, or with null all launches of a matrix as one tile, and
/// where its tiles end in the tile numbers of its stage run (per run).
struct Segment {
  const muon_launch *launch = nullptr;
  uint32_t share = 0;
  uint64_t endTile = 0;
};

/// The work between two barriers: one stage of one wave, the wave's matrix-major jobs, or these and its first stage.
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
  Array<ShareRun> shares; // one for each of the plan
  Array<uint32_t> active; // matrix indices, a slice per share
  Array<StageRun> stages; // of all waves, in order
  Array<Segment> segments;
  const muon_scalar *scalars = nullptr; // per run: what the items point to now

  uint32_t regionWorkers = 1;  // per run
  bool needsBarriers = false;  // per run: more than one stage run has tiles
  bool oversubscribed = false; // at bind: more workers than processors
  alignas(kCacheLine) std::atomic<uint32_t> arrived{0};
  alignas(kCacheLine) std::atomic<uint32_t> phase{0};
  alignas(kCacheLine) std::atomic<bool> busy{false};

  const muon_program &program() const { return *handle->program; }
  const muon_variant &variant() const { return *handle->variant; }
  const WavePlan &plan() const { return handle->plan; }
  muon_item *item(const muon_launch &launch, uint64_t matrix) {
    return reinterpret_cast<muon_item *>(items.data() + launch.item_offset + matrix * launch.item_bytes);
  }
};

inline muon_view *viewsOf(muon_item *item) { return reinterpret_cast<muon_view *>(item + 1); }

} // namespace muon::runtime

#endif // MUON_RUNTIME_BINDING_H
