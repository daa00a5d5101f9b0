//===- Reference.h - The published algorithms in plain float64 -*- C++ -*-===//
//
// Written from the papers and sources named in Presets.h, with nothing of the compiler's but the
// tables: matrices are lists of doubles, one at a time, standard form, no rounding.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_TEST_FORM_REFERENCE_H
#define MUON_TEST_FORM_REFERENCE_H

#include "Interpreter.h"

#include "muon/Polynomial/Table.h"

#include <functional>

namespace muon::reference {

struct Matrix {
  int rows, columns;
  std::vector<double> values;

  Matrix(int rows, int columns) : rows(rows), columns(columns), values(size_t(rows) * columns) {}
  double &at(int i, int j) { return values[size_t(i) * columns + j]; }
  double at(int i, int j) const { return values[size_t(i) * columns + j]; }
};

Matrix identity(int size, double scale = 1);
Matrix transpose(const Matrix &a);
Matrix operator*(const Matrix &a, const Matrix &b);
Matrix operator+(const Matrix &a, const Matrix &b);
Matrix operator-(const Matrix &a, const Matrix &b);
Matrix operator*(double s, const Matrix &a);
double frobenius(const Matrix &a);

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
