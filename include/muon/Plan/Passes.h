//===- Passes.h - the Plan room: algebra to kernels, stages and launches ----------------*- C++ -*-===//

#ifndef MUON_PLAN_PASSES_H
#define MUON_PLAN_PASSES_H

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "muon/IR/Muon.h"

namespace muon {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "muon/Plan/Passes.h.inc"

struct PlanOptions {
  /// Leave weight and states of a matrix with a non-finite gradient untouched.
  bool skipNonfinite = false;
};

/// Form's exit contract in, Plan's out.
void buildPlanPipeline(mlir::OpPassManager &manager, const PlanOptions &options);

} // namespace muon

#endif // MUON_PLAN_PASSES_H
