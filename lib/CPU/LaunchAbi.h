//===- LaunchAbi.h - where a kernel finds its launch data ---------------------------*- C++ -*-===//
//
// Byte offsets of the runtime's structs as emitted code reads them, checked against the header.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_CPU_LAUNCHABI_H
#define MUON_CPU_LAUNCHABI_H

#include "muon/IR/LaunchSizes.h"
#include "muon_runtime.h"

namespace muon::abi {

enum Launch : int64_t {
  kTilesPerMatrix = 20,
  kCoefficients = 40,
  kSizes = 48,
  kItemOffset = 112,
  kItemBytes = 120,
};

enum Item : int64_t {
  kScalars = 0,
  kParameter = 8,
  kMatrix = 20,
  kViews = 24,
};

enum View : int64_t { kData = 0, kRowStride = 8, kColumnStride = 16, kViewBytes = 24 };

using enum sizes::Sweep;
using enum sizes::Product;

static_assert(offsetof(muon_launch, tiles_per_matrix) == kTilesPerMatrix);
static_assert(offsetof(muon_launch, coefficients) == kCoefficients);
static_assert(offsetof(muon_launch, sizes) == kSizes);
static_assert(offsetof(muon_launch, item_offset) == kItemOffset);
static_assert(offsetof(muon_launch, item_bytes) == kItemBytes);
static_assert(offsetof(muon_binding, items) == 0);
static_assert(offsetof(muon_item, scalars) == kScalars);
static_assert(offsetof(muon_item, parameter) == kParameter);
static_assert(offsetof(muon_item, matrix) == kMatrix);
static_assert(sizeof(muon_item) == kViews);
static_assert(offsetof(muon_view, data) == kData);
static_assert(offsetof(muon_view, row_stride) == kRowStride);
static_assert(offsetof(muon_view, column_stride) == kColumnStride);
static_assert(sizeof(muon_view) == kViewBytes);
static_assert(sizeof(muon_scalar) == 8);

} // namespace muon::abi

#endif // MUON_CPU_LAUNCHABI_H
