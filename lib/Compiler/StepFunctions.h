//===- StepFunctions.h - the step functions of a program ----------------------------*- C++ -*-===//
#ifndef MUON_COMPILER_STEPFUNCTIONS_H
#define MUON_COMPILER_STEPFUNCTIONS_H

#include "muon/Compiler/Compiler.h"
#include "muon/IR/Muon.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace muon {

/// Builds the step functions of a module and what its program runs with them. Groups that differ in nothing but their
/// scalars share a function, so that their matrices are in the same launches.
class StepFunctions {
public:
  StepFunctions(mlir::ModuleOp module, mlir::OpBuilder uses) : module(module), uses(uses) {}
  /// Adds the group's parameters to the program, and the function that steps them unless there is one. `options`: those
  /// of the group, with what the request says about all groups.
  llvm::Error add(const GroupRequest &group, const StepOptions &options);

private:
  struct Built {
    StepOptions options;
    RequestAttr request;
    std::string tunedBy, name;
    llvm::StringMap<UseOp> bySet;
  };
  llvm::Expected<Built *> functionFor(const GroupRequest &group, const StepOptions &options);

  mlir::ModuleOp module;
  mlir::OpBuilder uses;
  /// By preset_rowsxcolumns, what reports and descriptions call the first; the others have their number behind that.
  llvm::StringMap<std::vector<Built>> built;
};

} // namespace muon

#endif // MUON_COMPILER_STEPFUNCTIONS_H
