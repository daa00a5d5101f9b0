//===- DtypeTest.cpp - Weights, gradients and momenta in bf16 ---------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace muon::execution;

namespace {

/// The largest bf16 not above the value, and the smallest not below.
struct Neighbours {
  explicit Neighbours(double value) {
    int exponent;
    std::frexp(value, &exponent);
    double unit = std::ldexp(1, exponent - 8);
    down = std::floor(value / unit) * unit, up = std::ceil(value / unit) * unit;
  }
  double spacing() const { return up - down; }
  double down, up;
};

/// W after one step, from the float64 reference, for the inputs a trainer holds.
Matrix exactWeight(const Group &group, Trainer &trainer, size_t parameter = 0) {
  Matrix w = trainer.weight(parameter).matrix(), m = trainer.momentum(parameter).matrix(), v;
  StepReference(group).run(w, trainer.gradient(parameter).matrix(), m, v);
  return w;
}

TEST(Dtype, EveryCombinationOfTensorTypes) {
  std::vector<Group> groups;
  for (std::string weight : {"f32", "bf16"})
    for (std::string gradient : {"f32", "bf16"})
      for (std::string momentum : {"f32", "bf16"})
        groups.push_back({.shape = {36, 52}, .weight = weight, .gradient = gradient, .momentum = momentum});
  std::vector<Difference> differences = compare({.groups = groups, .form = "standard"});
  ASSERT_EQ(differences.size(), groups.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    SCOPED_TRACE(groups[i].weight + " " + groups[i].gradient + " " + groups[i].momentum);
    EXPECT_LE(differences[i].momentum, groups[i].momentum == "f32" ? 1e-7 : 0x1p-9);
    if (groups[i].weight == "f32") // a momentum that is stored rounded is used rounded
      EXPECT_LE(differences[i].update, groups[i].momentum == "f32" ? 2e-5 : 0x1p-7);
  }
}

/// A weight in bf16 is the exact one, rounded once.
TEST(Dtype, Bf16WeightsAreRoundedToNearest) {
  Group group{.shape = {36, 52}, .weight = "bf16", .gradient = "bf16"};
  Program program({.groups = {group}, .form = "standard"});
  Trainer trainer(program);
  trainer.fill(1, 0.02);
  Matrix exact = exactWeight(group, trainer);
  trainer.run(scalars());
  Matrix got = trainer.weight(0).matrix();
  int nearest = 0;
  for (size_t i = 0; i < got.values.size(); ++i) {
    double want = exact.values[i], slack = 1e-6;
    EXPECT_LE(std::abs(got.values[i] - want), Neighbours(want).spacing() / 2 + slack) << i;
    nearest += got.values[i] == roundToBf16(want);
  }
  EXPECT_GE(nearest, 0.99 * double(got.values.size())); // the others lie halfway
}

struct StochasticWeights {
  Group group{.shape = {36, 52}, .weight = "bf16", .stochasticRounding = true};
  Program program{{.groups = {group}, .form = "standard"}};
  Matrix exact;

  /// The weight after the same step with these random numbers.
  Matrix round(int step, int seed, uint32_t workers = 1) {
    Trainer trainer(program, {.workers = workers});
    trainer.fill(1, 0.02);
    exact = exactWeight(group, trainer);
    Scalars row = scalars();
    row["step"] = step, row["seed"] = seed;
    trainer.run(row);
    return trainer.weight(0).matrix();
  }
};

TEST(Dtype, StochasticRoundingGivesOneOfTheTwoNeighboursAndIsUnbiased) {
  constexpr int kSeeds = 128;
  StochasticWeights weights;
  weights.round(0, 0);
  std::vector<double> mean(weights.exact.values.size());
  for (int seed = 0; seed < kSeeds; ++seed) {
    Matrix got = weights.round(seed / 16, seed);
    for (size_t i = 0; i < mean.size(); ++i) {
      // f32 rounding of the exact value may carry it over a bf16 it lies next to.
      Neighbours low(weights.exact.values[i] - 1e-7), high(weights.exact.values[i] + 1e-7);
      ASSERT_GE(got.values[i], low.down) << i;
      ASSERT_LE(got.values[i], high.up) << i;
      double spacing = std::max(low.spacing(), high.spacing());
      mean[i] += (got.values[i] - weights.exact.values[i]) / (spacing * kSeeds);
    }
  }
  double all = 0;
  for (double one : mean) {
    EXPECT_LE(std::abs(one), 6 * 0.5 / std::sqrt(kSeeds));
    all += one / double(mean.size());
  }
  EXPECT_LE(std::abs(all), 5 * 0.5 / std::sqrt(double(kSeeds) * double(mean.size())));
}

TEST(Dtype, StochasticRoundingIsReproducible) {
  StochasticWeights weights;
  Matrix first = weights.round(3, 7);
  EXPECT_EQ(weights.round(3, 7).values, first.values);
  EXPECT_EQ(weights.round(3, 7, 3).values, first.values) << "on three workers";
  EXPECT_NE(weights.round(4, 7).values, first.values) << "in another step";
  EXPECT_NE(weights.round(3, 8).values, first.values) << "with another seed";
}

TEST(Dtype, StochasticRoundingDiffersBetweenParametersAndMatrices) {
  Group group{.shape = {2, 24, 24}, .parameters = 2, .weight = "bf16", .stochasticRounding = true};
  Program program({.groups = {group}});
  Trainer trainer(program);
  for (size_t p = 0; p < 2; ++p)
    for (int64_t k = 0; k < 2; ++k) {
      trainer.weight(p).set(0.02 * normal(24, 24, 1), k);
      trainer.gradient(p).set(normal(24, 24, 2), k);
    }
  trainer.run(scalars());
  std::vector<double> first = trainer.weight(0).matrix(0).values;
  EXPECT_NE(trainer.weight(0).matrix(1).values, first);
  EXPECT_NE(trainer.weight(1).matrix(0).values, first);
}

TEST(Dtype, StochasticRoundingKeepsWhatIsExact) {
  Group group{.shape = {20, 30}, .weight = "bf16", .stochasticRounding = true};
  Program program({.groups = {group}});
  Trainer trainer(program);
  trainer.fill(1);
  std::vector<uint64_t> before = trainer.weight(0).bits();
  trainer.run(scalars(0, 0));
  EXPECT_EQ(trainer.weight(0).bits(), before);
}

} // namespace
