//===- Term.h - Arithmetic on the values of a step function -------------------------*- C++ -*-===//
//
// Operators that emit arith/math on tensors, so that a step function or an expansion rule
// reads like its formula:
//
//   Term scale = 1.0 / sqrt(sum(x * x));      // one number per matrix
//   Term u = x * scale;                       // broadcast back over the matrix
//
// A term is a tensor, a scalar (f64 or i64, an argument of the function) or a literal.
// Types meet in the wider one: arithmetic on bf16 is f32, on f32 with f64 tensors f64.
// Scalars and literals take the tensors' type; a scalar is formed in f64 and truncated once.
// A reduction remembers which axes it removed, so that broadcasting is never ambiguous.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_FORM_TERM_H
#define MUON_FORM_TERM_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace muon {

class Term {
public:
  /// A literal: takes the type of whatever it meets.
  Term(double literal) : literalValue(literal) {}
  /// A tensor or scalar. `missing`: the axes (ascending, counted in the full index space) that a
  /// reduction removed.
  Term(mlir::ImplicitLocOpBuilder &builder, mlir::Value value, llvm::ArrayRef<int64_t> missing = {})
      : builder(&builder), tensorOrScalar(value), missingAxes(missing) {}

  bool isLiteral() const { return !tensorOrScalar; }
  bool isTensor() const { return tensorOrScalar && mlir::isa<mlir::RankedTensorType>(type()); }
  bool isScalar() const { return tensorOrScalar && !isTensor(); }
  double literal() const { return literalValue; }
  mlir::Value value() const { return tensorOrScalar; }
  mlir::Type type() const { return tensorOrScalar.getType(); }
  mlir::RankedTensorType tensorType() const { return mlir::cast<mlir::RankedTensorType>(type()); }
  llvm::ArrayRef<int64_t> missing() const { return missingAxes; }
  /// Axes of the index space: the tensor's own and the missing ones.
  int64_t fullRank() const { return tensorType().getRank() + int64_t(missingAxes.size()); }
  mlir::ImplicitLocOpBuilder &getBuilder() const { return *builder; }

private:
  mlir::ImplicitLocOpBuilder *builder = nullptr;
  mlir::Value tensorOrScalar;
  double literalValue = 0;
  llvm::SmallVector<int64_t, 2> missingAxes;
};

Term operator+(Term a, Term b);
Term operator-(Term a, Term b);
Term operator*(Term a, Term b);
Term operator/(Term a, Term b);
Term operator-(Term a);
/// Both propagate NaN.
Term min(Term a, Term b);
Term max(Term a, Term b);
Term sqrt(Term a);
Term abs(Term a);
/// a b + c with one rounding.
Term fma(Term a, Term b, Term c);

/// The tensor with elements of `element`: extended, truncated (to nearest even), or as it is.
Term convert(Term a, mlir::Type element);

/// Σ over the given axes of the full index space, none of them missing already.
Term sumOver(Term a, llvm::ArrayRef<int64_t> axes);
/// Σ_j a_ij, Σ_i a_ij, Σ_ij a_ij of every matrix of the batch. A tensor of rank 1 is one row.
Term rowSum(Term a);
Term colSum(Term a);
Term sum(Term a);

} // namespace muon

#endif // MUON_FORM_TERM_H
