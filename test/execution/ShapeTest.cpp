//===- ShapeTest.cpp - Any m, n >= 1, alone and in batches ------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

using namespace muon::execution;

namespace {

/// Square, tall, wide, ragged, prime, single rows and columns, batches; one program for all.
std::vector<Group> everyShape() {
  std::vector<Group> groups;
  for (std::vector<int64_t> shape : std::vector<std::vector<int64_t>>{{1, 1},
                                                                      {1, 7},
                                                                      {7, 1},
                                                                      {2, 3},
                                                                      {16, 16},
                                                                      {17, 33},
                                                                      {33, 17},
                                                                      {61, 31},
                                                                      {64, 64},
                                                                      {97, 101},
                                                                      {40, 130},
                                                                      {130, 40},
                                                                      {1, 130},
                                                                      {130, 1},
                                                                      {3, 20, 36},
                                                                      {2, 2, 9, 5},
                                                                      {1, 4, 4}})
    groups.push_back({.shape = shape});
  groups[5].parameters = 3;
  return groups;
}

std::vector<Group> largerShapes() {
  std::vector<Group> groups;
  for (std::vector<int64_t> shape :
       std::vector<std::vector<int64_t>>{{256, 256}, {192, 771}, {771, 192}, {257, 263}, {2, 127, 384}, {64, 1024}})
    groups.push_back({.shape = shape});
  return groups;
}

void expectWithin(const std::vector<Difference> &differences, double bound) {
  for (const Difference &difference : differences) {
    EXPECT_LE(difference.update, bound) << difference.parameter;
    EXPECT_LE(difference.momentum, 1e-7) << difference.parameter;
  }
}

TEST(Shape, StandardFormInF32IsWithin2em5) {
  expectWithin(compare({.groups = everyShape(), .form = "standard"}), 2e-5);
}

TEST(Shape, GramFormInF32IsWithin2em4) { expectWithin(compare({.groups = everyShape(), .form = "gram"}), 2e-4); }

TEST(Shape, ChosenFormInF32IsWithin2em4) { expectWithin(compare({.groups = largerShapes()}), 2e-4); }

/// With R on the long side, too, where it is singular.
TEST(Shape, EitherSideIsWithinTheBoundsOfItsForm) {
  for (const char *side : {"left", "right"}) {
    expectWithin(compare({.groups = everyShape(), .form = "standard", .side = side}), 2e-5);
    expectWithin(compare({.groups = everyShape(), .form = "gram", .side = side}), 2e-4);
  }
  Group damped{.shape = {33, 17}, .preset = "inverse_root"}, exact{.shape = {17, 33}, .preset = "exact"};
  for (const char *side : {"left", "right"})
    expectWithin(compare({.groups = {damped, exact}, .side = side}), 2e-4);
}

/// bf16 keeps eight bits: Keller's five steps leave a few per cent.
TEST(Shape, StandardFormInBf16) {
  expectWithin(compare({.groups = everyShape(), .dtype = "bf16", .form = "standard"}), 4e-2);
}

/// A single singular value is where the gram form in bf16 is worst: it stays in the band, which is
/// all that the emulation behind the choice promises near rank one (expected_error in the report).
TEST(Shape, GramFormInBf16) {
  constexpr double kNearRankOne = 0.33, kOtherwise = 8e-2;
  for (const Difference &difference : compare({.groups = everyShape(), .dtype = "bf16", .form = "gram"})) {
    const std::string &name = difference.parameter;
    bool vector = name.find(" 1x") != name.npos || name.ends_with("x1");
    bool matrix = name == "keller 1x4x4";
    EXPECT_LE(difference.update, vector && !matrix ? kNearRankOne : kOtherwise) << name;
  }
}

TEST(Shape, ChosenFormInBf16) { expectWithin(compare({.groups = largerShapes(), .dtype = "bf16"}), 4e-2); }

TEST(Shape, SweepOfSmallShapes) {
  if (!heavyTests())
    GTEST_SKIP() << "takes a minute: ./check --heavy, or MUON_HEAVY_TESTS in the environment";
  for (std::string dtype : {"f32", "bf16"})
    for (int64_t rows = 1; rows <= 70; rows += 3) {
      std::vector<Group> groups;
      for (int64_t columns = 1; columns <= 70; columns += 4)
        groups.push_back({.shape = {rows, columns}});
      expectWithin(compare({.groups = groups, .dtype = dtype}), dtype == "f32" ? 2e-4 : 0.33);
    }
}

} // namespace
