//===- Recurrence.cpp -------------------------------------------------------------------------===//

#include "Recurrence.h"

#include "muon/Polynomial/GramPolynomials.h"

namespace muon {
namespace {

class Recurrence : public GramPolynomials<Recurrence, FloatMatrix> {
public:
  Recurrence(const Table &table, const FormChoice &choice, OperandType type, SumOrder order, int side)
      : GramPolynomials(table, choice), type(type), order(order), side(side) {}

  FloatMatrix standard(FloatMatrix x);
  FloatMatrix gram(FloatMatrix x);

  // The algebra.
  FloatMatrix identity(double scale = 1) const {
    FloatMatrix result(side, side);
    addIdentity(result, scale);
    return result;
  }
  FloatMatrix narrowed(FloatMatrix a) const {
    narrow(a, type);
    return a;
  }
  FloatMatrix multiply(const FloatMatrix &a, const FloatMatrix &b) const { return multiplySymmetric(a, b, order); }
  double ceilingBefore(int row) const { return computeBand({"", {rows.begin(), rows.begin() + row}}, 0, 1).upper; }

private:
  FloatMatrix formGram(const FloatMatrix &x) const { return narrowed(multiply(x, transpose(x))); }
  FloatMatrix apply(const FloatMatrix &p, const FloatMatrix &x) const {
    return muon::multiply(p, x, {order.run, order.run, order.inF16});
  }

  OperandType type;
  SumOrder order;
  int side;
};

FloatMatrix Recurrence::standard(FloatMatrix x) {
  int steps = int(rows.size());
  for (int row = 0, next; row < steps; row = next) {
    next = row + choice.rowsAt(row);
    auto [own, p] = standardStep(formGram(x), row);
    FloatMatrix product = fma(own, x, apply(narrowed(p), x));
    x = next < steps ? narrowed(std::move(product)) : std::move(product);
  }
  return x;
}

FloatMatrix Recurrence::gram(FloatMatrix x) {
  FloatMatrix r, q;
  double apart = 0; // the block's factor is apart I + Q
  auto applyFactor = [&] { return fma(apart, x, apply(q, x)); };
  int steps = int(rows.size());
  for (int row = 0, next; row < steps; row = next) {
    next = row + choice.rowsAt(row);
    if (choice.isRestart(row))
      x = narrowed(applyFactor());
    bool fresh = row == 0 || choice.isRestart(row);
    if (fresh)
      r = formGram(x);
    double half = slopeAt(row) / 2;
    FloatMatrix z = factor(r, row);
    auto advance = [&](const FloatMatrix &y) { return fma(half, y, multiply(z, y)); };
    if (!choice.endsBlock(next, steps))
      r = narrowed(advance(narrowed(advance(r))));
    if (fresh) {
      q = std::move(z);
      apart = half;
      continue;
    }
    FloatMatrix product = advance(q);
    if (apart != 0)
      product = fma(apart * half, identity(), fma(apart, z, std::move(product)));
    q = narrowed(std::move(product));
    apart = 0;
  }
  return applyFactor();
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
  Recurrence recurrence(table, choice, type, type == OperandType::f16Sums ? f16Sum : order, x.rows);
  return choice.form == FormChoice::standard ? recurrence.standard(std::move(x)) : recurrence.gram(std::move(x));
}

} // namespace muon
