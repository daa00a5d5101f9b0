//===- Recurrence.cpp -----------------------------------------------------===//

#include "Recurrence.h"

#include <algorithm>

namespace muon {
namespace {

class Recurrence {
public:
  Recurrence(const Table &table, OperandType type) : table(table), type(type) {}

  FloatMatrix standard(FloatMatrix x) const;
  FloatMatrix gram(FloatMatrix x, const std::vector<int> &restarts) const;

private:
  FloatMatrix narrowed(FloatMatrix a) const {
    narrow(a, type);
    return a;
  }
  FloatMatrix formGram(const FloatMatrix &x) const {
    return narrowed(multiplySymmetric(x, transpose(x)));
  }
  FloatMatrix oddPart(const FloatMatrix &r, const std::vector<double> &c) const;
  FloatMatrix oddPartByCubes(const FloatMatrix &r, const std::vector<double> &c) const;

  const Table &table;
  OperandType type;
};

/// P(R) of degree 3 to 9.
FloatMatrix Recurrence::oddPart(const FloatMatrix &r, const std::vector<double> &c) const {
  if (c.size() > 5)
    return oddPartByCubes(r, c);
  FloatMatrix p(r.rows, r.columns);
  if (c.size() == 2) {
    addTerms(p, {{c[1], &r}});
    return narrowed(std::move(p));
  }
  FloatMatrix square = multiplySymmetric(r, r);
  if (c.size() == 3) {
    addTerms(p, {{c[2], &square}, {c[1], &r}});
    return narrowed(std::move(p));
  }
  // The epilogue of R R leaves both R2 and c3 R + c4 R2.
  FloatMatrix inner(r.rows, r.columns);
  addTerms(inner, {{c.size() > 4 ? c[4] : 0, &square}, {c[3], &r}});
  narrow(inner, type);
  narrow(square, type);
  p = multiplySymmetric(square, inner);
  addTerms(p, {{c[2], &square}, {c[1], &r}});
  return narrowed(std::move(p));
}

/// P(R) of degree 11 and 13.
FloatMatrix Recurrence::oddPartByCubes(const FloatMatrix &r, const std::vector<double> &c) const {
  FloatMatrix square = narrowed(multiplySymmetric(r, r));
  FloatMatrix cube = multiplySymmetric(square, r);
  FloatMatrix inner(r.rows, r.columns);
  addTerms(inner, {{c.size() > 6 ? c[6] : 0, &cube}, {c[5], &square}, {c[4], &r}});
  narrow(inner, type);
  narrow(cube, type);
  FloatMatrix p = multiplySymmetric(cube, inner);
  addTerms(p, {{c[3], &cube}, {c[2], &square}, {c[1], &r}});
  return narrowed(std::move(p));
}

FloatMatrix Recurrence::standard(FloatMatrix x) const {
  for (size_t step = 0; step < table.rows.size(); ++step) {
    const std::vector<double> &c = table.rows[step].c;
    FloatMatrix next = multiply(oddPart(formGram(x), c), x);
    addTerms(next, {{c[0], &x}});
    x = step + 1 < table.rows.size() ? narrowed(std::move(next)) : std::move(next);
  }
  return x;
}

FloatMatrix Recurrence::gram(FloatMatrix x, const std::vector<int> &restarts) const {
  int steps = table.steps();
  FloatMatrix r, q;
  double identity = 1; // the scalar q of (q I + Q)
  bool fresh = true;   // Q is still the identity
  auto applyTo = [&](const FloatMatrix &y) {
    FloatMatrix next = multiply(q, y);
    addTerms(next, {{identity, &y}});
    return next;
  };
  for (int step = 0; step < steps; ++step) {
    const std::vector<double> &c = table.rows[step].c;
    bool restart = std::find(restarts.begin(), restarts.end(), step) != restarts.end();
    if (restart) {
      x = narrowed(applyTo(x));
      fresh = true;
    }
    if (fresh)
      r = formGram(x);
    FloatMatrix p = oddPart(r, c);
    bool last = step + 1 == steps ||
                std::find(restarts.begin(), restarts.end(), step + 1) != restarts.end();
    if (!last) {
      FloatMatrix s = multiplySymmetric(p, r);
      addTerms(s, {{c[0], &r}});
      narrow(s, type);
      r = multiplySymmetric(p, s);
      addTerms(r, {{c[0], &s}});
      narrow(r, type);
    }
    if (fresh) {
      q = std::move(p);
      identity = c[0];
      fresh = false;
      continue;
    }
    FloatMatrix product = multiplySymmetric(q, p);
    addTerms(product, {{c[0], &q}, {identity, &p}});
    q = narrowed(std::move(product));
    identity *= c[0];
  }
  return applyTo(x);
}

} // namespace

FloatMatrix runRecurrence(const Table &table, const FormChoice &choice, OperandType type,
                          FloatMatrix x) {
  narrow(x, type);
  Recurrence recurrence(table, type);
  return choice.form == FormChoice::standard ? recurrence.standard(std::move(x))
                                             : recurrence.gram(std::move(x), choice.restarts);
}

} // namespace muon
