//===- RealRoots.cpp --------------------------------------------------------------------------===//

#include "RealRoots.h"

#include <cmath>

namespace muon {

long double evaluatePolynomial(const std::vector<long double> &c, long double x) {
  long double value = 0;
  for (size_t i = c.size(); i-- > 0;)
    value = value * x + c[i];
  return value;
}

/// The root between `lower` and `upper`, where the polynomial has different signs. Stops when the
/// midpoint is no longer between them.
static long double bisect(const std::vector<long double> &c, long double lower, long double upper) {
  bool rising = evaluatePolynomial(c, lower) < 0;
  for (;;) {
    long double middle = lower + (upper - lower) / 2;
    if (middle <= lower || middle >= upper)
      return middle;
    ((evaluatePolynomial(c, middle) < 0) == rising ? lower : upper) = middle;
  }
}

std::vector<long double> realRoots(const std::vector<long double> &c, long double lower, long double upper) {
  if (c.size() < 2)
    return {};
  std::vector<long double> derivative;
  for (size_t i = 1; i < c.size(); ++i)
    derivative.push_back(i * c[i]);
  std::vector<long double> ends{lower};
  for (long double root : realRoots(derivative, lower, upper))
    ends.push_back(root);
  ends.push_back(upper);

  std::vector<long double> roots;
  for (size_t i = 0; i + 1 < ends.size(); ++i)
    if ((evaluatePolynomial(c, ends[i]) < 0) != (evaluatePolynomial(c, ends[i + 1]) < 0))
      roots.push_back(bisect(c, ends[i], ends[i + 1]));
  return roots;
}

std::vector<long double> criticalPoints(const std::vector<long double> &c, long double lower, long double upper) {
  // p'(x) is a polynomial in x^2.
  std::vector<long double> derivative;
  for (size_t i = 0; i < c.size(); ++i)
    derivative.push_back((2 * i + 1) * c[i]);
  std::vector<long double> points;
  for (long double square : realRoots(derivative, lower * lower, upper * upper))
    points.push_back(std::sqrt(square));
  return points;
}

} // namespace muon
