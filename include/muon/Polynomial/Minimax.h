//===- Minimax.h - Tables made for a floor and a list of degrees --------------------*- C++ -*-===//
//
// Greedy composition (Polar Express, arXiv 2505.16932; CANS, arXiv 2506.10935): each step
// is the odd polynomial of its degree closest to 1 on the interval the previous steps
// left, which for odd polynomials is also the best composition. Published generators know
// degrees 3 and 5; here any mix of odd degrees 3..13, because with symmetric products at
// half price degree 9 reduces the interval most per product (docs/numerics.md).
//
// One step is a Remez exchange. An odd polynomial with k coefficients has k-1 critical
// points on the positive axis at most, so the k+1 alternation points are the two ends and
// *all* critical points, and every exchange is a full one. The linear system is set up in
// Chebyshev polynomials of x^2 and solved in long double; intervals so narrow that the
// error is below 1e-13 take the limit, the Taylor (Pade) polynomial at the upper end.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_MINIMAX_H
#define MUON_POLYNOMIAL_MINIMAX_H

#include "muon/Polynomial/Band.h"

#include <vector>

namespace muon {

/// The two departures of Polar Express from plain minimax, with its semantics.
struct MinimaxOptions {
  /// s >= 1: all rows but the last are p(x/s), which lets sigma up to about s through.
  double safety = 1.0;
  /// 0 <= cushion < 1: a step never designs for less than cushion * u on [l, u]; where that
  /// is active the row is rescaled so that the image of [l, u] is centred on 1. Keeps
  /// p(x)/x from flattening, at the price of a wider band.
  double cushion = 0.0;
};

/// Table for singular values in [floor, 1], 0 < floor < 1, one row per entry of `degrees`,
/// each odd and in 3..13. Its name says how it was made, "minimax(0.01; 3,9,9)".
/// Arguments outside these ranges are a programming error: an empty table is returned.
Table generateMinimax(double floor, const std::vector<int> &degrees, MinimaxOptions options = {});

/// What generateMinimax(floor, degrees) maps [floor, 1] to: [1-e, 1+e].
Band minimaxBand(double floor, const std::vector<int> &degrees);

} // namespace muon

#endif // MUON_POLYNOMIAL_MINIMAX_H
