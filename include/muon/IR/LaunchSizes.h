//===- LaunchSizes.h - what the numbers of a launch's `sizes` are -------------------*- C++ -*-===//
//
// Written by Plan, checked by the verifier, read by kernels and reports.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_IR_LAUNCH_SIZES_H
#define MUON_IR_LAUNCH_SIZES_H

#include "muon/IR/Muon.h"

namespace muon {
namespace sizes {

/// Of a sweep; a chain has the first two. On a CPU the tile is rows. On a GPU it is chunks of 8 elements, counted along
/// rows, or rows where rows are reduced; the number of parts of each operand in parts follows from kParts on.
enum Sweep : unsigned { kRows, kColumns, kTile, kParts };
/// Of a product on a CPU. The chunk is in elements of k; 0 is all of k.
enum Product : unsigned { kM, kN, kK, kBlockM, kBlockN, kChunk };
/// Of a product on a GPU, behind m, n and k: elements of k in each part, where it is in parts.
enum PartsOfProduct : unsigned { kPartDepth = 3 };

/// What every sweep and product has.
constexpr unsigned kCommon = 3;
/// MUON_MAX_SIZES.
constexpr unsigned kMost = 8;
/// A sweep has one more for each.
constexpr unsigned kMostInParts = kMost - kCommon;

} // namespace sizes

/// Rows and columns of what operand i is of one matrix; a scalar's are 1, and so are a row's or a column's rows.
std::pair<int64_t, int64_t> shapeOfOperand(LaunchOp launch, KernelOp kernel, unsigned i);
/// Into how many parts a product's k is cut.
int64_t partsOfProduct(LaunchOp launch, KernelOp product);
/// Of how many matrices operand i is: more than one of what is in parts.
int64_t partsOfOperand(LaunchOp launch, KernelOp kernel, unsigned i);

} // namespace muon

#endif // MUON_IR_LAUNCH_SIZES_H
