//===- EarlyStop.h - When a gram form may end before its table ----------------------*- C++ -*-===//
//
// Before each row R = X Xᵀ of the iterate X is at hand. For every μ > 0
//
//   ‖I - R/μ‖_F <= δ  =>  the singular values of X/√μ lie in [√(1-δ), √(1+δ)],
//
// and μ = Σ R_ij² / tr R makes the left side smallest: √(k - (tr R)²/Σ R_ij²), k the rows of R. So X/√μ
// may take the place of the result. The scale is free because a table only shapes the singular
// values' ratios before it brings them to 1: right after the Frobenius norm a matrix that is
// orthogonal already has them all at 1/√k.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_LIB_FORM_EARLY_STOP_H
#define MUON_LIB_FORM_EARLY_STOP_H

#include "muon/Form/Term.h"
#include "muon/IR/Muon.h"

namespace muon {

/// What one orthogonalize in gram form could leave, row by row. X of an iterate is
/// (apart I + Q) x, as the recurrence holds it; without Q it is apart x.
class EarlyStop {
public:
  /// `square` is R's type.
  EarlyStop(mlir::ImplicitLocOpBuilder &builder, double bound, mlir::RankedTensorType square)
      : b(builder), bound(bound), square(square) {}

  /// The iterate before a row, and its R before it is narrowed. `factor`: what x still lacks, one number per matrix.
  /// No matrix stops below `floor`, where its table would leave it below its band too.
  void consider(Term r, double apart, std::optional<Term> q, Term x, std::optional<Term> factor, double floor);

  /// The factor's Q and its x, chosen among the iterates considered and, where none was near enough,
  /// the last: scale (apart I + Q) x is the result, but for the factor that x may still lack.
  struct Choice {
    Term q, x, scale;
  };
  Choice choose(double apart, Term q, Term x, bool lacksFactor);

  /// ‖I - R/μ‖_F of the last R that was formed, and the rows taken; f32, one per matrix.
  std::pair<Term, Term> metrics();

private:
  struct Iterate {
    mlir::Value condition;
    Term deviation, inverse; ///< ‖I - R/μ‖_F and 1/μ, f64
    double apart;
    std::optional<Term> q;
    Term x;
    std::optional<Term> factor;
  };
  Term choice(llvm::ArrayRef<Term> candidates);
  Term identity();

  mlir::ImplicitLocOpBuilder &b;
  double bound;
  mlir::RankedTensorType square;
  llvm::SmallVector<Iterate, 0> iterates;
};

} // namespace muon

#endif // MUON_LIB_FORM_EARLY_STOP_H
