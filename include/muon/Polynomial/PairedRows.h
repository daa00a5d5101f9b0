//===- PairedRows.h - Two quintic rows evaluated as one -----------------------------*- C++ -*-===//
//
// Rows p and q, one after the other, multiply X by one polynomial of R = X X^T:
//   q(p(X)) = h(R) X,   h(r) = Q(r P(r)^2) P(r),   p(x) = x P(x^2),   q(x) = x Q(x^2),
// of degree 12. Row by row it takes five symmetric products: R2, R P, R P P, its square, Q P. Here it takes four:
//   T = R - shift I,  T2 = T T,  N = n0 I + n1 T + n2 T2 + n3 T2 T
//   A = N N + <a>,    B = N N + <b>,    h = A B + <rest>
// where <v> = v0 I + v1 T + v2 T2 + v3 N is added by the epilogue of the product before it.
//
// Why that is always possible: h's leading coefficient is positive, so h = M^2 + (degree 6) with M of degree 6. M may
// take any constant term; one that is large enough makes the remainder's leading coefficient negative, and it is -L^2 +
// <rest> with L cubic: h = (M + L)(M - L) + <rest>. M = N^2 + <d> in the same way. (Evaluation by squares after
// preconditioning: Knuth, The Art of Computer Programming 2, 4.6.4; few matrix products for a polynomial: Paterson and
// Stockmeyer, SIAM J. Comput. 2, 1973.)
//
// Constant terms of M, N and L are free, and so is the shift. They are chosen to make the first-order bound on what
// rounding T, T2, N, A, B and the last product does to h smallest (`rounding`): in powers of R Keller's h has
// coefficients of 5e4 that cancel, here none exceeds 10, and the standard form is as close to float64 as row by row
// (docs/numerics.md).
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_PAIRED_ROWS_H
#define MUON_POLYNOMIAL_PAIRED_ROWS_H

#include "muon/Polynomial/Table.h"

#include <array>

namespace muon {

struct PairedRows {
  using Combination = std::array<double, 4>;

  /// h(0), the product of both rows' first coefficients.
  double slope;
  double shift;
  /// Of I, T, T2 and T2 T.
  Combination n;
  /// Of I, T, T2 and N. `rest` is for h - slope I, which is P(R) in Emulate.h's sense.
  Combination a, b, rest;
  /// The bound on the error of h, in units of the last place of 1.
  double rounding;
};

/// Whether two rows can be paired: both quintics, their last coefficients of one sign.
bool canPair(const Row &first, const Row &second);

/// The pair for singular values up to `ceiling` > 0 before the first row. Needs canPair. Kept per process; thread safe.
PairedRows pairRows(const Row &first, const Row &second, double ceiling);

} // namespace muon

#endif // MUON_POLYNOMIAL_PAIRED_ROWS_H
