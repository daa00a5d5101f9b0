//===- Normaliser.h - What X is divided by, and how low it then reaches -------------*- C++ -*-===//
//
// A floor is a promise about singular values relative to the Frobenius norm. Divided by another
// normaliser they lie elsewhere in (0, 1], and a table has to serve that interval. The upper end is
// 1 for all of them; the lower end proven here holds for EVERY matrix, whatever its other singular
// values are, and no larger one does:
//
//   frobenius, trace  N = sqrt(sum s^2): l' = l.
//   schatten4         N^4 = sum s^4. With sum s^2 = 1 and one value t, the rest can at most be one
//                     value sqrt(1 - t^2): N^4 <= (1 - t^2)^2 + t^4, and t/N grows with t. So
//                     l' = l / ((1 - l^2)^2 + l^4)^(1/4), reached by a matrix of rank two: a gain of
//                     l^2/2, which is nothing. What is gained on a matrix depends on its other
//                     singular values: up to k^(1/4) for a flat spectrum.
//   aol               row i is divided by sqrt(sum_j |R_ij|), R = X X^T on the short side of length
//                     k. For tr R = 1 a row sum of |R| is <A, R> with A the symmetric part of
//                     e_i s^T, |s_j| = 1, so at most its largest eigenvalue (1 + sqrt k)/2. So
//                     l' = l sqrt(2/(1 + sqrt k)), lower than l: the price of a result that belongs
//                     to another matrix.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_NORMALISER_H
#define MUON_POLYNOMIAL_NORMALISER_H

#include <optional>
#include <string_view>

namespace muon {

enum class Normaliser { frobenius, trace, schatten4, aol };

/// By the name that the option `norm` of a step function has.
std::optional<Normaliser> lookupNormaliser(std::string_view name);

/// l' above: where singular values of at least floor * |X|_F, 0 < floor <= 1, begin after the
/// normaliser, for matrices with a short side of `shortSide`.
double reachableFloor(Normaliser normaliser, double floor, double shortSide);

} // namespace muon

#endif // MUON_POLYNOMIAL_NORMALISER_H
