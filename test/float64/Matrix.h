//===- Matrix.h - Plain float64 matrices --------------------------------------------*- C++ -*-===//
#ifndef MUON_TEST_FLOAT64_MATRIX_H
#define MUON_TEST_FLOAT64_MATRIX_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace muon::float64 {

struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), values(size_t(rows * columns)) {}
  double &at(int64_t i, int64_t j) { return values[size_t(i * columns + j)]; }
  double at(int64_t i, int64_t j) const { return values[size_t(i * columns + j)]; }
};

Matrix identity(int64_t size, double scale = 1);
Matrix transpose(const Matrix &a);
Matrix operator*(const Matrix &a, const Matrix &b);
Matrix operator+(const Matrix &a, const Matrix &b);
Matrix operator-(const Matrix &a, const Matrix &b);
Matrix operator*(double s, const Matrix &a);
double frobenius(const Matrix &a);
/// ‖a - b‖_F / ‖b‖_F; ‖a‖_F where b is zero.
double relativeError(const Matrix &a, const Matrix &b);

/// Nearest bf16, ties to even.
double roundToBf16(double value);
Matrix roundToBf16(Matrix a);

/// Entries of the normal distribution, the same for a seed on every machine.
Matrix normal(int64_t rows, int64_t columns, uint64_t seed);
/// U diag(singular) Vᵀ with random orthonormal U and V, which are kept.
struct Spectral {
  Matrix u, v;
  std::vector<double> singular;

  Spectral(int64_t rows, int64_t columns, std::vector<double> singular, uint64_t seed);
  Matrix matrix() const {
    return map([](double s) { return s; });
  }
  template <typename F> Matrix map(F f) const {
    Matrix scaled = u;
    for (int64_t i = 0; i < u.rows; ++i)
      for (int64_t j = 0; j < u.columns; ++j)
        scaled.at(i, j) *= f(singular[size_t(j)]);
    return scaled * transpose(v);
  }
};

} // namespace muon::float64

#endif // MUON_TEST_FLOAT64_MATRIX_H
