//===- Overlap.h - do two strided tensors share a byte ----------------------------------------===//
//
// Trainers keep many parameters in one flat buffer, and views of one matrix (the q, k and v columns
// of a fused weight) interleave in memory without sharing an element. So touching address ranges is
// not enough to refuse: the strides decide.

#ifndef MUON_RUNTIME_OVERLAP_H
#define MUON_RUNTIME_OVERLAP_H

#include "Abi.h"

namespace muon::runtime {

/// The bytes of a tensor: `low` plus any sum of index * stride, largest stride first, dimensions
/// merged where one continues the other. The bytes of an element are the last dimension.
struct Footprint {
  static constexpr uint32_t kMaxDimensions = MUON_MAX_RANK + 1;
  uintptr_t low = 0;
  uint64_t bytes = 0; // from the first to the last byte
  uint32_t dimensions = 0;
  uint64_t strides[kMaxDimensions] = {};
  uint64_t sizes[kMaxDimensions] = {};

  uintptr_t high() const { return low + bytes; }
};

/// The tensor must have passed checkStrides; its data may be null for a footprint to be moved.
Footprint footprintOf(const muon_tensor &tensor);
/// `bytes` consecutive ones.
Footprint contiguousFootprint(const void *data, uint64_t bytes);

/// Whether two indices reach the same byte. Conservative: any inner dimension that reaches past the
/// next outer stride counts.
bool overlapsItself(const muon_tensor &tensor);

/// Whether the two share a byte. Exact for every pair whose search ends within a fixed number of
/// steps; a pair beyond it, of several unrelated strides each, is taken for disjoint unless it
/// starts at the same address.
bool overlap(const Footprint &a, const Footprint &b);

} // namespace muon::runtime

#endif // MUON_RUNTIME_OVERLAP_H
