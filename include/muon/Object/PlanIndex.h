//===- PlanIndex.h - what of a planned module is looked up many times ---------------*- C++ -*-===//

#ifndef MUON_OBJECT_PLANINDEX_H
#define MUON_OBJECT_PLANINDEX_H

#include "muon/IR/Muon.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

namespace muon {

/// Kernels, launches and parameters by name, from one walk: a program may have thousands of each. The module stays as
/// it is as long as this lives.
class PlanIndex {
public:
  explicit PlanIndex(mlir::ModuleOp planned);

  mlir::ModuleOp module() const { return planned; }
  VariantOp variant() const;
  llvm::ArrayRef<UseOp> uses() const { return allUses; }
  mlir::func::FuncOp function(llvm::StringRef name) const { return symbols.lookup<mlir::func::FuncOp>(name); }
  KernelOp kernelOf(LaunchOp launch) const { return symbols.lookup<KernelOp>(launch.getKernel()); }
  llvm::ArrayRef<LaunchOp> launchesOf(llvm::StringRef function) const;
  /// Matrices that run a step function: those of its parameters, or of one where no muon.use names it.
  int64_t matricesOf(llvm::StringRef function) const;

private:
  mutable mlir::ModuleOp planned;
  mlir::SymbolTable symbols;
  llvm::SmallVector<UseOp> allUses;
  llvm::StringMap<llvm::SmallVector<LaunchOp>> launches;
  llvm::StringMap<int64_t> parameters;
};

} // namespace muon

#endif // MUON_OBJECT_PLANINDEX_H
