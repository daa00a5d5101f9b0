//===- Eigenvalues.h - Eigenvalues of a symmetric matrix ----------------------------*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_EIGENVALUES_H
#define MUON_LIB_POLYNOMIAL_EIGENVALUES_H

#include <vector>

namespace muon {

/// A symmetric tridiagonal matrix with the eigenvalues of a full one (Householder reflections).
/// Single eigenvalues are then found by counting sign changes, which is all the emulation needs:
/// the largest and the smallest promised one.
class Spectrum {
public:
  /// `a` is symmetric, row-major n x n, finite; destroyed.
  Spectrum(std::vector<double> a, int n);

  int size() const { return static_cast<int>(diagonal.size()); }
  /// The index-th largest eigenvalue, index 0 .. size-1, to about 1e-15 of the largest.
  double largest(int index) const;

private:
  int countBelow(double x) const;

  std::vector<double> diagonal, squaredOffDiagonal;
  double radius = 0; // no eigenvalue is larger in magnitude
};

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_EIGENVALUES_H
