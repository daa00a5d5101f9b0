//===- Matrix.cpp -----------------------------------------------------------------------------===//

#include "Matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

namespace muon::float64 {

Matrix identity(int64_t size, double scale) {
  Matrix result(size, size);
  for (int64_t i = 0; i < size; ++i)
    result.at(i, i) = scale;
  return result;
}

Matrix transpose(const Matrix &a) {
  Matrix result(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j)
      result.at(j, i) = a.at(i, j);
  return result;
}

Matrix operator*(const Matrix &a, const Matrix &b) {
  Matrix result(a.rows, b.columns);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t k = 0; k < a.columns; ++k)
      for (int64_t j = 0; j < b.columns; ++j)
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

double relativeError(const Matrix &a, const Matrix &b) {
  double size = frobenius(b);
  return frobenius(a - b) / (size > 0 ? size : 1);
}

double roundToBf16(double value) {
  // Eight significant bits; the tests stay away from bf16's subnormals.
  int exponent;
  double fraction = std::frexp(value, &exponent);
  return std::isfinite(value) ? std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8) : value;
}

Matrix roundToBf16(Matrix a) {
  for (double &value : a.values)
    value = roundToBf16(value);
  return a;
}

Matrix normal(int64_t rows, int64_t columns, uint64_t seed) {
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 0x1234567;
  auto uniform = [&] { // SplitMix64, in (0, 1)
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (double((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
  };
  Matrix result(rows, columns);
  for (double &value : result.values) {
    double radius = std::sqrt(-2 * std::log(uniform()));
    value = radius * std::cos(2 * std::numbers::pi * uniform());
  }
  return result;
}

/// Orthonormal columns: Gram-Schmidt, twice.
static Matrix orthonormalColumns(int64_t rows, int64_t columns, uint64_t seed) {
  Matrix q = transpose(normal(rows, columns, seed));
  auto dot = [&](int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t k = 0; k < q.columns; ++k)
      sum += q.at(i, k) * q.at(j, k);
    return sum;
  };
  for (int64_t i = 0; i < q.rows; ++i)
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t j = 0; j < i; ++j) {
        double overlap = dot(i, j);
        for (int64_t k = 0; k < q.columns; ++k)
          q.at(i, k) -= overlap * q.at(j, k);
      }
      double size = std::sqrt(dot(i, i));
      for (int64_t k = 0; k < q.columns; ++k)
        q.at(i, k) /= size;
    }
  return transpose(q);
}

Spectral::Spectral(int64_t rows, int64_t columns, std::vector<double> values, uint64_t seed)
    : u(orthonormalColumns(rows, std::min(rows, columns), 2 * seed)),
      v(orthonormalColumns(columns, std::min(rows, columns), 2 * seed + 1)), singular(std::move(values)) {}

} // namespace muon::float64
