//===- ExactTest.cpp - The polar factor to working precision ----------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace muon::execution;

namespace {

double residual(const Matrix &o) { return relativeError(o * (transpose(o) * o), o); }

Group exactOf(int64_t rows, int64_t columns, int parameters = 1) {
  Group group{.shape = {rows, columns}, .preset = "exact", .parameters = parameters};
  group.adjustLr = "none";
  return group;
}

TEST(Exact, SingularValuesAreOneAndTheMetricSaysSo) {
  std::vector<std::pair<int64_t, int64_t>> shapes{{1, 1},   {1, 30},  {30, 1},   {12, 40},
                                                  {40, 12}, {24, 24}, {100, 30}, {65, 129}};
  std::vector<Group> groups;
  for (auto [rows, columns] : shapes)
    groups.push_back(exactOf(rows, columns));
  Program program({.groups = groups});
  Trainer trainer(program);
  for (size_t p = 0; p < shapes.size(); ++p)
    trainer.gradient(p).set(normal(shapes[p].first, shapes[p].second, p + 1));
  Scalars row = scalars(1, 0);
  row["mu"] = 0;
  trainer.run(row);
  for (size_t p = 0; p < shapes.size(); ++p) {
    Matrix o = -1.0 * trainer.weight(p).matrix();
    double measured = residual(o);
    EXPECT_LE(measured, 1e-6) << p;
    EXPECT_NEAR(trainer.tensor(p, "residual").matrix().values[0], measured, 3e-7) << p;
  }
}

/// UVᵀ is known where the input is made from its singular value decomposition. A polar factor's
/// condition is one over the smallest singular value (relative to ‖X‖).
TEST(Exact, IsThePolarFactor) {
  std::vector<Matrix> inputs, expected;
  std::vector<double> smallest{1.0, 0.3, 1e-1, 1e-2, 1e-3};
  for (double last : smallest) {
    std::vector<double> values;
    for (int i = 0; i < 24; ++i)
      values.push_back(std::pow(last, i / 23.0));
    Spectral spectral(24, 60, values, uint64_t(inputs.size()));
    inputs.push_back(spectral.matrix());
    expected.push_back(spectral.map([](double) { return 1.0; }));
  }
  std::vector<Matrix> results = orthogonalize(Program({.groups = {exactOf(24, 60, 5)}}), inputs);
  ASSERT_EQ(results.size(), inputs.size());
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_LE(relativeError(results[i], expected[i]), 3e-6 + 1e-7 / smallest[i]) << i;
    EXPECT_LE(residual(results[i]), 1e-6) << i;
  }
}

/// Orthogonal is not enough: the directions must be those of the input, at every shape.
TEST(Exact, IsThePolarFactorOfGaussMatrices) {
  std::vector<std::pair<int64_t, int64_t>> shapes{{12, 40}, {40, 12}, {100, 30}, {30, 400}};
  std::vector<Group> groups;
  std::vector<Matrix> inputs;
  for (auto [rows, columns] : shapes) {
    groups.push_back(exactOf(rows, columns));
    inputs.push_back(normal(rows, columns, 5));
  }
  std::vector<Matrix> results = orthogonalize(Program({.groups = groups}), inputs);
  ASSERT_EQ(results.size(), inputs.size());
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_LE(relativeError(results[i], polarFactor(inputs[i])), 3e-6) << i;
}

/// Singular values below the floor, long side · 2^-24, come out between 0 and 1.
TEST(Exact, BelowTheFloorNothingIsPromisedButTheBand) {
  std::vector<double> values;
  for (int i = 0; i < 20; ++i)
    values.push_back(std::pow(10, -i));
  Spectral spectral(20, 50, values, 1);
  Matrix o = orthogonalize(Program({.groups = {exactOf(20, 50)}}), {spectral.matrix()})[0];
  EXPECT_GT(frobenius(o), std::sqrt(4.0));
  EXPECT_LT(frobenius(o), std::sqrt(20.0) * 1.001);
}

} // namespace
