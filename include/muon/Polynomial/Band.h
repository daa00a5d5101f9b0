//===- Band.h - Where a table sends an interval of singular values ------------------*- C++ -*-===//
//
// The image of an interval under a continuous function is an interval, and the image of
// a composition is the image of the image. So the band of a table needs no search over
// the composed polynomial (degree 5^5 for five quintics): each row maps the interval
// [l, u] to [min p, max p], both reached at an end or at a real root of p'. The roots are
// isolated between the roots of the next derivative and refined by bisection. The result
// is exact up to double rounding; nothing is sampled.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_BAND_H
#define MUON_POLYNOMIAL_BAND_H

#include "muon/Polynomial/Table.h"

namespace muon {

/// An interval of singular values, lower <= upper.
struct Band {
  double lower, upper;

  double ratio() const { return upper / lower; }
  bool contains(double value) const { return lower <= value && value <= upper; }
};

/// Image of [floor, ceiling] under the composed table. 0 <= floor <= ceiling. A table that
/// diverges there gives magnitudes of 1e15 (values are saturated, never infinite or NaN).
Band computeBand(const Table &table, double floor, double ceiling = 1.0);

/// Empty if the table keeps every sigma in (0, ceiling] finite, positive and below 2;
/// otherwise one line naming the first sub-interval of sigma where it does not:
///   table 'aol_eo' changes sign for sigma in [0.884, 1]
///   table 'polar_express' diverges for sigma in [1.0004, 1.02]
/// `ceiling` is the largest singular value the normaliser lets through: 1 for a Frobenius
/// norm taken in f32 or better, less by the safety factor, more for a norm that
/// underestimates.
std::string checkDomain(const Table &table, double ceiling);

/// Empty if the table takes every sigma of [floor, ceiling] into `band`; otherwise one line naming
/// the first sub-interval of sigma where it does not, and what comes out there:
///   table 'you5' maps sigma in [0.1, 0.2245] to [0.0642, 0.0999], outside [0.7, 1.3]
/// A table cut or cycled by hand, or made for another floor, ends here.
std::string checkBand(const Table &table, Band band, double floor, double ceiling = 1.0);

/// Largest x <= limit such that |p| < bound on all of [0, x].
double largestSigma(const Table &table, double bound = 2.0, double limit = 16.0);

} // namespace muon

#endif // MUON_POLYNOMIAL_BAND_H
