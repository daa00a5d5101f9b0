//===- Reference.h - The published algorithms in plain float64 ----------------------*- C++ -*-===//
//
// Written from the papers and sources named in Presets.h, with nothing of the compiler's but the
// tables: one matrix at a time, standard form, no rounding.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_TEST_FORM_REFERENCE_H
#define MUON_TEST_FORM_REFERENCE_H

#include "Interpreter.h"
#include "Matrix.h"

#include "muon/Polynomial/Table.h"

#include <functional>

namespace muon::reference {

using namespace float64;

/// x p(xᵀx)-style iteration on a matrix that is already normalised.
Matrix iterate(const Table &table, Matrix x);
/// G (GᵀG + eps I)^(-1/2) by `steps` steps of the coupled Newton iteration on the trace-normalised
/// Gram matrix of the short side: Y -> A^(1/2), Z -> A^(-1/2), T = (3 I - Z Y)/2.
Matrix inverseRoot(const Matrix &g, double eps, int steps);

/// What one parameter undergoes in a step, on scalars lr, wd, mu.
struct Step {
  bool nesterov = true, sumForm = false, coupled = false, decoupled = true;
  double scale = 1, clip = 0;
  double lr = 0.02, wd = 0.1, mu = 0.95;
  std::function<Matrix(const Matrix &)> direction;
};

/// Updates w and m.
void run(const Step &step, Matrix &w, const Matrix &g, Matrix &m);

} // namespace muon::reference

#endif // MUON_TEST_FORM_REFERENCE_H
