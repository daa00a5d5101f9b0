//===- StepReference.cpp ----------------------------------------------------------------------===//

#include "StepReference.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace muon::execution {

Matrix iterate(const Table &table, Matrix x) {
  bool wide = x.rows <= x.columns;
  for (const Row &row : table.rows) {
    Matrix gram = wide ? x * transpose(x) : transpose(x) * x;
    Matrix power = x, next = row.c[0] * x;
    for (size_t i = 1; i < row.c.size(); ++i) {
      power = wide ? gram * power : power * gram;
      next = next + row.c[i] * power;
    }
    x = next;
  }
  return x;
}

Matrix polarFactor(const Matrix &x) {
  double size = frobenius(x);
  constexpr int kSteps = 60; // 1.5^60 from below, then quadratic
  return iterate({"cubic", std::vector<Row>(kSteps, Row{{1.5, -0.5}})}, (1 / size) * x);
}

/// G (GᵀG + eps I)^(-1/2): the coupled Newton iteration on the trace-normalised Gram matrix of the
/// short side: Y -> A^(1/2), Z -> A^(-1/2), T = (3 I - Z Y)/2.
static Matrix inverseRoot(const Matrix &g, double eps, int steps) {
  bool wide = g.rows <= g.columns;
  int64_t k = std::min(g.rows, g.columns);
  Matrix damped = (wide ? g * transpose(g) : transpose(g) * g) + eps * identity(k);
  double trace = 0;
  for (int64_t i = 0; i < k; ++i)
    trace += damped.at(i, i);
  Matrix y = (1 / trace) * damped, z = identity(k);
  for (int step = 0; step < steps; ++step) {
    Matrix t = 0.5 * (3.0 * identity(k) - z * y);
    y = y * t;
    z = t * z;
  }
  z = (1 / std::sqrt(trace)) * z;
  return wide ? z * g : g * z;
}

StepReference::StepReference(const Group &group) : preset(group.preset) {
  readPreset(group);
  readScale(group);
}

void StepReference::readPreset(const Group &group) {
  bool polar = preset == "polar_express", root = preset == "inverse_root";
  nesterov = group.nesterov.value_or(preset != "adamuon");
  sum = group.momentumForm.value_or(preset == "moonlight" ? "sum" : "ema") == "sum";
  clamp = group.epsForm.value_or(preset == "torch" ? "clamp" : "add") == "clamp";
  decay = group.decay.value_or("decoupled");
  eps = group.eps.value_or(polar ? 1e-6 / 1.02 : root || preset == "exact" ? 0 : 1e-7);
  safety = group.safety.value_or(polar ? 1.02 : 1);
  damping = group.damping.value_or(1e-6);
  clip = group.clip.value_or(0);
  if (preset == "exact" || preset == "rms")
    return;
  for (const std::vector<double> &row : group.rows)
    table.rows.push_back({row});
  if (!group.rows.empty())
    return;
  std::optional<int> steps = group.steps;
  if (!steps && !group.table)
    steps = root ? 6 : 5;
  TableOrError found = lookupTable(group.table.value_or(polar ? "nanogpt_pe" : root ? "cubic" : "keller"), steps);
  if (!found)
    throw std::invalid_argument(found.error);
  table = *found.table;
}

void StepReference::readScale(const Group &group) {
  double columns = double(group.shape.back());
  double rows = group.shape.size() > 1 ? double(group.shape[group.shape.size() - 2]) : columns;
  std::string rule = group.adjustLr.value_or(preset == "moonlight"                    ? "match_rms_adamw"
                                             : preset == "adamuon" || preset == "rms" ? "none"
                                                                                      : "original");
  bool asConvolution = group.shape.size() == 4 && (preset == "keller" || preset == "normuon" || preset == "adamuon");
  bool flattened = asConvolution || (preset == "moonlight" && group.shape.size() > 2);
  if (flattened && rule != "original") { // which is of the last two sizes all the same
    rows = double(group.shape.front());
    columns = std::accumulate(group.shape.begin() + 1, group.shape.end(), 1.0, std::multiplies<>());
  }
  if (preset == "rms")
    scale = rule == "match_rms_adamw" ? 0.2 : 1;
  else if (rule == "match_rms_adamw")
    scale = 0.2 * std::sqrt(std::max(rows, columns));
  else if (rule == "spectral")
    scale = std::sqrt(rows / columns);
  else
    scale = rule == "none" ? 1 : std::sqrt(std::max(1.0, rows / columns));
}

double StepReference::norm(const Matrix &x) const {
  double size = frobenius(x);
  return safety * (clamp ? std::max(size, eps) : size + eps);
}

Matrix StepReference::direction(const Matrix &x) const {
  if (preset == "rms") {
    double mean = std::pow(frobenius(x), 2) / double(x.values.size());
    return (1 / std::sqrt(mean + eps * eps)) * x;
  }
  if (preset == "exact")
    return polarFactor(x);
  if (preset == "inverse_root")
    return inverseRoot(x, damping, table.steps());
  return iterate(table, (1 / norm(x)) * x);
}

Matrix StepReference::directionInBf16(const Matrix &x) const {
  bool wide = x.rows <= x.columns;
  Matrix y = roundToBf16(wide ? x : transpose(x));
  y = roundToBf16((1 / roundToBf16(norm(y))) * y);
  for (const Row &row : table.rows) {
    Matrix gram = roundToBf16(y * transpose(y));
    Matrix b = roundToBf16(row.c[1] * gram + row.c[2] * (gram * gram));
    y = roundToBf16(row.c[0] * y + b * y);
  }
  return wide ? y : transpose(y);
}

Matrix StepReference::normuon(const Matrix &o, Matrix &v) const {
  Matrix u = o;
  for (int64_t i = 0; i < o.rows; ++i) {
    double mean = 0;
    for (int64_t j = 0; j < o.columns; ++j)
      mean += o.at(i, j) * o.at(i, j) / double(o.columns);
    double &moment = v.values[size_t(i)];
    moment += (1 - beta2) * (mean - moment);
    for (int64_t j = 0; j < o.columns; ++j)
      u.at(i, j) /= std::sqrt(moment) + 1e-10;
  }
  return (frobenius(o) / frobenius(u)) * u;
}

Matrix StepReference::adamuon(const Matrix &o, Matrix &v) const {
  Matrix u = o;
  for (size_t i = 0; i < o.values.size(); ++i) {
    v.values[i] += (1 - mu) * (o.values[i] * o.values[i] - v.values[i]);
    u.values[i] /= std::sqrt(v.values[i]) + 1e-8;
  }
  return (0.2 * std::sqrt(double(o.rows * o.columns)) / frobenius(u)) * u;
}

void StepReference::run(Matrix &w, const Matrix &g, Matrix &m, Matrix &v) const {
  Matrix gradient = decay == "coupled" ? g + wd * w : g;
  m = mu * m + (sum ? 1 : 1 - mu) * gradient;
  Matrix x = m;
  if (nesterov)
    x = (sum ? 1 : 1 - mu) * gradient + mu * m;
  if (preset == "adamuon")
    for (double &value : x.values)
      value = value > 0 ? 1 : value < 0 ? -1 : 0;
  Matrix u = direction(x);
  if (preset == "normuon")
    u = normuon(u, v);
  else if (preset == "adamuon")
    u = adamuon(u, v);
  u = scale * u;
  double size = frobenius(u);
  if (clip > 0 && size > clip)
    u = (clip / size) * u;
  if (decay == "decoupled")
    w = (1 - lr * wd) * w;
  w = w - lr * u;
}

} // namespace muon::execution
