//===- Passes.h - the Plan room: algebra to kernels, stages and launches ------------*- C++ -*-===//

#ifndef MUON_PLAN_PASSES_H
#define MUON_PLAN_PASSES_H

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "muon/IR/Muon.h"

namespace muon {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "muon/Plan/Passes.h.inc"

/// Form's exit contract in, Plan's out; what was asked for is the module's muon.request.
void buildPlanPipeline(mlir::OpPassManager &manager);

} // namespace muon

#endif // MUON_PLAN_PASSES_H
