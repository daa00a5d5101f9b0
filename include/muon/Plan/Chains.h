//===- Chains.h - products of small symmetric matrices that one block can compute -----------------------*- C++ -*-===//
//
// The gram form's recurrence between two products that touch the long side is a run of k x k products that commute: a
// chain. Where its matrices fit into a block's shared memory, one launch computes it, one block per matrix, and nothing
// but its ends is in memory. Every element is summed as a launch of its own would sum it, so which way is taken changes
// no bit and may follow the batch.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_PLAN_CHAINS_H
#define MUON_PLAN_CHAINS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "muon/IR/Muon.h"

namespace muon {

/// Products that feed each other without a product of another shape or a reduction between them, in the order of the
/// function.
struct Chain {
  llvm::SmallVector<mlir::Operation *> products;
  int64_t stage = 0; ///< where it is computed; Levels raises it to behind all it reads
  mlir::Operation *representative() const { return products.back(); }
};

/// What a kernel of kind chain keeps its matrices as: its operand type, or f32 words for tf32.
mlir::Type chainElement(KernelOp kernel);

/// The chains of at least two products of a step function.
llvm::SmallVector<Chain> findChains(mlir::func::FuncOp function);

/// One matrix of a chain: read from memory, or computed behind a product. Phases count the products.
struct ChainMatrix {
  mlir::Value element;                   ///< in the kernel's body
  int64_t phase = -1;                    ///< whose epilogue computes it; -1: read
  int64_t lastUse = -1;                  ///< 2 p: product p multiplies it; 2 p + 1: its epilogue reads it
  int64_t buffer = -1;                   ///< where it is kept
  int64_t read = -1;                     ///< operand of the kernel it is read from
  llvm::SmallVector<int64_t, 1> written; ///< operands of the kernel it is written to, once product `phase` is complete
};

/// One product and its epilogue.
struct ChainPhase {
  ContractOp product;
  int64_t a = 0, b = 0;                     ///< matrices multiplied
  llvm::SmallVector<int64_t, 4> reads;      ///< matrices whose elements the epilogue needs
  llvm::SmallVector<int64_t, 2> results;    ///< matrices it computes
  llvm::SmallVector<mlir::Operation *> ops; ///< of the body, in order
  bool waits = false;                       ///< what it multiplies was stored since the last barrier
  bool replaces = false;                    ///< a result takes the place of what other threads may still be reading
};

/// How a block computes a chain: which matrices it keeps, and where. A matrix may take the place of one that is last
/// used in the same phase: the whole product is in registers by then, and an epilogue reads and writes an element in
/// the same thread.
struct ChainLayout {
  llvm::SmallVector<ChainMatrix> matrices;
  llvm::SmallVector<ChainPhase> phases;
  int64_t buffers = 0;

  /// Of a kernel of kind chain; or nothing, and `why`, if one block cannot compute it.
  static std::optional<ChainLayout> of(KernelOp kernel, std::string &why);
};

} // namespace muon

#endif // MUON_PLAN_CHAINS_H
