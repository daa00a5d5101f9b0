//===- RealRoots.h - All real roots of a polynomial in an interval ------------------*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_REALROOTS_H
#define MUON_LIB_POLYNOMIAL_REALROOTS_H

#include <vector>

namespace muon {

/// sum_i c[i] x^i.
long double evaluatePolynomial(const std::vector<long double> &c, long double x);

/// The roots of sum_i c[i] x^i at which it changes sign, in (lower, upper), ascending. Between two
/// neighbouring roots of the derivative a polynomial is monotone, so each such piece holds one root
/// at most and bisection finds it; the derivative's roots come from the same function.
std::vector<long double> realRoots(const std::vector<long double> &c, long double lower, long double upper);

/// Critical points x > 0 of the odd polynomial sum_i c[i] x^(2i+1) inside (lower, upper), 0 <=
/// lower.
std::vector<long double> criticalPoints(const std::vector<long double> &c, long double lower, long double upper);

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_REALROOTS_H
