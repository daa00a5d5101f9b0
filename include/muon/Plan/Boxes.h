//===- Boxes.h - boxes of tensors, and what views make of them ----------------------*- C++ -*-===//
//
// A view (extract_slice, concat, expand_shape, collapse_shape) computes nothing: a box of its result is a box of one of
// its operands, as long as it does not cross a cut. Cuts are where a tensor is put together from pieces.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_PLAN_BOXES_H
#define MUON_PLAN_BOXES_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallBitVector.h"

#include <set>

namespace muon {

/// A box of a tensor. A dropped dimension is one element wide and not among the piece's own.
struct Box {
  llvm::SmallVector<int64_t, 4> offsets, sizes;
  llvm::SmallBitVector dropped;

  static Box whole(mlir::RankedTensorType type);
  bool isWhole(mlir::RankedTensorType type) const;
  /// Of the piece.
  llvm::SmallVector<int64_t> shape() const;
  /// Dimension `to` becomes what dimension `from` of another box is.
  void copy(int64_t to, const Box &other, int64_t from);
  /// Where those of these dimensions that are not dropped are in the piece.
  llvm::SmallVector<int64_t> positionsOf(llvm::ArrayRef<int64_t> dimensions) const;
  /// The same without the dimensions for which `leave` is true.
  Box without(llvm::function_ref<bool(int64_t)> leave) const;
};

/// Of each dimension of a value the positions, 0 left out, at which a new piece begins; between any two elements of a
/// dropped one.
struct Cuts {
  llvm::SmallVector<std::set<int64_t>, 4> at;
  llvm::SmallBitVector dropped;

  Cuts() = default;
  explicit Cuts(int64_t rank) : at(rank), dropped(rank) {}
  bool empty() const;
  void drop(int64_t dimension, int64_t size);
  void add(const Cuts &other);
  /// `own` gains the cuts of `other`'s dimension that lie in [begin, begin + size), moved to start there.
  void addRange(int64_t own, const Cuts &other, int64_t dimension, int64_t begin, int64_t size);
  /// The pieces, the last dimension first.
  llvm::SmallVector<Box> pieces(mlir::RankedTensorType type) const;
};

/// Whether it is one of the four.
bool isView(mlir::Operation *op);
/// Cuts of a view's result, given those of its operands.
Cuts cutsOfView(mlir::Operation *view, llvm::function_ref<Cuts(mlir::Value)> cutsOf);
/// Cuts that a view asks of its one operand, so that cuts of its result (or of all of it: the box it takes) are some of
/// it.
Cuts cutsAskedBy(mlir::Operation *view, const Cuts &ofResult);
/// What `box` of a view's result is: of which operand, and where in it. The box crosses no cut.
std::pair<mlir::Value, Box> boxBelow(mlir::Operation *view, const Box &box);

} // namespace muon

#endif // MUON_PLAN_BOXES_H
