//===- ProductTile.h - how a GPU cuts a product into thread blocks ------------------*- C++ -*-===//
//
// The numbers that the request's `tile`, the `tile` of muon.kernel, Plan and GPU agree on.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_IR_PRODUCT_TILE_H
#define MUON_IR_PRODUCT_TILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <algorithm>
#include <cstdint>

namespace muon::gpu {

/// Rows and columns of a padded matrix are whole multiples of this.
constexpr int64_t kPadding = 32;

/// One block of a product: C (rows x columns), `depth` of k per step, `stages` steps in flight, warps down and across.
struct ProductTile {
  int64_t rows, columns, depth, stages, warpsDown, warpsAcross;

  /// Whether they are a tile's: six positive numbers.
  static bool areValid(llvm::ArrayRef<int64_t> numbers) {
    return numbers.size() == 6 && llvm::all_of(numbers, [](int64_t number) { return number > 0; });
  }
  static ProductTile of(llvm::ArrayRef<int64_t> numbers) {
    return {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
  }
  llvm::SmallVector<int64_t, 6> numbers() const { return {rows, columns, depth, stages, warpsDown, warpsAcross}; }
  int64_t threads() const { return 32 * warpsDown * warpsAcross; }
  int64_t stageBytes(int64_t elementBytes) const { return (rows + columns) * depth * elementBytes; }
  /// Accumulators wait here for the epilogue, one row of warps at a time: f32.
  int64_t slabBytes() const { return rows / warpsDown * columns * 4; }
  int64_t sharedBytes(int64_t elementBytes) const { return std::max(stages * stageBytes(elementBytes), slabBytes()); }
};

} // namespace muon::gpu

#endif // MUON_IR_PRODUCT_TILE_H
