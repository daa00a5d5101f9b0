//===- KernelBody.h - how a backend reads a muon.kernel -----------------------------*- C++ -*-===//
//
// Every value of a kernel's body depends on at most: nothing but scalars (uniform), the row, or the element. A backend
// emits each level where it changes.
//
//===-------------------------------------------------------------------------------------------------===//
#ifndef MUON_IR_KERNEL_BODY_H
#define MUON_IR_KERNEL_BODY_H

#include "muon/IR/Muon.h"

namespace muon {

class KernelBody {
public:
  enum class Level { uniform, row, element };

  explicit KernelBody(KernelOp kernel) : kernel(kernel) {}

  /// Finds every value's level. An op for which `hasSequence` is false is reported: it has no instruction sequence in
  /// `where`.
  mlir::LogicalResult findLevels(llvm::function_ref<bool(mlir::Operation &)> hasSequence, llvm::StringRef where);
  Level level(mlir::Value value) const { return levels.lookup(value); }

  /// The body argument of operand `operand` (an index into the kernel's operands).
  mlir::BlockArgument argument(unsigned operand);
  /// Argument after the operands': the accumulator of a product, then scalars, then coefficients.
  mlir::BlockArgument accumulator();
  mlir::BlockArgument scalar(unsigned i);
  mlir::BlockArgument coefficient(unsigned i);
  YieldOp yield();

  /// The column of a parameter's scalar row that holds the kernel's i-th scalar; i where the module does not list
  /// columns.
  int64_t scalarColumn(unsigned i);

protected:
  KernelOp kernel;

private:
  unsigned firstExtraArgument();
  llvm::DenseMap<mlir::Value, Level> levels;
};

} // namespace muon

#endif // MUON_IR_KERNEL_BODY_H
