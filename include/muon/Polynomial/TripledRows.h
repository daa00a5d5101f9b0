//===- TripledRows.h - Three quintic rows evaluated as one --------------------------*- C++ -*-===//
//
// Three rows multiply X by one polynomial h(R) of degree 62. On [0, 1] nearly all of that degree is idle: Chebyshev
// polynomials of R up to degree 37 reach Keller's h to 1e-5 of its largest value, and six symmetric products have
// enough freedom for those. Row by row h takes nine, the first two rows as a pair (PairedRows.h) eight:
//   L0 = M0 = R,   then five times   D = L M,   L' = <left>,   M' = <right>,   at last   D = L M,   h = <result>
// where <v> = v0 I + v1 R + v2 L + v3 M + v4 D is added by the epilogue of the product D.
//
// No closed form is known, so schemes are data: tools/search_triples.py finds them, and says how. What is stored here
// differs from the rows by at most 2.4e-5 of h at every point of [0, 1] (MuonPolynomialTests
// --gtest_filter='TripleRows.*'), and its coefficients are below 5: rounding does no more than that difference does.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_TRIPLED_ROWS_H
#define MUON_POLYNOMIAL_TRIPLED_ROWS_H

#include "muon/Polynomial/Table.h"

#include <array>

namespace muon {

struct TripledRows {
  /// Of I, R, L, M and D.
  using Combination = std::array<double, 5>;
  struct Step {
    Combination left, right;
  };
  std::array<Step, 5> steps;
  Combination result;
};

/// The scheme for the rows first, first + 1 and first + 2; null where none is known, which is everywhere but for the
/// first three rows of a table that begins with Keller's three times: they see no singular value above 1.
const TripledRows *findTriple(const std::vector<Row> &rows, int first);

} // namespace muon

#endif // MUON_POLYNOMIAL_TRIPLED_ROWS_H
