//===- Minimax.cpp ----------------------------------------------------------------------------===//

#include "muon/Polynomial/Minimax.h"
#include "RealRoots.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

namespace muon {
namespace {

using Vector = std::vector<long double>;

/// Coefficients of x^(2i+1) and the largest |1 - p| on the interval.
struct Approximation {
  Vector c;
  long double error;
};

/// Solves a (row-major n x n) x = b by elimination with row pivoting.
Vector solve(Vector a, Vector b) {
  size_t n = b.size();
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k]))
        pivot = i;
    for (size_t j = 0; j < n; ++j)
      std::swap(a[k * n + j], a[pivot * n + j]);
    std::swap(b[k], b[pivot]);
    for (size_t i = k + 1; i < n; ++i) {
      long double factor = a[i * n + k] / a[k * n + k];
      for (size_t j = k; j < n; ++j)
        a[i * n + j] -= factor * a[k * n + j];
      b[i] -= factor * b[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; ++j)
      b[k] -= a[k * n + j] * b[j];
    b[k] /= a[k * n + k];
  }
  return b;
}

/// sum_i g[i] T_i(slope t + offset) as coefficients of t^i.
Vector chebyshevToPowers(const Vector &g, long double slope, long double offset) {
  size_t k = g.size();
  Vector previous(k), current(k), sum(k);
  current[0] = 1;
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < k; ++j)
      sum[j] += g[i] * current[j];
    long double twice = i == 0 ? 1 : 2;
    Vector next(k);
    for (size_t j = 0; j < k; ++j) {
      next[j] = twice * offset * current[j] - previous[j];
      if (j > 0)
        next[j] += twice * slope * current[j - 1];
    }
    previous = current;
    current = next;
  }
  return sum;
}

/// y sum_j binom(2j, j) / 4^j (1 - y^2)^j, k terms: agrees with sign(y) to order k at y = 1.
Vector padeCoefficients(size_t k) {
  Vector c(k), power(k); // power = (1 - t)^j
  power[0] = 1;
  long double weight = 1;
  for (size_t j = 0; j < k; ++j) {
    for (size_t i = 0; i < k; ++i)
      c[i] += weight * power[i];
    for (size_t i = k; i-- > 1;)
      power[i] -= power[i - 1];
    weight *= (2 * j + 1) / (2.0L * (j + 1));
  }
  return c;
}

long double evaluateOdd(const Vector &c, long double x) { return x * evaluatePolynomial(c, x * x); }

/// The odd polynomial with k coefficients that takes the values 1 - e, 1 + e, 1 - e, ... at k + 1
/// points of [ratio, 1].
Approximation alternate(const Vector &points, long double ratio) {
  size_t k = points.size() - 1, n = k + 1;
  long double low = ratio * ratio, slope = 2 / (1 - low), offset = -(1 + low) / (1 - low);
  Vector a(n * n), b(n, 1);
  for (size_t j = 0; j < n; ++j) {
    long double y = points[j], s = std::clamp(slope * y * y + offset, -1.0L, 1.0L);
    for (size_t i = 0; i < k; ++i)
      a[j * n + i] = y * std::cos(i * std::acos(s));
    a[j * n + k] = j % 2 == 0 ? 1 : -1;
  }
  Vector g = solve(a, b);
  long double error = g.back();
  g.pop_back();
  return {chebyshevToPowers(g, slope, offset), error};
}

/// Best odd approximation to 1 on [ratio, 1] with k coefficients.
Approximation bestOnUnit(long double ratio, size_t k) {
  // Where even the Taylor polynomial is this good, the exchange would only amplify rounding.
  if (std::pow(1 - ratio * ratio, static_cast<long double>(k)) < 1e-13L) {
    Vector c = padeCoefficients(k);
    return {c, 1 - evaluateOdd(c, ratio)};
  }
  Vector points(k + 1);
  for (size_t j = 0; j <= k; ++j)
    points[j] = ratio + (1 - ratio) * (1 - std::cos(std::numbers::pi_v<long double> * j / k)) / 2;
  Approximation best;
  constexpr int enoughExchanges = 60; // 4-8 are usual; the limit only ends a rounding cycle
  for (int exchange = 0; exchange < enoughExchanges; ++exchange) {
    best = alternate(points, ratio);
    Vector next{ratio};
    for (long double x : criticalPoints(best.c, ratio, 1))
      next.push_back(x);
    next.push_back(1);
    if (next.size() != points.size())
      break;
    long double worst = 0;
    for (long double x : next)
      worst = std::max(worst, std::abs(1 - evaluateOdd(best.c, x)));
    points = next;
    if (worst <= std::abs(best.error) * (1 + 1e-13L) + 1e-18L)
      break;
  }
  return best;
}

/// Best odd polynomial of this degree on [lower, upper].
Approximation bestOn(long double lower, long double upper, int degree) {
  Approximation best = bestOnUnit(lower / upper, (degree + 1) / 2);
  divideArgument(best.c, upper);
  return best;
}

long double largestValue(const Vector &c, long double lower, long double upper) {
  long double largest = std::max(evaluateOdd(c, lower), evaluateOdd(c, upper));
  for (long double x : criticalPoints(c, lower, upper))
    largest = std::max(largest, evaluateOdd(c, x));
  return largest;
}

bool validArguments(double floor, const std::vector<int> &degrees, const MinimaxOptions &options) {
  bool degreesFit = std::all_of(degrees.begin(), degrees.end(),
                                [](int degree) { return degree % 2 == 1 && degree >= 3 && degree <= 13; });
  return degreesFit && floor > 0 && floor < 1 && options.safety >= 1 && options.cushion >= 0 && options.cushion < 1;
}

std::string describe(double floor, const std::vector<int> &degrees, const MinimaxOptions &options) {
  char text[96];
  std::snprintf(text, sizeof text, "minimax(%g;", floor);
  std::string name = text;
  for (size_t i = 0; i < degrees.size(); ++i)
    name += (i == 0 ? " " : ",") + std::to_string(degrees[i]);
  if (options.safety != 1 || options.cushion != 0) {
    std::snprintf(text, sizeof text, "; safety %g, cushion %g", options.safety, options.cushion);
    name += text;
  }
  return name + ")";
}

} // namespace

Table generateMinimax(double floor, const std::vector<int> &degrees, MinimaxOptions options) {
  if (!validArguments(floor, degrees, options))
    return {};
  Table table{describe(floor, degrees, options), {}};
  long double lower = floor, upper = 1;
  for (size_t step = 0; step < degrees.size(); ++step) {
    long double cushioned = std::max(lower, options.cushion * upper);
    Vector c = bestOn(cushioned, upper, degrees[step]).c;
    if (cushioned > lower) {
      // The image of [lower, upper] reaches below that of [cushioned, upper]: centre it on 1.
      long double scale = 2 / (evaluateOdd(c, lower) + largestValue(c, lower, upper));
      for (long double &value : c)
        value *= scale;
    }
    if (step + 1 < degrees.size())
      divideArgument<long double>(c, options.safety);
    table.rows.push_back({{c.begin(), c.end()}});
    // What the row, rounded to double, really does: the next row is steep at its upper end (a
    // degree-13 row multiplies an overshoot there by about 80), so 1e-12 here is 1e-3 five rows on.
    Band image = computeBand({{}, {table.rows.back()}}, lower, upper);
    lower = std::min<long double>(evaluateOdd(c, lower), image.lower);
    upper = std::max<long double>(2 - lower, image.upper);
  }
  return table;
}

Band minimaxBand(double floor, const std::vector<int> &degrees) {
  if (!validArguments(floor, degrees, {}))
    return {0, 0};
  long double lower = floor, upper = 1;
  for (int degree : degrees) {
    long double error = std::abs(bestOn(lower, upper, degree).error);
    lower = 1 - error;
    upper = 1 + error;
  }
  return {static_cast<double>(lower), static_cast<double>(upper)};
}

} // namespace muon
