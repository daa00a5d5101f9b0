//===- FloatMatrix.h - Small f32 matrices with exact operand rounding -*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_FLOATMATRIX_H
#define MUON_LIB_POLYNOMIAL_FLOATMATRIX_H

#include "muon/Polynomial/Emulate.h"

#include <cstddef>
#include <limits>

namespace muon {

/// Row-major. Rows and columns are padded with zeros to whole register tiles, so products need no
/// edge cases; zeros stay zeros under everything done here.
struct FloatMatrix {
  int rows = 0, columns = 0;
  std::vector<float> values;

  FloatMatrix() = default;
  FloatMatrix(int rows, int columns);

  static constexpr int tileRows = 4, tileColumns = 16;
  int paddedRows() const { return (rows + tileRows - 1) / tileRows * tileRows; }
  size_t stride() const { return (columns + tileColumns - 1) / tileColumns * tileColumns; }
  float *row(int i) { return values.data() + i * stride(); }
  const float *row(int i) const { return values.data() + i * stride(); }
};

/// Products added in f64, in eight fixed partial sums: vectorises, and no machine adds them in another order.
template <typename T> double dot(const T *a, const T *b, size_t length) {
  double sums[8] = {}, sum = 0;
  size_t k = 0;
  for (; k + 8 <= length; k += 8)
    for (int lane = 0; lane < 8; ++lane)
      sums[lane] += double(a[k + lane]) * b[k + lane];
  for (; k < length; ++k)
    sum += double(a[k]) * b[k];
  for (double partial : sums)
    sum += partial;
  return sum;
}

FloatMatrix transpose(const FloatMatrix &a);

/// Runs that no inner index is long enough for.
inline constexpr int wholeRun = std::numeric_limits<int>::max();

/// a b, accumulated in f32 in ascending order of the inner index: `run` terms from zero, then the next ones, each run added to those before.
FloatMatrix multiply(const FloatMatrix &a, const FloatMatrix &b, int run = wholeRun);

/// a b where the result is symmetric in exact arithmetic: only tiles touching the lower half are
/// computed and the upper half mirrors them to the bit, as the kernels do.
FloatMatrix multiplySymmetric(const FloatMatrix &a, const FloatMatrix &b, int run = wholeRun);

/// Rounds to nearest even in the operand type; nothing to do for f32.
void narrow(FloatMatrix &a, OperandType type);

/// One coefficient of an epilogue: scale * matrix.
struct Term {
  double scale;
  const FloatMatrix *matrix;
};

/// accumulator + sum of terms, elementwise in f32 (scales are narrowed to f32 first).
void addTerms(FloatMatrix &accumulator, std::initializer_list<Term> terms);

/// a + scale I, in f32.
void addIdentity(FloatMatrix &a, double scale);

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_FLOATMATRIX_H
