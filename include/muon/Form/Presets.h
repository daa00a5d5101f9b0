//===- Presets.h - The Muons in use, as step functions ------------------------------*- C++ -*-===//
//
// A preset is a starting point on the nine axes along which the Muons in use differ; every
// axis can be overridden. All of them: momentum -> orthogonalize -> (clip) -> update, on scalars
// lr, wd (absent without decay) and mu, with c = columns, r = rows of a matrix:
//
//   preset         table, steps     norm                operands  momentum      lr factor       decay      matrices
//   keller         keller, 5        ‖X‖ + 1e-7          bf16      ema nesterov  √max(1, r/c)    decoupled  flatten_4d
//     KellerJordan/Muon, muon.py
//   torch          keller, 5        max(‖X‖, 1e-7)      bf16      ema nesterov  √max(1, r/c)    decoupled  batch
//     torch/optim/_muon.py; adjust_lr match_rms_adamw: 0.2 √max(r, c); wd is its weight_decay, and decay takes the
//     unadjusted lr; a table of one row is its ns_coefficients, repeated `steps` times. It takes two sizes alone
//   moonlight      keller, 5        ‖X‖ + 1e-7          bf16      sum nesterov  0.2 √max(r, c)  decoupled  flatten
//     MoonshotAI/Moonlight, examples/toy_train.py
//   polar_express  nanogpt_pe, 5    1.02 ‖X‖ + 1e-6     bf16      ema nesterov  √max(1, r/c)    decoupled  batch
//     the polar step of KellerJordan/modded-nanogpt, train_gpt.py, which has banks of matrices; the rest is Keller's
//   inverse_root   cubic, 6 (3..6)  √(‖X‖² + k·1e-6)    f32       ema nesterov  √max(1, r/c)    decoupled  batch
//     U = X (XᵀX + damping I)^(-1/2), damping 1e-6, k the short side: the coupled Newton iteration on the
//     trace-normalised Gram matrix, gram form. Fixed steps: singular values far below √damping or far below ‖X‖ are not
//     converged, by definition.
//   exact          minimax 5, 9     ‖X‖                 f32       ema nesterov  √max(1, r/c)    decoupled  batch
//     the polar factor to working precision: as many steps as the floor max(r, c)·2^-24 (relative to ‖X‖) needs, the
//     last ones the Padé limit; standard form. Singular values below the floor come out between 0 and 1. Metric
//     "residual" = ‖OOᵀO - O‖_F/‖O‖_F, per matrix: how far the singular values of O are from 0 or 1.
//   rms            no table         √(mean(X²) + eps²)  -         ema nesterov  1               decoupled  -
//     for vectors and other tensors that are not matrices, any rank >= 1, the mean over the whole tensor:
//     U = X / √(mean(X²) + 1e-14). adjust_lr match_rms_adamw: 0.2.
//   normuon        keller, 5        ‖X‖ + 1e-7          bf16      ema nesterov  √max(1, r/c)    decoupled  flatten_4d
//     zichongli5/NorMuon: state "second_moment" per row, scalar beta2:
//     v' = v + (1 - beta2)(mean_j O_ij² - v), U = O/(√v' + 1e-10), rescaled to ‖O‖_F. Rows are the matrix's; the
//     original's are those of four sizes again.
//   adamuon        keller, 5        ‖X‖ + 1e-7          bf16      ema           1               decoupled  flatten_4d
//     Chongjie-Si/AdaMuon: O from sign(M'), state "second_moment" per element,
//     v' = v + (1 - mu)(O² - v), U = O/(√v' + 1e-8), rescaled to ‖U‖_F = 0.2 √(r c)
//
// What more than two sizes are (matrices): `batch`, the last two are a matrix and the others count them; `flatten`, one
// matrix, the first its rows and all others its columns; `flatten_4d`, that of four sizes, as convolutions have them,
// and else a batch. What is flattened has no gaps between its columns. The factor √max(1, r/c) is of the last two sizes
// whatever is flattened, as in Keller's code: 1 for a convolution of 3x3.
//
// The norm is always taken in f64 before narrowing (the originals take it in bf16 or f32). The operands above are what
// muon-choose-form takes; it takes f32 in place of bf16 where the target does not multiply that.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_FORM_PRESETS_H
#define MUON_FORM_PRESETS_H

#include "muon/IR/Muon.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace muon {

/// What to build. An absent option is the preset's own.
struct StepOptions {
  std::string preset = "keller";
  /// W's shape; what more than two sizes mean, `matrices` says.
  std::vector<int64_t> shape;
  /// f32 or bf16.
  std::string weight = "f32", gradient = "f32", momentum = "f32";
  /// What product operands are narrowed to: f32, bf16, f16 or tf32; absent: chosen by muon-choose-form.
  std::optional<std::string> operands;
  /// batch, flatten or flatten_4d. Not rms.
  std::optional<std::string> matrices;
  std::optional<bool> nesterov;
  /// ema or sum.
  std::optional<std::string> momentumForm;
  /// The factor on lr: original √max(1, r/c) of W's last two sizes; of a matrix, match_rms_adamw 0.2 √max(r, c),
  /// spectral √(r/c); none 1.
  std::optional<std::string> adjustLr;
  /// none; decoupled: W is scaled by 1 - lr·wd; coupled: wd·W is added to the gradient.
  std::optional<std::string> decay;
  /// A published table's name, or rows (a single row is repeated `steps` times).
  std::optional<std::string> table;
  std::vector<Row> rows;
  std::optional<int> steps;
  /// norm + eps (add) or max(norm, eps) (clamp); both before the safety factor.
  std::optional<double> eps;
  std::optional<std::string> epsForm;
  std::optional<double> safety;
  /// What X is divided by: frobenius, trace, aol or schatten4 (muon.orthogonalize, norm). Not
  /// inverse_root.
  std::optional<std::string> norm;
  /// inverse_root only.
  std::optional<double> damping;
  /// Each update (the lr factor included) is shortened to this L2 norm; 0: never.
  double clip = 0;
  /// Of a bf16 weight; adds the i64 scalars step and seed.
  bool stochasticRounding = false;
  /// standard or gram, before which rows R is rebuilt, and which are evaluated as one with the next; absent: chosen by
  /// muon-choose-form.
  std::optional<std::string> form;
  std::optional<std::vector<int64_t>> restarts, pairs;
  /// The block of every product instead of the compiler's choice. GPUs: the six numbers of muon.kernel's tile. CPUs:
  /// its side, and how many elements of k it takes at a time (0: by depth). Empty: chosen by Plan.
  std::vector<int64_t> tile;
  /// Between 0 and 1: a matrix this close to orthogonal skips the rows that are left
  /// (muon.orthogonalize, early_stop). Needs form gram, and chooses it. Metrics "orthogonality" and
  /// "steps", per matrix. Not exact, not rms.
  std::optional<double> earlyStop;

  bool operator==(const StepOptions &) const = default;
};

/// Calls f(name, option, planned) for every option that a request may give, by its name there; of the table, two
/// options in one: std::tie(table, rows). `planned`: what muon-tune found for the shape decides it.
template <class F> void forEachOption(StepOptions &step, F f) {
  f("matrices", step.matrices, /*planned=*/false);
  f("nesterov", step.nesterov, /*planned=*/false);
  f("momentum_form", step.momentumForm, /*planned=*/false);
  f("adjust_lr", step.adjustLr, /*planned=*/false);
  f("decay", step.decay, /*planned=*/false);
  f("table", std::tie(step.table, step.rows), /*planned=*/true);
  f("steps", step.steps, /*planned=*/true);
  f("eps", step.eps, /*planned=*/false);
  f("eps_form", step.epsForm, /*planned=*/false);
  f("safety", step.safety, /*planned=*/true);
  f("damping", step.damping, /*planned=*/false);
  f("clip", step.clip, /*planned=*/false);
  f("stochastic_rounding", step.stochasticRounding, /*planned=*/false);
  f("norm", step.norm, /*planned=*/true);
  f("operands", step.operands, /*planned=*/true);
  f("form", step.form, /*planned=*/true);
  f("restarts", step.restarts, /*planned=*/true);
  f("pairs", step.pairs, /*planned=*/false);
  f("tile", step.tile, /*planned=*/true);
  f("early_stop", step.earlyStop, /*planned=*/false);
}

/// Adds the step function `name` to `module`. Arguments: weight, gradient, states ("momentum", then
/// the preset's own), scalars. Results: new weight, new states, metrics. An error is one line naming
/// the value and what is known, and the module is unchanged.
llvm::Expected<mlir::func::FuncOp> buildStep(mlir::ModuleOp module, llvm::StringRef name, const StepOptions &options);

/// W's shape as the step function has it: `shape`, or that of the matrix it is flattened to. Unchanged where the preset
/// or `matrices` is unknown.
std::vector<int64_t> matrixShape(const StepOptions &options);

/// The names above.
std::vector<std::string> presetNames();

} // namespace muon

#endif // MUON_FORM_PRESETS_H
