//===- FloatMatrix.cpp ------------------------------------------------------------------------===//

#include "FloatMatrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace muon {

FloatMatrix::FloatMatrix(int rows, int columns) : rows(rows), columns(columns) {
  values.resize(paddedRows() * stride());
}

template <typename T> [[gnu::always_inline]] static inline double dotOf(const T *a, const T *b, size_t length) {
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

MUON_ALSO_FOR_AVX2 double dot(const double *a, const double *b, size_t length) { return dotOf(a, b, length); }
MUON_ALSO_FOR_AVX2 double dot(const float *a, const float *b, size_t length) { return dotOf(a, b, length); }

FloatMatrix transpose(const FloatMatrix &a) {
  FloatMatrix result(a.columns, a.rows);
  for (int i = 0; i < a.rows; ++i)
    for (int j = 0; j < a.columns; ++j)
      result.row(j)[i] = a.row(i)[j];
  return result;
}

namespace {

constexpr int tileRows = FloatMatrix::tileRows, tileColumns = FloatMatrix::tileColumns;

/// One register tile: out[i][j] = sum_k a[i][k] b[k][j] for tileRows x tileColumns.
struct TileArguments {
  const float *a, *b;
  float *out;
  size_t strideA, strideB, strideOut;
  int inner;
  SumOrder order;
};

using TileColumnVector [[gnu::vector_size(tileColumns * sizeof(float)), gnu::aligned(4)]] = float;

/// sums += the terms from `begin` to `end`, added up from zero.
[[gnu::always_inline]] inline void addPart(const TileArguments &t, int begin, int end,
                                           TileColumnVector (&sums)[tileRows]) {
  TileColumnVector own[tileRows] = {};
  for (int k = begin; k < end; ++k) {
    TileColumnVector b = *reinterpret_cast<const TileColumnVector *>(t.b + k * t.strideB);
    for (int i = 0; i < tileRows; ++i)
      own[i] += t.a[i * t.strideA + k] * b;
  }
  for (int i = 0; i < tileRows; ++i)
    sums[i] += own[i];
}

MUON_ALSO_FOR_AVX2 void computeTile(const TileArguments &t) {
  TileColumnVector sums[tileRows] = {};
  auto after = [&](int begin, int count, int last) { return last - begin > count ? begin + count : last; };
  for (int begin = 0, end; begin < t.inner; begin = end) {
    end = after(begin, t.order.run, t.inner);
    TileColumnVector run[tileRows] = {};
    for (int part = begin, next; part < end; part = next) {
      next = after(part, t.order.part, end);
      addPart(t, part, next, run);
    }
    for (int i = 0; i < tileRows; ++i)
      sums[i] += run[i];
  }
  for (int i = 0; i < tileRows; ++i)
    *reinterpret_cast<TileColumnVector *>(t.out + i * t.strideOut) = sums[i];
}

/// To nearest among numbers of 11 significant bits. Unlike f16 it has no least exponent: what a sum loses below 2^-14 /
/// f16Scale^2 is not emulated.
[[gnu::always_inline]] inline TileColumnVector roundToElevenBits(TileColumnVector x) {
  TileColumnVector shifted = x * 8193.0f; // 2^13 + 1: the high half of Dekker's split
  return shifted - (shifted - x);
}

/// One register tile of f16 sums. The terms are kept at their value: scales are powers of two.
MUON_ALSO_FOR_AVX2 void computeTileOfF16Sums(const TileArguments &t) {
  constexpr float limit = 65504 / (f16Scale * f16Scale);
  TileColumnVector sums[tileRows] = {};
  for (int begin = 0; begin < t.inner; begin += t.order.run) {
    int end = std::min(begin + t.order.run, t.inner);
    TileColumnVector parity[2][tileRows] = {};
    for (int k = begin; k < end; ++k) {
      TileColumnVector b = *reinterpret_cast<const TileColumnVector *>(t.b + k * t.strideB);
      for (int i = 0; i < tileRows; ++i) {
        TileColumnVector &sum = parity[k & 1][i];
        sum = roundToElevenBits(sum + t.a[i * t.strideA + k] * b);
      }
    }
    for (int i = 0; i < tileRows; ++i) {
      TileColumnVector run = roundToElevenBits(parity[0][i] + parity[1][i]);
      for (int j = 0; j < tileColumns; ++j)
        sums[i][j] += std::abs(run[j]) <= limit ? run[j] : run[j] * INFINITY;
    }
  }
  for (int i = 0; i < tileRows; ++i)
    *reinterpret_cast<TileColumnVector *>(t.out + i * t.strideOut) = sums[i];
}

void multiplyTiles(const FloatMatrix &a, const FloatMatrix &b, FloatMatrix &out, SumOrder order, bool lowerOnly) {
  for (int i = 0; i < out.rows; i += tileRows)
    for (int j = 0; j < out.columns; j += tileColumns) {
      if (lowerOnly && j > i + tileRows - 1)
        break;
      TileArguments tile{a.row(i),   b.row(0) + j, out.row(i) + j, a.stride(),
                         b.stride(), out.stride(), a.columns,      order};
      order.inF16 ? computeTileOfF16Sums(tile) : computeTile(tile);
    }
}

float roundToBf16(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u);
}

/// As cvt.rna.tf32 does: ties away from zero.
float roundToTf32(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::isfinite(x) ? std::bit_cast<float>((bits + 0x1000) & 0xffffe000u) : x;
}

float roundToF16(float x) {
  float magnitude = std::abs(x);
  float rounded;
  if (magnitude < 0x1p-14f) {
    // Subnormal halves are multiples of 2^-24, the spacing of floats in [0.5, 1).
    rounded = (magnitude + 0.5f) - 0.5f;
  } else {
    uint32_t bits = std::bit_cast<uint32_t>(magnitude);
    rounded = std::bit_cast<float>((bits + 0xfff + ((bits >> 13) & 1)) & 0xffffe000u);
    if (rounded > 65504)
      rounded = INFINITY;
  }
  return std::copysign(magnitude == magnitude ? rounded : x, x);
}

float roundToScaledF16(float x) { return roundToF16(x * f16Scale) / f16Scale; }

} // namespace

FloatMatrix multiply(const FloatMatrix &a, const FloatMatrix &b, SumOrder order) {
  FloatMatrix out(a.rows, b.columns);
  multiplyTiles(a, b, out, order, /*lowerOnly=*/false);
  return out;
}

FloatMatrix multiplySymmetric(const FloatMatrix &a, const FloatMatrix &b, SumOrder order) {
  FloatMatrix out(a.rows, b.columns);
  multiplyTiles(a, b, out, order, /*lowerOnly=*/true);
  for (int i = 0; i < out.rows; ++i)
    for (int j = 0; j < i; ++j)
      out.row(j)[i] = out.row(i)[j];
  return out;
}

void narrow(FloatMatrix &a, OperandType type) {
  if (type == OperandType::bf16)
    std::transform(a.values.begin(), a.values.end(), a.values.begin(), roundToBf16);
  else if (type == OperandType::f16)
    std::transform(a.values.begin(), a.values.end(), a.values.begin(), roundToF16);
  else if (type == OperandType::f16Sums)
    std::transform(a.values.begin(), a.values.end(), a.values.begin(), roundToScaledF16);
  else if (type == OperandType::tf32)
    std::transform(a.values.begin(), a.values.end(), a.values.begin(), roundToTf32);
}

FloatMatrix operator*(double c, FloatMatrix a) {
  for (float &value : a.values)
    value *= static_cast<float>(c);
  return a;
}

FloatMatrix operator+(FloatMatrix a, const FloatMatrix &b) { return fma(1, b, std::move(a)); }

FloatMatrix fma(double c, const FloatMatrix &a, FloatMatrix b) {
  float scale = static_cast<float>(c);
  for (size_t i = 0; i < b.values.size(); ++i)
    b.values[i] += scale * a.values[i];
  return b;
}

void addIdentity(FloatMatrix &a, double scale) {
  for (int i = 0; i < a.rows; ++i)
    a.row(i)[i] += static_cast<float>(scale);
}

} // namespace muon
