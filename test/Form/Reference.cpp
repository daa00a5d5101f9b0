//===- Reference.cpp ------------------------------------------------------===//

#include "Reference.h"

#include <algorithm>
#include <cmath>

namespace muon::reference {

Matrix identity(int size, double scale) {
  Matrix result(size, size);
  for (int i = 0; i < size; ++i)
    result.at(i, i) = scale;
  return result;
}

Matrix transpose(const Matrix &a) {
  Matrix result(a.columns, a.rows);
  for (int i = 0; i < a.rows; ++i)
    for (int j = 0; j < a.columns; ++j)
      result.at(j, i) = a.at(i, j);
  return result;
}

Matrix operator*(const Matrix &a, const Matrix &b) {
  Matrix result(a.rows, b.columns);
  for (int i = 0; i < a.rows; ++i)
    for (int k = 0; k < a.columns; ++k)
      for (int j = 0; j < b.columns; ++j)
        result.at(i, j) += a.at(i, k) * b.at(k, j);
  return result;
}

Matrix operator+(const Matrix &a, const Matrix &b) {
  Matrix result = a;
  for (size_t i = 0; i < a.values.size(); ++i)
    result.values[i] += b.values[i];
  return result;
}

Matrix operator-(const Matrix &a, const Matrix &b) { return a + (-1.0) * b; }

Matrix operator*(double s, const Matrix &a) {
  Matrix result = a;
  for (double &value : result.values)
    value *= s;
  return result;
}

double frobenius(const Matrix &a) {
  double sum = 0;
  for (double value : a.values)
    sum += value * value;
  return std::sqrt(sum);
}

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
  int k = std::min(g.rows, g.columns);
  Matrix damped = (wide ? g * transpose(g) : transpose(g) * g) + identity(k, eps);
  double trace = 0;
  for (int i = 0; i < k; ++i)
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
