//===- LaunchAbi.h - where a block finds its launch data ----------------------------*- C++ -*-===//
//
// Byte offsets of the runtime's device structs as emitted code reads them, checked against the header.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_GPU_LAUNCHABI_H
#define MUON_GPU_LAUNCHABI_H

#include "muon/IR/LaunchSizes.h"
#include "muon_runtime.h"

namespace muon::gpu::abi {

enum Launch : int64_t {
  kFirstTile = 0,
  kTilesPerMatrix = 4,
  kSizes = 16,
  kItems = 80,
  kItemBytes = 88,
  kCoefficients = 96,
  kPredicate = 104,
  kLaunchBytes = 112
};
enum Item : int64_t { kScalars = 0, kGradient = 8, kStatus = 16, kParameter = 24, kMatrix = 32, kViews = 40 };
enum View : int64_t { kData = 0, kRowStride = 8, kColumnStride = 16, kViewBytes = 24 };

using enum sizes::Sweep;
using enum sizes::PartsOfProduct;
using sizes::kK, sizes::kM, sizes::kN;

/// What a block that does nothing stores in the status word.
enum Skipped : int64_t { kNoGradient = 1, kPredicated = 2 };

static_assert(offsetof(muon_device_launch, first_tile) == kFirstTile);
static_assert(offsetof(muon_device_launch, tiles_per_matrix) == kTilesPerMatrix);
static_assert(offsetof(muon_device_launch, sizes) == kSizes);
static_assert(offsetof(muon_device_launch, items) == kItems);
static_assert(offsetof(muon_device_launch, item_bytes) == kItemBytes);
static_assert(offsetof(muon_device_launch, coefficients) == kCoefficients);
static_assert(offsetof(muon_device_launch, predicate) == kPredicate);
static_assert(sizeof(muon_device_launch) == kLaunchBytes);
static_assert(offsetof(muon_device_item, scalars) == kScalars);
static_assert(offsetof(muon_device_item, gradient) == kGradient);
static_assert(offsetof(muon_device_item, status) == kStatus);
static_assert(offsetof(muon_device_item, parameter) == kParameter);
static_assert(offsetof(muon_device_item, matrix) == kMatrix);
static_assert(sizeof(muon_device_item) == kViews);
static_assert(offsetof(muon_view, data) == kData);
static_assert(offsetof(muon_view, row_stride) == kRowStride);
static_assert(offsetof(muon_view, column_stride) == kColumnStride);
static_assert(sizeof(muon_view) == kViewBytes);

} // namespace muon::gpu::abi

#endif // MUON_GPU_LAUNCHABI_H
