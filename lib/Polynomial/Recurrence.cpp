//===- Recurrence.cpp -----------------------------------------------------===//

#include "Recurrence.h"

#include <algorithm>

namespace muon {
namespace {

class Recurrence {
public:
  Recurrence(const Table &table, OperandType type, SumOrder order) : table(table), type(type), order(order) {}

  FloatMatrix standard(FloatMatrix x, bool centred) const;
  FloatMatrix gram(FloatMatrix x, const std::vector<int> &restarts) const;

private:
  FloatMatrix narrowed(FloatMatrix a) const {
    narrow(a, type);
    return a;
  }
  FloatMatrix formGram(const FloatMatrix &x) const {
    return narrowed(symmetric(x, transpose(x)));
  }
  FloatMatrix oddPart(const FloatMatrix &r, const std::vector<double> &c) const;
  FloatMatrix oddPartByCubes(const FloatMatrix &r, const std::vector<double> &c) const;
  FloatMatrix centredPart(FloatMatrix r, const std::vector<double> &g, double ceiling) const;
  FloatMatrix factor(const FloatMatrix &r, const std::vector<double> &c) const;

  FloatMatrix times(const FloatMatrix &a, const FloatMatrix &b) const { return multiply(a, b, {order.run, order.run}); }
  FloatMatrix symmetric(const FloatMatrix &a, const FloatMatrix &b) const { return multiplySymmetric(a, b, order); }

  const Table &table;
  OperandType type;
  SumOrder order;
};

/// P(R) of degree 3 to 9, in f32.
FloatMatrix Recurrence::oddPart(const FloatMatrix &r, const std::vector<double> &c) const {
  if (c.size() > 5)
    return oddPartByCubes(r, c);
  FloatMatrix p(r.rows, r.columns);
  if (c.size() == 2) {
    addTerms(p, {{c[1], &r}});
    return p;
  }
  FloatMatrix square = symmetric(r, r);
  if (c.size() == 3) {
    addTerms(p, {{c[2], &square}, {c[1], &r}});
    return p;
  }
  // The epilogue of R R leaves both R2 and c3 R + c4 R2.
  FloatMatrix inner(r.rows, r.columns);
  addTerms(inner, {{c.size() > 4 ? c[4] : 0, &square}, {c[3], &r}});
  narrow(inner, type);
  narrow(square, type);
  p = symmetric(square, inner);
  addTerms(p, {{c[2], &square}, {c[1], &r}});
  return p;
}

/// P(R) of degree 11 and 13, in f32.
FloatMatrix Recurrence::oddPartByCubes(const FloatMatrix &r, const std::vector<double> &c) const {
  FloatMatrix square = narrowed(symmetric(r, r));
  FloatMatrix cube = symmetric(square, r);
  FloatMatrix inner(r.rows, r.columns);
  addTerms(inner, {{c.size() > 6 ? c[6] : 0, &cube}, {c[5], &square}, {c[4], &r}});
  narrow(inner, type);
  narrow(cube, type);
  FloatMatrix p = symmetric(cube, inner);
  addTerms(p, {{c[3], &cube}, {c[2], &square}, {c[1], &r}});
  return p;
}

/// g holds 4 or 5 coefficients.
FloatMatrix Recurrence::centredPart(FloatMatrix r, const std::vector<double> &g, double ceiling) const {
  FloatMatrix first(r.rows, r.columns), second(r.rows, r.columns), inner(r.rows, r.columns);
  addTerms(first, {{2 / (ceiling * ceiling), &r}});
  addIdentity(first, -1);
  narrow(first, type);
  FloatMatrix square = symmetric(first, first);
  addTerms(second, {{2, &square}});
  addIdentity(second, -1);
  narrow(second, type);
  double last = g.size() > 4 ? g[4] : 0;
  addTerms(inner, {{2 * last, &second}, {2 * g[3], &first}});
  narrow(inner, type);
  FloatMatrix p = symmetric(second, inner);
  addTerms(p, {{g[2], &second}, {g[1] - g[3], &first}});
  return p;
}

FloatMatrix Recurrence::standard(FloatMatrix x, bool centred) const {
  for (size_t step = 0; step < table.rows.size(); ++step) {
    const Row &row = table.rows[step];
    double own = row.c[0];
    FloatMatrix p = formGram(x);
    if (centred && isCentred(row)) {
      double ceiling = computeBand({"", {table.rows.begin(), table.rows.begin() + ptrdiff_t(step)}}, 0, 1).upper;
      std::vector<double> g = chebyshevCoefficients(row, ceiling);
      own = g[0] - (g.size() > 4 ? g[4] : 0);
      p = centredPart(std::move(p), g, ceiling);
    } else {
      p = oddPart(p, row.c);
    }
    FloatMatrix next = times(narrowed(std::move(p)), x);
    addTerms(next, {{own, &x}});
    x = step + 1 < table.rows.size() ? narrowed(std::move(next)) : std::move(next);
  }
  return x;
}

/// Z - a/2 I, narrowed.
FloatMatrix Recurrence::factor(const FloatMatrix &r, const std::vector<double> &c) const {
  FloatMatrix z = oddPart(r, c);
  addIdentity(z, c[0] / 2);
  return narrowed(std::move(z));
}

FloatMatrix Recurrence::gram(FloatMatrix x, const std::vector<int> &restarts) const {
  int steps = table.steps();
  auto isRestart = [&](int step) {
    return std::find(restarts.begin(), restarts.end(), step) != restarts.end();
  };
  FloatMatrix r, q;
  double identity = 0; // the block's factor is identity I + Q
  auto applyTo = [&](const FloatMatrix &y) {
    FloatMatrix next = times(q, y);
    addTerms(next, {{identity, &y}});
    return next;
  };
  for (int step = 0; step < steps; ++step) {
    double half = table.rows[step].c[0] / 2;
    if (isRestart(step))
      x = narrowed(applyTo(x));
    bool fresh = step == 0 || isRestart(step);
    if (fresh)
      r = formGram(x);
    FloatMatrix z = factor(r, table.rows[step].c);
    auto advance = [&](const FloatMatrix &y) {
      FloatMatrix next = symmetric(z, y);
      addTerms(next, {{half, &y}});
      return next;
    };
    if (step + 1 < steps && !isRestart(step + 1))
      r = narrowed(advance(narrowed(advance(r))));
    if (fresh) {
      q = std::move(z);
      identity = half;
      continue;
    }
    FloatMatrix product = advance(q);
    addTerms(product, {{identity, &z}});
    addIdentity(product, identity * half);
    q = narrowed(std::move(product));
    identity = 0;
  }
  return applyTo(x);
}

} // namespace

std::vector<double> chebyshevCoefficients(const Row &row, double ceiling) {
  size_t n = row.c.size();
  std::vector<double> g(n);
  double half = ceiling * ceiling / 2;
  for (size_t i = n; i-- > 0;) { // Horner: g <- half (1 + T1) g + c, with T1 T_k = (T_(k+1) + T_|k-1|)/2
    std::vector<double> next(n);
    for (size_t k = 0; k + 1 < n; ++k) {
      next[k] += half * g[k];
      next[k + 1] += half * g[k] / 2;
      next[k == 0 ? 1 : k - 1] += half * g[k] / 2;
    }
    next[0] += row.c[i];
    g = next;
  }
  return g;
}

FloatMatrix runRecurrence(const Table &table, const FormChoice &choice, OperandType type,
                          FloatMatrix x, SumOrder order) {
  narrow(x, type);
  Recurrence recurrence(table, type, order);
  return choice.form == FormChoice::standard ? recurrence.standard(std::move(x), choice.centred)
                                             : recurrence.gram(std::move(x), choice.restarts);
}

} // namespace muon
