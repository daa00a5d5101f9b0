//===- Eigenvalues.cpp ------------------------------------------------------------------------===//

#include "Eigenvalues.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace muon {

/// Applies the reflection I - v v^T / h (h = v.v / 2, v in the trailing rows from `begin`) to both
/// sides of the trailing block.
static void reflect(std::vector<double> &a, int n, int begin, const std::vector<double> &v, double h) {
  std::vector<double> w(n);
  double overlap = 0;
  for (int i = begin; i < n; ++i) {
    double sum = 0;
    for (int j = begin; j < n; ++j)
      sum += a[i * n + j] * v[j];
    w[i] = sum / h;
    overlap += v[i] * w[i];
  }
  for (int i = begin; i < n; ++i)
    w[i] -= overlap / (2 * h) * v[i];
  for (int i = begin; i < n; ++i)
    for (int j = begin; j < n; ++j)
      a[i * n + j] -= v[i] * w[j] + w[i] * v[j];
}

Spectrum::Spectrum(std::vector<double> a, int n) : diagonal(n), squaredOffDiagonal(n) {
  std::vector<double> v(n);
  for (int k = 0; k < n; ++k) {
    diagonal[k] = a[k * n + k];
    double square = 0;
    for (int i = k + 1; i < n; ++i)
      square += (v[i] = a[i * n + k]) * v[i];
    squaredOffDiagonal[k] = square;
    if (k + 2 >= n || square == 0)
      continue;
    double norm = std::copysign(std::sqrt(square), v[k + 1]);
    v[k + 1] += norm;
    reflect(a, n, k + 1, v, square + norm * (v[k + 1] - norm));
  }
  for (int k = 0; k < n; ++k) {
    double before = k > 0 ? std::sqrt(squaredOffDiagonal[k - 1]) : 0;
    radius = std::max(radius, std::abs(diagonal[k]) + before + std::sqrt(squaredOffDiagonal[k]));
  }
}

/// Negative pivots of the LDL^T factorisation of T - x (Sturm).
int Spectrum::countBelow(double x) const {
  int count = 0;
  double pivot = 1;
  for (int k = 0; k < size(); ++k) {
    pivot = diagonal[k] - x - (k > 0 ? squaredOffDiagonal[k - 1] / pivot : 0);
    if (pivot == 0)
      pivot = -std::numeric_limits<double>::min();
    count += pivot < 0;
  }
  return count;
}

double Spectrum::largest(int index) const {
  double lower = -radius, upper = radius, tolerance = 1e-15 * radius;
  while (upper - lower > tolerance) {
    double middle = lower + (upper - lower) / 2;
    if (middle <= lower || middle >= upper)
      break;
    (countBelow(middle) > size() - 1 - index ? upper : lower) = middle;
  }
  return lower + (upper - lower) / 2;
}

} // namespace muon
