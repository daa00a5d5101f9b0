//===- FindChains.cpp - runs of symmetric products in a step function -------------------------===//

#include "muon/Plan/Chains.h"

#include "muon/Plan/Levels.h"

#include "llvm/ADT/EquivalenceClasses.h"

using namespace mlir;
using namespace muon;

namespace {
/// What a value was computed from, by elementwise ops alone.
struct Origin {
  int64_t epoch = 0;            ///< how many products of other kinds and reductions lie on the longest way to it
  Operation *product = nullptr; ///< a symmetric product of that epoch
};

class ChainFinder {
public:
  SmallVector<Chain> find(func::FuncOp function);

private:
  void visit(Operation *op);

  llvm::DenseMap<Value, Origin> origins;
  llvm::EquivalenceClasses<Operation *> connected;
};
} // namespace

void ChainFinder::visit(Operation *op) {
  Origin origin;
  for (Value operand : op->getOperands())
    origin.epoch = std::max(origin.epoch, origins.lookup(operand).epoch);
  auto joins = [&](Operation *product) {
    if (origin.product)
      connected.unionSets(origin.product, product);
    origin.product = product;
  };
  bool symmetric = isa<SymmetricMatmulOp>(op) && partsOf(op) == 1; // parts are added by a sweep
  if (symmetric) {
    connected.insert(op);
    joins(op);
  }
  if (symmetric || isElementwise(op)) {
    for (Value operand : op->getOperands())
      if (Origin from = origins.lookup(operand);
          from.product && from.epoch == origin.epoch && from.product != origin.product)
        joins(from.product);
  } else if (isa<ProductOpInterface, linalg::ReduceOp>(op)) {
    ++origin.epoch;
  }
  for (Value result : op->getResults())
    origins[result] = origin;
}

SmallVector<Chain> ChainFinder::find(func::FuncOp function) {
  for (Operation &op : function.front().without_terminator())
    visit(&op);
  SmallVector<Chain> chains;
  llvm::DenseMap<Operation *, unsigned> number; // of a set's leader
  function.walk([&](SymmetricMatmulOp product) {
    if (partsOf(product) > 1)
      return;
    auto [known, isNew] = number.insert({connected.getLeaderValue(product), chains.size()});
    if (isNew)
      chains.emplace_back();
    chains[known->second].products.push_back(product);
  });
  llvm::erase_if(chains, [](const Chain &chain) { return chain.products.size() < 2; });
  return chains;
}

SmallVector<Chain> muon::findChains(func::FuncOp function) { return ChainFinder().find(function); }
