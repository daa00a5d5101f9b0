//===- PlanVariants.h - a request as a planned module per target ----------------------------------===//

#ifndef MUON_LIB_COMPILER_PLANVARIANTS_H
#define MUON_LIB_COMPILER_PLANVARIANTS_H

#include "muon/Compiler/Compiler.h"

namespace muon {

/// One target's program.
struct Variant {
  mlir::OwningOpRef<mlir::ModuleOp> planned;
  TargetAttr target;
  /// Where a file had gone on from Plan: what its code is made of.
  mlir::OwningOpRef<mlir::ModuleOp> lowered = {};

  mlir::ModuleOp code() const { return lowered ? *lowered : *planned; }
};

struct PlannedProgram {
  std::string name;
  /// As the request lists its targets.
  std::vector<Variant> variants;
};

/// The request's groups, or where there is one its program, at the end of Plan.
llvm::Expected<PlannedProgram> planVariants(mlir::MLIRContext &context, const Request &request);

/// A GPU, a processor's name, or SCHEDULE@PROCESSOR: how one computes, in instructions that the other has.
llvm::Expected<TargetAttr> parseTarget(mlir::MLIRContext *context, llvm::StringRef text);

} // namespace muon

#endif // MUON_LIB_COMPILER_PLANVARIANTS_H
