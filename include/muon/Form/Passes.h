//===- Passes.h - The Form room: step functions to algebra --------------------------*- C++ -*-===//
#ifndef MUON_FORM_PASSES_H
#define MUON_FORM_PASSES_H

#include "muon/IR/Muon.h"
#include "muon/Polynomial/ChooseForm.h"

#include "mlir/Pass/Pass.h"

namespace muon {

/// Smallest normalised singular value that bands are reported for.
inline constexpr double defaultFloor = servedFloor(OperandType::f32);

using FormOptions = FormWeights;

/// Step functions to the closed op list: choose, expand, clean up, check.
void buildFormPipeline(mlir::OpPassManager &manager, const FormOptions &options);

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "muon/Form/Passes.h.inc"

} // namespace muon

#endif // MUON_FORM_PASSES_H
