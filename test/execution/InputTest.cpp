//===- InputTest.cpp - Inputs at the edges: finite, and what is documented --------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace muon::execution;

namespace {

const char *const kPresets[] = {"keller",  "torch",   "moonlight", "polar_express", "inverse_root", "exact",
                                "normuon", "adamuon", "rms"};

std::vector<Group> everyPreset(std::vector<int64_t> shape) {
  std::vector<Group> groups;
  for (const char *preset : kPresets)
    groups.push_back({.shape = shape, .preset = preset});
  return groups;
}

bool allFinite(const Matrix &matrix) {
  for (double value : matrix.values)
    if (!std::isfinite(value))
      return false;
  return true;
}

/// O of every preset for the same input; all finite.
std::vector<Matrix> everyDirection(const Program &program, const Matrix &input) {
  std::vector<Matrix> inputs(std::size(kPresets), input);
  std::vector<Matrix> results = orthogonalize(program, inputs);
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_TRUE(allFinite(results[i])) << kPresets[i];
  return results;
}

struct Input : ::testing::Test {
  Program wide{{.groups = everyPreset({24, 40})}};
};

/// No direction: O is zero.
TEST_F(Input, Zero) {
  for (const Matrix &o : everyDirection(wide, Matrix(24, 40)))
    EXPECT_EQ(frobenius(o), 0);
}

/// Where eps is far below ‖G‖ the direction does not depend on its size. 1e-30 is below the eps and
/// the damping of most presets: those give a direction as small, by definition.
TEST_F(Input, HugeAndTiny) {
  Matrix one = normal(24, 40, 3);
  std::vector<Matrix> expected = everyDirection(wide, one);
  std::vector<Matrix> huge = everyDirection(wide, 1e30 * one);
  std::vector<Matrix> tiny = everyDirection(wide, 1e-30 * one);
  for (size_t i = 0; i < expected.size(); ++i) {
    std::string preset = kPresets[i];
    EXPECT_LE(relativeError(huge[i], expected[i]), preset == "exact" ? 1e-3 : 1e-4) << preset;
    bool free = preset == "exact" || preset == "adamuon"; // no eps, or only the sign counts
    if (free)
      EXPECT_LE(relativeError(tiny[i], expected[i]), 1e-3) << preset;
    else
      EXPECT_LE(frobenius(tiny[i]), preset == "normuon" ? 10 : 1e-15) << preset;
  }
}

/// Entries far apart: sums of squares neither overflow nor vanish.
TEST_F(Input, HugeBesideTiny) {
  Matrix mixed = normal(24, 40, 3);
  for (int64_t i = 0; i < 24; ++i)
    for (int64_t j = 0; j < 40; ++j)
      mixed.at(i, j) *= i == 5 ? 3e37 : 1e-38;
  for (const Matrix &o : everyDirection(wide, mixed))
    EXPECT_GT(frobenius(o), 0);
}

TEST_F(Input, RankDeficient) {
  Matrix low = normal(24, 3, 1) * normal(3, 40, 2);
  std::vector<Matrix> results = everyDirection(wide, low);
  for (size_t i = 0; i < results.size(); ++i)
    if (std::string(kPresets[i]) == "exact") { // three singular values of one
      EXPECT_NEAR(frobenius(results[i]), std::sqrt(3.0), 2e-2);
    }
  Matrix ones(24, 40);
  std::fill(ones.values.begin(), ones.values.end(), 2);
  everyDirection(wide, ones);
}

TEST_F(Input, AlreadyOrthogonal) {
  Spectral spectral(24, 40, std::vector<double>(24, 1.0), 3);
  Matrix q = spectral.matrix();
  std::vector<Matrix> results = everyDirection(wide, q);
  for (size_t i = 0; i < results.size(); ++i) {
    std::string preset = kPresets[i];
    if (preset == "exact") {
      EXPECT_LE(relativeError(results[i], q), 1e-5);
    } else if (preset != "adamuon" && preset != "rms" && preset != "normuon") {
      // Every singular value is 1/√24 of the norm: one number, within the table's band.
      double scale = frobenius(results[i]) / frobenius(q);
      EXPECT_GT(scale, preset == "moonlight" ? 0.5 : 0.6) << preset;
      EXPECT_LE(relativeError(results[i], scale * q), 3e-2) << preset;
    }
  }
}

/// Default: what is not finite spreads, within its own parameter.
TEST(NonFinite, GradientsStayWithinTheirParameter) {
  Program program({.groups = {{.shape = {24, 40}, .parameters = 3}, {.shape = {2, 24, 40}}}});
  Trainer trainer(program), clean(program);
  trainer.fill(1), clean.fill(1);
  for (double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Matrix poisoned = trainer.gradient(1).matrix();
    poisoned.at(3, 4) = bad;
    trainer.gradient(1).set(poisoned);
    trainer.run(scalars()), clean.run(scalars());
    EXPECT_FALSE(allFinite(trainer.weight(1).matrix()));
    for (size_t p : {0u, 2u, 3u})
      EXPECT_EQ(trainer.weight(p).bits(), clean.weight(p).bits()) << p;
  }
}

/// Everything a trainer may hand over at its edges.
std::vector<Matrix> edges() {
  return {Matrix(24, 40), 1e30 * normal(24, 40, 1), 1e-30 * normal(24, 40, 1), normal(24, 2, 1) * normal(2, 40, 2),
          Spectral(24, 40, std::vector<double>(24, 1.0), 3).matrix()};
}

TEST(Edges, StayFiniteInBf16) {
  std::vector<Group> groups = everyPreset({24, 40});
  std::erase_if(groups, [](const Group &group) {
    return group.preset == "exact" || group.preset == "inverse_root"; // f32 only
  });
  Program program({.groups = groups, .dtype = "bf16"});
  for (const Matrix &input : edges())
    for (const Matrix &o : orthogonalize(program, std::vector<Matrix>(groups.size(), input)))
      EXPECT_TRUE(allFinite(o));
}

TEST(Edges, StayFiniteWithoutAvx512) {
  Program program({.groups = everyPreset({24, 40}), .target = "x86-64-v3"});
  if (std::string why = program.whyNotHere(); !why.empty())
    GTEST_SKIP() << why;
  for (const Matrix &input : edges())
    everyDirection(program, input);
}

} // namespace
