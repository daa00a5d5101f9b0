//===- StepBuilder.h - Step functions written in a few lines ------------------------*- C++ -*-===//
//
// A step function is a func.func (dialect description in MuonDialect.td). Keller's is
//
//   StepBuilder step(module, "keller");
//   Term w = step.weight(type), g = step.gradient(type), m = step.state("momentum", type);
//   Term lr = step.scalar("lr"), wd = step.scalar("wd"), mu = step.scalar("mu");
//   auto [x, m1] = step.momentum(g, m, mu, MomentumForm::ema, /*nesterov=*/true);
//   Term o = step.orthogonalize(x, spec).o;
//   func::FuncOp f = step.finish(step.update(w, o, lr, wd, Decay::decoupled, scale), {m1});
//
//===----------------------------------------------------------------------===//
#ifndef MUON_FORM_STEP_BUILDER_H
#define MUON_FORM_STEP_BUILDER_H

#include "muon/Form/Term.h"
#include "muon/IR/Muon.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>
#include <utility>
#include <vector>

namespace muon {

/// The attributes of a muon.orthogonalize.
struct OrthogonalizeSpec {
  Table table;
  Norm norm = Norm::frobenius;
  double eps = 0;
  EpsForm epsForm = EpsForm::add;
  double safety = 1;
  double damping = 0;
  Accuracy accuracy = Accuracy::table;
  mlir::Type operands;                          ///< null: chosen by muon-choose-form
  std::optional<Form> form;                     ///< absent: chosen by muon-choose-form
  std::optional<std::vector<int64_t>> restarts; ///< absent: chosen
  std::optional<std::vector<int64_t>> pairs;    ///< absent: chosen
  std::optional<double> earlyStop;              ///< absent: every row for every matrix
};

/// O, and with an early stop what muon.orthogonalize says of each matrix, by name.
struct Orthogonalized {
  Term o;
  std::vector<std::pair<llvm::StringRef, Term>> metrics;
};

class StepBuilder {
public:
  /// Starts the function `name` at the end of `module`.
  StepBuilder(mlir::ModuleOp module, llvm::StringRef name);

  /// Arguments, in the order of the calls.
  Term weight(mlir::RankedTensorType type);
  Term gradient(mlir::RankedTensorType type);
  /// `missing`: the axes of W's index space that the tensor lacks (NorMuon keeps one number per
  /// row).
  Term state(llvm::StringRef name, mlir::RankedTensorType type, llvm::ArrayRef<int64_t> missing = {});
  Term input(llvm::StringRef name, mlir::RankedTensorType type, llvm::ArrayRef<int64_t> missing = {});
  /// An f64 or i64 scalar; a name asked for again is the same argument.
  Term scalar(llvm::StringRef name);
  Term integer(llvm::StringRef name);

  /// {X, M'}.
  std::pair<Term, Term> momentum(Term gradient, Term momentum, Term mu, MomentumForm form, bool nesterov);
  Orthogonalized orthogonalize(Term x, const OrthogonalizeSpec &spec);
  Term update(Term weight, Term update, Term lr, Term wd, Decay decay, double scale);
  /// Stochastic rounding to bf16.
  Term round(Term x, Term step, Term seed);
  /// R = X Xᵀ or XᵀX on the short side, and P applied on that side.
  Term gram(Term x);
  Term apply(Term p, Term x);

  /// Ends the function: returns the new weight, the new states in argument order and the metrics.
  mlir::func::FuncOp finish(Term newWeight, llvm::ArrayRef<Term> newStates,
                            llvm::ArrayRef<std::pair<llvm::StringRef, Term>> metrics = {});

  mlir::ImplicitLocOpBuilder &getBuilder() { return builder; }

private:
  Term addArgument(llvm::StringRef role, llvm::StringRef name, mlir::Type type, llvm::ArrayRef<int64_t> missing = {});
  mlir::Value scalarValue(Term term);

  mlir::func::FuncOp function;
  mlir::ImplicitLocOpBuilder builder;
  llvm::SmallVector<mlir::DictionaryAttr> argumentAttributes;
};

/// The side on which a tensor's Gram matrix is the smaller one: left if rows <= columns.
Side shortSide(mlir::RankedTensorType type);

} // namespace muon

#endif // MUON_FORM_STEP_BUILDER_H
