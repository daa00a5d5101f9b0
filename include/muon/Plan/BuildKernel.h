//===- BuildKernel.h - one draft as a kernel and a launch ---------------------------*- C++ -*-===//

#ifndef MUON_PLAN_BUILD_KERNEL_H
#define MUON_PLAN_BUILD_KERNEL_H

#include "mlir/IR/Builders.h"
#include "muon/Plan/StepPlan.h"

namespace muon {

/// What a launch of a built kernel needs.
struct LaunchData {
  llvm::SmallVector<mlir::Attribute> places;
  llvm::SmallVector<double> coefficients;
  llvm::SmallVector<int64_t> sizes;
  int64_t tiles = 0;
  int64_t predicate = -1; ///< operand that skips a matrix
};

/// Builds the kernel of one draft at the builder's insertion point, under the name `name`, and says how to launch it.
/// Constants of the body become coefficients, so that launches with other numbers share the kernel. `regionOffset` is
/// where the group's memory starts in the workspace.
KernelOp buildKernel(mlir::OpBuilder &builder, llvm::StringRef name, const StepPlan &plan, const Draft &draft,
                     int64_t regionOffset, LaunchData &launch);

} // namespace muon

#endif // MUON_PLAN_BUILD_KERNEL_H
