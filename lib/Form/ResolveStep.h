//===- ResolveStep.h - Options and preset, brought together -------------------------*- C++ -*-===//
#ifndef MUON_LIB_FORM_RESOLVE_STEP_H
#define MUON_LIB_FORM_RESOLVE_STEP_H

#include "muon/Form/Presets.h"
#include "muon/Form/StepBuilder.h"

namespace muon {

/// What surrounds the spectral map.
enum class Program { muon, inverseRoot, exact, rms, normuon, adamuon };
enum class AdjustLr { original, matchRmsAdamw, spectral, none };
enum class Matrices { batch, flatten, flatten4d };
enum class WeightDecay { none, decoupled, coupled };

/// A step function with nothing left open but the form.
struct ResolvedStep {
  Program program;
  mlir::RankedTensorType weight, gradient, momentum;
  bool nesterov;
  MomentumForm momentumForm;
  WeightDecay decay;
  /// The factor on lr.
  double scale;
  OrthogonalizeSpec spec;
  double eps;
  double clip;
  bool stochasticRounding;
};

/// An error is one line.
llvm::Expected<ResolvedStep> resolveStep(mlir::MLIRContext *context, const StepOptions &options);

} // namespace muon

#endif // MUON_LIB_FORM_RESOLVE_STEP_H
