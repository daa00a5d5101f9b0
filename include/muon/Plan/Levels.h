//===- Levels.h - which stage a value can be computed in ----------------------------*- C++ -*-===//
//
// The whole fusion decision: one pass in SSA order. A value's level is the first stage whose bodies can compute it:
// the maximum over its operands, plus one across a cut. Cuts are a product (its operands must be in memory first),
// the use of a reduction's result or of a product in parts, and two products that would have to share one body.
// Products of a chain do share one. A product that a choice can make needless waits for the word that says so.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_PLAN_LEVELS_H
#define MUON_PLAN_LEVELS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "muon/IR/Muon.h"
#include "muon/Plan/Chains.h"
#include "muon/Plan/Choices.h"
#include "llvm/ADT/DenseMap.h"

namespace muon {

/// Where one value can be computed.
struct Level {
  int64_t stage = 0;
  /// The product whose epilogue computes it, if it does not come from memory alone; a chain's last for all of it.
  mlir::Operation *product = nullptr;
  /// The same for every element: splats, constants and scalars of the program.
  bool uniform = false;
  /// Equal to its transpose, to the bit.
  bool symmetric = false;
};

class Levels {
public:
  /// Fails with a diagnostic on an op outside Form's closed list, or one that Plan cannot place. Expands the function's
  /// choices. The products of each of `chains` share a body; a chain that needs something computed behind it is left
  /// out.
  static mlir::FailureOr<Levels> compute(mlir::func::FuncOp function, TargetAttr target,
                                         llvm::ArrayRef<Chain> chains = {});

  /// The products that share a body with this one, or none if it is not in a chain.
  llvm::ArrayRef<mlir::Operation *> chainOf(mlir::Operation *product) const;

  const Level &of(mlir::Value value) const { return levels.find(value)->second; }
  /// Where candidate i of a choice is written; the choice's own level is the one after the last of them.
  Level ofCandidate(ChooseOp choose, int64_t i) const;
  /// Dimensions before the last two of the weight: one matrix each.
  int64_t batchRank() const { return batch.size(); }
  /// Whether it is one tensor for each matrix, not one that they share.
  bool startsWithBatch(mlir::RankedTensorType type) const;
  /// Whether it leaves one number per column of a matrix.
  bool reducesColumns(mlir::linalg::ReduceOp reduce) const;
  /// The i32 per matrix that skips it, null if gradients are not guarded.
  mlir::Value predicate() const { return guard; }
  /// Where anything but the guard may start: behind a sum over the gradient and the word.
  int64_t firstStage() const { return guard ? 2 : 0; }
  /// The word of the stages before `stage` that says where a value so needed is not; null where there is none yet.
  mlir::Value predicateFor(Choices::Demand demand, int64_t stage) const;
  const Choices &allChoices() const { return choices; }

private:
  void placeArguments(mlir::func::FuncOp function);
  mlir::LogicalResult computeOnce(mlir::func::FuncOp function);
  mlir::FailureOr<Chain *> settle(mlir::func::FuncOp function);
  mlir::LogicalResult checkBatch(mlir::Operation *op) const;
  mlir::LogicalResult visit(mlir::Operation *op);
  Level visitProduct(ProductOpInterface product);
  Level combine(mlir::Operation *op) const;
  Level visitChoose(ChooseOp choose) const;
  mlir::LogicalResult visitReduce(mlir::linalg::ReduceOp reduce);
  int64_t writtenIn(mlir::Value operand) const;

  TargetAttr target;
  Choices choices;
  llvm::DenseMap<mlir::Value, Level> levels;
  llvm::SmallVector<Chain> chains;
  llvm::DenseMap<mlir::Operation *, size_t> chainNumber;
  llvm::SmallVector<int64_t> batch;
  mlir::Value guard;
};

/// Whether the op computes each element of its result from the same element of its operands.
bool isElementwise(mlir::Operation *op);

/// Into how many parts a product's k is cut (SplitProducts.cpp): the attribute kParts, 1 where there is none.
int64_t partsOf(mlir::Operation *product);

/// How a reduction combines its elements: add, max or min.
Reduction reductionOf(mlir::linalg::ReduceOp reduce);

} // namespace muon

#endif // MUON_PLAN_LEVELS_H
