//===- FloatMatrix.h - Small f32 matrices with exact operand rounding ---------------*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_FLOATMATRIX_H
#define MUON_LIB_POLYNOMIAL_FLOATMATRIX_H

#include "muon/Polynomial/Emulate.h"

#include <cstddef>
#include <limits>

/// A long loop, compiled for AVX2 too; the processor decides which one runs. The bits are the same: nothing is
/// contracted in this library, and no sum is reordered.
#if defined(__x86_64__)
#define MUON_ALSO_FOR_AVX2 [[gnu::target_clones("avx2", "default")]]
#else
#define MUON_ALSO_FOR_AVX2
#endif

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

/// Products added in f64, in eight fixed partial sums: no machine adds them in another order.
double dot(const double *a, const double *b, size_t length);
double dot(const float *a, const float *b, size_t length);

FloatMatrix transpose(const FloatMatrix &a);

/// A sum that no inner index is long enough to interrupt.
inline constexpr SumOrder plainSum{std::numeric_limits<int>::max(), std::numeric_limits<int>::max()};

/// f16 sums.
inline constexpr SumOrder f16Sum{f16Run, 2 * f16Run, true};

/// a b, accumulated in ascending order of the inner index, as `order` says.
FloatMatrix multiply(const FloatMatrix &a, const FloatMatrix &b, SumOrder order = plainSum);

/// a b where the result is symmetric in exact arithmetic: only tiles touching the lower half are
/// computed and the upper half mirrors them to the bit, as the kernels do.
FloatMatrix multiplySymmetric(const FloatMatrix &a, const FloatMatrix &b, SumOrder order = plainSum);

/// Rounds to the nearest value of the operand type. Ties go to even, those of tf32 away from zero. f32 stays as it is.
void narrow(FloatMatrix &a, OperandType type);

/// c a, a + b and c a + b as an epilogue computes them: elementwise in f32, c narrowed to f32 first.
FloatMatrix operator*(double c, FloatMatrix a);
FloatMatrix operator+(FloatMatrix a, const FloatMatrix &b);
FloatMatrix fma(double c, const FloatMatrix &a, FloatMatrix b);

/// a + scale I, in f32.
void addIdentity(FloatMatrix &a, double scale);

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_FLOATMATRIX_H
