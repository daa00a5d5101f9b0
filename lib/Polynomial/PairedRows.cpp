//===- PairedRows.cpp -------------------------------------------------------------------------===//

#include "muon/Polynomial/PairedRows.h"
#include "Known.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

namespace muon {
namespace {

/// Coefficients, the constant first.
using Polynomial = std::vector<double>;
using Combination = PairedRows::Combination;

Polynomial times(const Polynomial &a, const Polynomial &b) {
  Polynomial product(a.size() + b.size() - 1);
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < b.size(); ++j)
      product[i + j] += a[i] * b[j];
  return product;
}

/// c0 + c1 s + c2 s^2.
Polynomial quadratic(const std::vector<double> &c, const Polynomial &s) {
  Polynomial result = times(s, s);
  for (double &coefficient : result)
    coefficient *= c[2];
  for (size_t i = 0; i < s.size(); ++i)
    result[i] += c[1] * s[i];
  result[0] += c[0];
  return result;
}

template <typename Coefficients> double evaluate(const Coefficients &c, double t) {
  double sum = 0;
  for (size_t i = c.size(); i-- > 0;)
    sum = sum * t + c[i];
  return sum;
}

/// The part of degree above 3 of a polynomial of degree 6, as the square of a cubic with this constant term; and what
/// is left, a cubic.
struct Square {
  Combination root, rest;

  Square(const Polynomial &whole, double constant) {
    root[3] = std::sqrt(whole[6]);
    root[2] = whole[5] / (2 * root[3]);
    root[1] = (whole[4] - root[2] * root[2]) / (2 * root[3]);
    root[0] = constant;
    for (int power = 0; power < 4; ++power) {
      rest[power] = whole[power];
      for (int i = 0; i <= power; ++i)
        rest[power] -= root[i] * root[power - i];
    }
  }
};

/// What is left to choose, in units of what the polynomials reach: L's leading coefficient, which M's constant term
/// decides, and the constant terms of N and L.
struct Freedom {
  double m, n, l;
};

/// One pair of rows, and the schemes that evaluate it.
class Pair {
public:
  Pair(const Row &first, const Row &second, double ceiling)
      : first(first), second(second), extent(ceiling * ceiling), slope(first.c[0] * second.c[0]) {}

  PairedRows choose() const;

private:
  /// What does not depend on the constant terms.
  struct Shifted {
    double shift;
    Polynomial h;
    /// M from its second coefficient on.
    Polynomial m;
    double largest; // |h|
  };
  Shifted shiftBy(double shift) const;
  PairedRows search(const Shifted &shifted) const;
  PairedRows scheme(const Shifted &shifted, const Freedom &freedom) const;
  double bound(const PairedRows &scheme) const;

  static constexpr int samples = 48;
  const Row &first, &second;
  double extent, slope;
};

Pair::Shifted Pair::shiftBy(double shift) const {
  Polynomial r{shift, 1}, p = quadratic(first.c, r);
  Polynomial h = times(quadratic(second.c, times(r, times(p, p))), p), m(7);
  m[6] = std::sqrt(h[12]);
  for (int k = 5; k > 0; --k) {
    double known = 0;
    for (int i = k + 1; i < 6; ++i)
      known += m[i] * m[6 + k - i];
    m[k] = (h[6 + k] - known) / (2 * m[6]);
  }
  double largest = 0;
  for (int i = 0; i <= samples; ++i)
    largest = std::max(largest, std::abs(evaluate(h, extent * i / samples - shift)));
  return {shift, std::move(h), std::move(m), largest};
}

PairedRows Pair::scheme(const Shifted &shifted, const Freedom &freedom) const {
  // Halfway to the end L's cubic term is then freedom.m times as large as the root of h.
  double half = extent / 2, root = std::sqrt(shifted.largest), lead = freedom.m * root / (half * half * half);
  Polynomial m = shifted.m, left(7);
  double middle = 0;
  for (int i = 1; i < 6; ++i)
    middle += m[i] * m[6 - i];
  m[0] = (shifted.h[6] - middle + lead * lead) / (2 * m[6]);
  for (int power = 0; power <= 6; ++power) {
    left[power] = -shifted.h[power];
    for (int i = 0; i <= power; ++i)
      left[power] += m[i] * m[power - i];
  }
  Square l(left, freedom.l * root), n(m, freedom.n * std::sqrt(root));
  // In T2 T there, in N here.
  auto inN = [&](const Combination &c) {
    double share = c[3] / n.root[3];
    return Combination{c[0] - share * n.root[0], c[1] - share * n.root[1], c[2] - share * n.root[2], share};
  };
  PairedRows pair{slope, shifted.shift, n.root, {}, {}, {}, 0};
  for (int i = 0; i < 4; ++i) {
    pair.a[i] = n.rest[i] + l.root[i];
    pair.b[i] = n.rest[i] - l.root[i];
    pair.rest[i] = -l.rest[i];
  }
  pair.rest[0] -= slope;
  pair.a = inN(pair.a), pair.b = inN(pair.b), pair.rest = inN(pair.rest);
  pair.rounding = bound(pair);
  return pair;
}

/// The sum over all stored matrices of their largest value times the largest derivative of h by them, on [0, extent].
double Pair::bound(const PairedRows &pair) const {
  struct Reach {
    double value = 0, derivative = 0;
    double product() const { return value * derivative; }
  } t, t2, n, a, b;
  double h = 0;
  auto widen = [](Reach &reach, double value, double derivative) {
    reach.value = std::max(reach.value, std::abs(value));
    reach.derivative = std::max(reach.derivative, std::abs(derivative));
  };
  for (int i = 0; i <= samples; ++i) {
    double x = extent * i / samples - pair.shift, y = x * x, z = evaluate(pair.n, x);
    auto combine = [&](const Combination &c) { return c[0] + c[1] * x + c[2] * y + c[3] * z; };
    double left = z * z + combine(pair.a), right = z * z + combine(pair.b);
    auto through = [&](int i) { return pair.a[i] * right + pair.b[i] * left + pair.rest[i]; };
    double byN = 2 * z * (left + right) + through(3);
    double byT2 = through(2) + byN * (pair.n[2] + pair.n[3] * x);
    double byT = through(1) + byN * (pair.n[1] + pair.n[3] * y) + byT2 * 2 * x;
    h = std::max(h, std::abs(left * right + combine(pair.rest)));
    widen(a, left, right);
    widen(b, right, left);
    widen(n, z, byN);
    widen(t2, y, byT2);
    widen(t, pair.shift == 0 ? 0 : x, byT); // R itself is not rounded again
  }
  return h + a.product() + b.product() + n.product() + t2.product() + t.product();
}

/// A grid, then steps along the three axes, halved where none helps. No randomness: the same scheme everywhere.
/// Published tables take tens of rounds; where the last coefficients vanish the bound falls without end, and emulation
/// refuses what comes of it.
PairedRows Pair::search(const Shifted &shifted) const {
  Freedom at{};
  PairedRows best{};
  best.rounding = std::numeric_limits<double>::infinity();
  auto consider = [&](const Freedom &freedom) {
    PairedRows found = scheme(shifted, freedom);
    if (!(found.rounding < best.rounding))
      return false;
    best = found, at = freedom;
    return true;
  };
  for (double m : {0.1, 0.25, 0.5, 1.0, 2.0})
    for (double n : {-1.0, -0.5, 0.0, 0.5, 1.0})
      for (double l : {-1.0, -0.5, 0.0, 0.5, 1.0})
        consider({m, n, l});
  constexpr int mostRounds = 200;
  double step = 0.25;
  for (int round = 0; step > 0.01 && round < mostRounds; ++round) {
    Freedom from = at;
    bool isBetter = false;
    for (double way : {-step, step}) {
      isBetter |= from.m + way > 0 && consider({from.m + way, from.n, from.l});
      isBetter |= consider({from.m, from.n + way, from.l});
      isBetter |= consider({from.m, from.n, from.l + way});
    }
    if (!isBetter)
      step /= 2;
  }
  return best;
}

PairedRows Pair::choose() const {
  PairedRows unshifted = search(shiftBy(0)), centred = search(shiftBy(extent / 2));
  return centred.rounding < unshifted.rounding ? centred : unshifted;
}

} // namespace

bool canPair(const Row &first, const Row &second) {
  return first.degree() == 5 && second.degree() == 5 && first.c[2] * second.c[2] > 0;
}

PairedRows pairRows(const Row &first, const Row &second, double ceiling) {
  static Known<std::tuple<std::vector<double>, std::vector<double>, double>, PairedRows> known;
  return known.lookup({first.c, second.c, ceiling}, [&] { return Pair(first, second, ceiling).choose(); });
}

} // namespace muon
