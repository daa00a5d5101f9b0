//===- Recurrence.cpp -------------------------------------------------------------------------===//

#include "Recurrence.h"

#include "muon/Polynomial/PairedRows.h"

namespace muon {
namespace {

class Recurrence {
public:
  Recurrence(const Table &table, const FormChoice &choice, OperandType type, SumOrder order)
      : table(table), choice(choice), type(type), order(order) {}

  FloatMatrix standard(FloatMatrix x) const;
  FloatMatrix gram(FloatMatrix x) const;

private:
  FloatMatrix narrowed(FloatMatrix a) const {
    narrow(a, type);
    return a;
  }
  FloatMatrix formGram(const FloatMatrix &x) const { return narrowed(symmetric(x, transpose(x))); }
  FloatMatrix oddPart(const FloatMatrix &r, const std::vector<double> &c) const;
  FloatMatrix oddPartByCubes(const FloatMatrix &r, const std::vector<double> &c) const;
  FloatMatrix centredPart(FloatMatrix r, const std::vector<double> &g, double ceiling) const;
  FloatMatrix pairedPart(FloatMatrix r, const PairedRows &pair) const;
  FloatMatrix factor(FloatMatrix r, int row) const;
  double slopeAt(int row) const;
  /// The largest singular value that the rows before `row` leave.
  double ceilingAt(int row) const {
    return computeBand({"", {table.rows.begin(), table.rows.begin() + row}}, 0, 1).upper;
  }

  FloatMatrix times(const FloatMatrix &a, const FloatMatrix &b) const {
    return multiply(a, b, {order.run, order.run, order.inF16});
  }
  FloatMatrix symmetric(const FloatMatrix &a, const FloatMatrix &b) const { return multiplySymmetric(a, b, order); }

  const Table &table;
  const FormChoice &choice;
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

/// P(R) of two rows, in f32.
FloatMatrix Recurrence::pairedPart(FloatMatrix r, const PairedRows &pair) const {
  if (pair.shift != 0)
    addIdentity(r, -pair.shift);
  FloatMatrix first = narrowed(std::move(r)), second = narrowed(symmetric(first, first));
  FloatMatrix product = symmetric(second, first), cubic(product.rows, product.columns);
  addTerms(cubic, {{pair.n[3], &product}, {pair.n[2], &second}, {pair.n[1], &first}});
  addIdentity(cubic, pair.n[0]);
  narrow(cubic, type);
  auto plus = [&](FloatMatrix sum, const PairedRows::Combination &c) {
    addTerms(sum, {{c[3], &cubic}, {c[2], &second}, {c[1], &first}});
    addIdentity(sum, c[0]);
    return sum;
  };
  FloatMatrix square = symmetric(cubic, cubic);
  FloatMatrix left = narrowed(plus(square, pair.a)), right = narrowed(plus(std::move(square), pair.b));
  return plus(symmetric(left, right), pair.rest);
}

double Recurrence::slopeAt(int row) const {
  double slope = table.rows[row].c[0];
  return choice.rowsAt(row) == 2 ? slope * table.rows[row + 1].c[0] : slope;
}

FloatMatrix Recurrence::standard(FloatMatrix x) const {
  for (int row = 0, next; row < table.steps(); row = next) {
    next = row + choice.rowsAt(row);
    double own = slopeAt(row);
    FloatMatrix p = formGram(x);
    if (next - row == 2) {
      own /= 2;
      p = factor(std::move(p), row);
    } else if (choice.centred && isCentred(table.rows[row])) {
      std::vector<double> g = chebyshevCoefficients(table.rows[row], ceilingAt(row));
      own = g[0] - (g.size() > 4 ? g[4] : 0);
      p = narrowed(centredPart(std::move(p), g, ceilingAt(row)));
    } else {
      p = narrowed(oddPart(p, table.rows[row].c));
    }
    FloatMatrix product = times(p, x);
    addTerms(product, {{own, &x}});
    x = next < table.steps() ? narrowed(std::move(product)) : std::move(product);
  }
  return x;
}

/// Z = a/2 I + P(R), narrowed.
FloatMatrix Recurrence::factor(FloatMatrix r, int row) const {
  bool isPair = choice.rowsAt(row) == 2;
  FloatMatrix z = isPair ? pairedPart(std::move(r), pairRows(table.rows[row], table.rows[row + 1], ceilingAt(row)))
                         : oddPart(r, table.rows[row].c);
  addIdentity(z, slopeAt(row) / 2);
  return narrowed(std::move(z));
}

FloatMatrix Recurrence::gram(FloatMatrix x) const {
  FloatMatrix r, q;
  double identity = 0; // the block's factor is identity I + Q
  auto applyTo = [&](const FloatMatrix &y) {
    FloatMatrix product = times(q, y);
    addTerms(product, {{identity, &y}});
    return product;
  };
  for (int row = 0, next; row < table.steps(); row = next) {
    next = row + choice.rowsAt(row);
    double half = slopeAt(row) / 2;
    if (choice.isRestart(row))
      x = narrowed(applyTo(x));
    bool fresh = row == 0 || choice.isRestart(row);
    if (fresh)
      r = formGram(x);
    FloatMatrix z = factor(r, row);
    auto advance = [&](const FloatMatrix &y) {
      FloatMatrix product = symmetric(z, y);
      addTerms(product, {{half, &y}});
      return product;
    };
    if (!choice.endsBlock(next, table.steps()))
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

FloatMatrix runRecurrence(const Table &table, const FormChoice &choice, OperandType type, FloatMatrix x,
                          SumOrder order) {
  narrow(x, type);
  Recurrence recurrence(table, choice, type, type == OperandType::f16Sums ? f16Sum : order);
  return choice.form == FormChoice::standard ? recurrence.standard(std::move(x)) : recurrence.gram(std::move(x));
}

} // namespace muon
