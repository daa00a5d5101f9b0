//===- Choices.h - what muon.choose leaves uncomputed -------------------------------*- C++ -*-===//
//
// A choice's candidates lie behind its conditions: what only candidate i and later ones need is not computed for a
// matrix whose condition before i holds. Each condition becomes two words per matrix, both a launch's predicate:
//
//   settled    non-zero once this condition or an earlier one holds     stops what computes later candidates
//   elsewhere  zero if this condition is the first that holds           stops the copy of this candidate
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_PLAN_CHOICES_H
#define MUON_PLAN_CHOICES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "muon/IR/Muon.h"
#include "llvm/ADT/DenseMap.h"

namespace muon {

class Choices {
public:
  /// Choices with the same conditions.
  struct List {
    llvm::SmallVector<mlir::Value> conditions, settled, elsewhere;
  };
  /// A value is needed where none of the first `from` conditions of `list` holds; from 0: always.
  struct Demand {
    int64_t list = -1, from = 0;
  };

  /// Adds the words behind their conditions; choices of one number per matrix become selects. A matrix that `guard`
  /// (null: none) leaves out keeps the guard's word in all of them.
  static Choices expand(mlir::func::FuncOp function, mlir::Value guard);

  auto begin() const { return lists.begin(); }
  auto end() const { return lists.end(); }
  const List &operator[](int64_t list) const { return lists[list]; }
  const List &listOf(ChooseOp choose) const;
  Demand demandOf(mlir::Value value) const { return demands.lookup(value); }

private:
  int64_t find(ChooseOp choose) const;
  void demand(mlir::Value value, Demand by);
  void demandOperands(mlir::Operation *op);
  void addWords(List &list, mlir::Value guard);

  llvm::SmallVector<List, 1> lists;
  llvm::DenseMap<mlir::Value, Demand> demands;
};

} // namespace muon

#endif // MUON_PLAN_CHOICES_H
