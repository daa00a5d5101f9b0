//===- StepPlan.h - the stages of one step function ---------------------------------*- C++ -*-===//
//
// What PlanLaunches decides before it writes any op: which values go to memory, in which layout, and which body
// computes them. A draft is one kernel-to-be: a stage, an iteration space, at most one product, and outputs.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_PLAN_STEP_PLAN_H
#define MUON_PLAN_STEP_PLAN_H

#include "muon/Plan/GpuTiles.h"
#include "muon/Plan/Levels.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace muon {

/// Which dimensions of the iteration space a value's dimensions are, outermost first.
using Axes = llvm::SmallVector<int64_t, 4>;

/// One value in the workspace, in one layout; per matrix.
struct Buffer {
  mlir::Value value;
  Layout layout = Layout::plain;
  mlir::Type dtype;
  /// Partial sums of a reduction: this many f64.
  int64_t partials = 0;
  /// A product in parts: this many matrices, one after the other. The product's value itself may have another buffer.
  int64_t parts = 1;
  int64_t bytes = 0, offset = 0, rowStride = 0, columnStride = 0;
  int64_t firstStage = 0, lastStage = 0;
};

/// One output of a draft.
struct Output {
  mlir::Value value; ///< the body value to store, or the input of the reduction
  Reduction reduction = Reduction::none;
  Space space = Space::element;
  int64_t buffer = -1;               ///< index into StepPlan::buffers, or
  int64_t argument = -1;             ///< tensor argument of the group that is written,
  int64_t result = -1;               ///< as this result of the step function,
  mlir::Operation *insert = nullptr; ///< or a box of it: the tensor.insert_slice
};

/// One kernel-to-be.
struct Draft {
  int64_t stage = 0;
  mlir::Operation *product = nullptr;  ///< of a chain the last
  llvm::SmallVector<int64_t, 4> shape; ///< iteration space, batch included
  bool turned = false;   ///< the space's rows are the matrix's columns: how columns are reduced, each as a row is
  mlir::Value predicate; ///< the word that stops its launch, null if there is none
  llvm::SmallVector<Output, 4> outputs;

  /// Which dimensions of the space the outputs' are.
  Axes axes() const;
};

/// Something a body reads from memory.
struct Leaf {
  mlir::Value value;
  Axes axes;
  int64_t buffer = -1, argument = -1;
  mlir::Operation *slice = nullptr; ///< a box of it only: the tensor.extract_slice that `value` is
  bool operator==(const Leaf &other) const { return value == other.value && axes == other.axes; }
};

/// Everything a draft's bodies read.
struct Leaves {
  llvm::SmallVector<Leaf, 8> memory;
  llvm::SmallSetVector<mlir::Value, 4> scalars; ///< scalar arguments of the step function
};

class StepPlan {
public:
  /// For `matrices` matrices that run this function. Chains of products are computed in one block each where that is
  /// possible, pays by the model and is not ruled out by the request's `chain`.
  static mlir::FailureOr<StepPlan> create(mlir::func::FuncOp function, TargetAttr target, int64_t matrices = 1);
  /// The same with the products of each of these chains in one block.
  static mlir::FailureOr<StepPlan> create(mlir::func::FuncOp function, TargetAttr target, int64_t matrices,
                                          llvm::ArrayRef<Chain> chains);

  mlir::func::FuncOp function;
  TargetAttr target;
  Levels levels;
  llvm::SmallVector<Draft, 8> drafts; ///< in stage order
  llvm::SmallVector<Buffer, 16> buffers;
  mlir::ArrayAttr chosenChains; ///< what was chosen for chains of products, and why; null where there are none
  int64_t bytesPerMatrix = 0;
  int64_t matrices = 1; ///< how many run this function; blocks may follow it, summation orders not

  Leaves collectLeaves(const Draft &draft) const;
  /// The products that the draft computes one after another; none if it is not a chain.
  llvm::ArrayRef<mlir::Operation *> chainOf(const Draft &draft) const { return levels.chainOf(draft.product); }
  /// The buffer a body reads `value` from, -1 if it has none.
  int64_t findReadable(mlir::Value value) const;
  int64_t find(mlir::Value value, Layout layout) const;
  /// The buffer of the parts of a product's result, -1 if it has none.
  int64_t findParts(mlir::Value value) const;
  /// Rows and columns of the iteration space: the last two dimensions after the batch, 1 where absent.
  std::pair<int64_t, int64_t> matrixShape(llvm::ArrayRef<int64_t> shape) const;
  Space spaceOf(const Axes &axes, size_t rank) const;
  int64_t tileRows(const Draft &draft) const;
  int64_t numTiles(const Draft &draft) const;
  /// The block of every product as the request has it; absent: chosen here.
  std::optional<llvm::SmallVector<int64_t>> askedTile() const;
  /// On a CPU: the side of a product's block, how many of a side there are, and how much of k a block takes at a time.
  int64_t blockSize(const Draft &draft) const;
  int64_t countBlocks(const Draft &draft, int64_t side) const;
  int64_t blockDepth(const Draft &draft, int64_t depth) const;
  bool usesTiles(const Draft &draft) const;
  /// On a GPU: the block of a product; whether a sweep's tile is whole rows (else a run of chunks) and how many; the
  /// rows and columns a sweep covers, those of the padding among them where it writes a padded matrix.
  gpu::ProductShape productShape(const Draft &draft) const;
  gpu::ProductTile productTile(const Draft &draft) const;
  bool walksRows(const Draft &draft) const;
  int64_t sweepTile(const Draft &draft) const;
  std::pair<int64_t, int64_t> sweepExtent(const Draft &draft) const;
  /// Position among the function's tensor arguments, as the program's description counts them.
  int64_t tensorArgument(int64_t argument) const;

  explicit StepPlan(Levels levels) : levels(std::move(levels)) {}
};

/// The axes of a broadcast's input, given those of its result.
Axes axesBelow(mlir::linalg::BroadcastOp broadcast, const Axes &axes);
Axes identityAxes(size_t rank);

/// Layout of A (C_ij = Σ A_ik B_kj) or B in memory for a product of this operand type on this target.
Layout operandLayout(ProductOpInterface product, bool isA, bool symmetric, TargetAttr target);
/// The layout in which that operand is stored: `turned` reads what is `padded` in memory.
inline Layout storedLayout(Layout layout) { return layout == Layout::turned ? Layout::padded : layout; }
/// The type a value of element type `type` has in a packed layout: bf16 is widened where there is no bf16 product, tf32
/// always.
mlir::Type packedType(mlir::Type type, TargetAttr target);
/// Fills bytes and strides of a buffer holding rows x columns.
void layOut(Buffer &buffer, int64_t rows, int64_t columns, TargetAttr target);
/// Gives every buffer an offset in the matrix's region, reusing memory of values that are dead; returns the region's
/// size.
int64_t assignOffsets(llvm::MutableArrayRef<Buffer> buffers);

} // namespace muon

#endif // MUON_PLAN_STEP_PLAN_H
