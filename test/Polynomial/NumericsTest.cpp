//===- NumericsTest.cpp - The parts behind the emulation --------------------------------------===//

#include "Eigenvalues.h"
#include "FloatMatrix.h"
#include "RealRoots.h"
#include "Recurrence.h"
#include "SpectrumZoo.h"
#include "muon/Polynomial/Minimax.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

using namespace muon;

namespace {

FloatMatrix filled(int rows, int columns, unsigned seed) {
  FloatMatrix a(rows, columns);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      seed = seed * 1664525u + 1013904223u;
      a.row(i)[j] = float(seed >> 8) / (1 << 24) - 0.5f;
    }
  return a;
}

TEST(RealRoots, FindsEverySignChange) {
  // (x - 1)(x - 2)(x - 4)(x + 3)
  std::vector<long double> c{-24, 34, -7, -4, 1}, roots = realRoots(c, 0, 10);
  ASSERT_EQ(roots.size(), 3u);
  EXPECT_NEAR(roots[0], 1, 1e-15);
  EXPECT_NEAR(roots[1], 2, 1e-15);
  EXPECT_NEAR(roots[2], 4, 1e-15);
}

TEST(FloatMatrix, ProductsOfRaggedSizesMatchTheDefinition) {
  for (auto [m, k, n] : {std::tuple{1, 1, 1}, {5, 7, 3}, {17, 33, 19}, {64, 128, 64}}) {
    FloatMatrix a = filled(m, k, 1), b = filled(k, n, 2), product = multiply(a, b);
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        float sum = 0;
        for (int l = 0; l < k; ++l) {
          float term = a.row(i)[l] * b.row(l)[j];
          sum += term;
        }
        EXPECT_EQ(product.row(i)[j], sum);
      }
  }
}

TEST(FloatMatrix, SymmetricProductIsSymmetricToTheBit) {
  FloatMatrix a = filled(37, 50, 3), r = multiplySymmetric(a, transpose(a));
  for (int i = 0; i < 37; ++i)
    for (int j = 0; j < 37; ++j)
      EXPECT_EQ(r.row(i)[j], r.row(j)[i]);
}

float narrowed(float x, OperandType type) {
  FloatMatrix a(1, 1);
  a.row(0)[0] = x;
  narrow(a, type);
  return a.row(0)[0];
}

TEST(FloatMatrix, NarrowsToNearestEven) {
  EXPECT_EQ(narrowed(1 + 0x1p-8f, OperandType::bf16), 1.0f);
  EXPECT_EQ(narrowed(1 + 3 * 0x1p-8f, OperandType::bf16), 1 + 0x1p-6f);
  EXPECT_EQ(narrowed(1 + 0x1.8p-8f, OperandType::bf16), 1 + 0x1p-7f);
  EXPECT_EQ(narrowed(-1 - 0x1p-11f, OperandType::f16), -1.0f);
  EXPECT_EQ(narrowed(1 + 3 * 0x1p-11f, OperandType::f16), 1 + 0x1p-9f);
  EXPECT_EQ(narrowed(65519.0f, OperandType::f16), 65504.0f);
  EXPECT_EQ(narrowed(65520.0f, OperandType::f16), INFINITY);
  EXPECT_EQ(narrowed(0x1p-24f, OperandType::f16), 0x1p-24f);
  EXPECT_EQ(narrowed(-0x1p-25f, OperandType::f16), -0.0f);
  EXPECT_EQ(narrowed(0x1.8p-24f, OperandType::f16), 0x1p-23f);
  EXPECT_EQ(narrowed(1.2345678f, OperandType::f32), 1.2345678f);
  EXPECT_TRUE(std::isnan(narrowed(NAN, OperandType::f16)));
  EXPECT_EQ(narrowed(1 + 0x1p-11f, OperandType::tf32), 1 + 0x1p-10f); // ties away from zero
  EXPECT_EQ(narrowed(-1 - 0x1p-11f, OperandType::tf32), -1 - 0x1p-10f);
  EXPECT_EQ(narrowed(1 + 0x1.8p-12f, OperandType::tf32), 1.0f);
  EXPECT_EQ(narrowed(0x1p-140f, OperandType::tf32), 0.0f); // below half of the least
  EXPECT_EQ(narrowed(INFINITY, OperandType::tf32), INFINITY);
}

TEST(Spectrum, FindsKnownEigenvalues) {
  // Second differences: 2 - 2 cos(k pi / (n + 1)).
  int n = 50;
  std::vector<double> a(n * n);
  for (int i = 0; i < n; ++i) {
    a[i * n + i] = 2;
    if (i + 1 < n)
      a[i * n + i + 1] = a[(i + 1) * n + i] = -1;
  }
  Spectrum spectrum(a, n);
  for (int k = 0; k < n; ++k)
    EXPECT_NEAR(spectrum.largest(k), 2 - 2 * std::cos((n - k) * M_PI / (n + 1)), 1e-14);
}

TEST(SpectrumZoo, MatricesHaveTheirSingularValues) {
  const SpectrumZoo &zoo = spectrumZoo(24, 40);
  for (const ZooSpectrum &entry : zoo.spectra) {
    std::vector<double> x = zoo.assemble(entry.singular), gram(24 * 24);
    for (int i = 0; i < 24; ++i)
      for (int j = 0; j < 24; ++j)
        for (int k = 0; k < 40; ++k)
          gram[i * 24 + j] += x[i * 40 + k] * x[j * 40 + k];
    Spectrum spectrum(gram, 24);
    double square = 0;
    for (int k = 0; k < 24; ++k) {
      EXPECT_NEAR(spectrum.largest(k), entry.singular[k] * entry.singular[k], 1e-14) << entry.name;
      square += entry.singular[k] * entry.singular[k];
    }
    EXPECT_NEAR(square, 1, 1e-14) << entry.name;
  }
}

/// 1 + 2^-24 + 2^-24 is 1 term by term, and 1 + 2^-23 where the two small ones are added first.
TEST(FloatMatrix, RunsAreAddedUpFromZero) {
  FloatMatrix a(1, 4), b(4, 1);
  const float left[] = {1, 0, 0x1p-24f, 0x1p-24f};
  for (int k = 0; k < 4; ++k)
    a.row(0)[k] = left[k], b.row(k)[0] = 1;
  EXPECT_EQ(multiply(a, b).row(0)[0], 1.0f);
  EXPECT_EQ(multiply(a, b, {2, 2}).row(0)[0], 1.0f + 0x1p-23f);
  EXPECT_EQ(multiply(a, b, {2, 4}).row(0)[0], 1.0f + 0x1p-23f);
  EXPECT_EQ(multiply(a, b, {4, 4}).row(0)[0], 1.0f);
}

TEST(Recurrence, EveryDegreeAndFormEvaluatesTheTable) {
  // One wide and one square matrix with an easy spectrum: rounding stays near 1e-6.
  for (auto [n, m] : {std::pair{12, 30}, {9, 9}})
    for (int degree : {3, 5, 7, 9, 11, 13}) {
      const SpectrumZoo &zoo = spectrumZoo(n, m);
      Table table = generateMinimax(0.05, {degree, 3, degree});
      const std::vector<double> &sigma = zoo.spectra.front().singular;
      std::vector<double> input = zoo.assemble(sigma), mapped;
      for (double value : sigma)
        mapped.push_back(evaluate(table, value));
      std::vector<double> expected = zoo.assemble(mapped);
      FloatMatrix x(n, m);
      for (int i = 0; i < n; ++i)
        for (int j = 0; j < m; ++j)
          x.row(i)[j] = input[i * m + j];
      for (const FormChoice &choice : {FormChoice{}, FormChoice{FormChoice::gram, {}},
                                       FormChoice{FormChoice::gram, {1}}, FormChoice{FormChoice::gram, {1, 2}}}) {
        FloatMatrix o = runRecurrence(table, choice, OperandType::f32, x);
        for (int i = 0; i < n; ++i)
          for (int j = 0; j < m; ++j)
            EXPECT_NEAR(o.row(i)[j], expected[i * m + j], 2e-4) << table.name;
      }
    }
}

} // namespace
