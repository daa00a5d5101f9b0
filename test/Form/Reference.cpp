//===- Reference.cpp --------------------------------------------------------------------------===//

#include "Reference.h"

#include <algorithm>
#include <cmath>

namespace muon::reference {

Matrix iterate(const Table &table, Matrix x) {
  for (const Row &row : table.rows) {
    Matrix power = x, gram = x * transpose(x), next = row.c[0] * x;
    for (size_t i = 1; i < row.c.size(); ++i) {
      power = gram * power;
      next = next + row.c[i] * power;
    }
    x = next;
  }
  return x;
}

Matrix inverseRoot(const Matrix &g, double eps, int steps) {
  bool wide = g.rows <= g.columns;
  int64_t k = std::min(g.rows, g.columns);
  Matrix damped = (wide ? g * transpose(g) : transpose(g) * g) + identity(k, eps);
  double trace = 0;
  for (int64_t i = 0; i < k; ++i)
    trace += damped.at(i, i);
  Matrix y = (1 / trace) * damped, z = identity(k);
  for (int step = 0; step < steps; ++step) {
    Matrix t = 0.5 * (identity(k, 3) - z * y);
    y = y * t;
    z = t * z;
  }
  z = (1 / std::sqrt(trace)) * z;
  return wide ? z * g : g * z;
}

void run(const Step &step, Matrix &w, const Matrix &g, Matrix &m) {
  Matrix gradient = step.coupled ? g + step.wd * w : g;
  double share = step.sumForm ? 1 : 1 - step.mu;
  m = step.mu * m + share * gradient;
  Matrix x = m;
  if (step.nesterov)
    x = step.sumForm ? gradient + step.mu * m : (1 - step.mu) * gradient + step.mu * m;
  Matrix u = step.scale * step.direction(x);
  double size = frobenius(u);
  if (step.clip > 0 && size > step.clip)
    u = (step.clip / size) * u;
  if (step.decoupled)
    w = (1 - step.lr * step.wd) * w;
  w = w - step.lr * u;
}

} // namespace muon::reference
