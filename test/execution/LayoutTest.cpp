//===- LayoutTest.cpp - Strides do not change a bit -------------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

using namespace muon::execution;

namespace {

constexpr Layout kLayouts[] = {Layout::rows, Layout::columns, Layout::viewOfRows, Layout::viewOfColumns};

/// Each tensor in each layout, and all in the least convenient one.
void expectSameBits(const Request &request) {
  Program program(request);
  std::vector<uint64_t> expected = bitsAfterTwoSteps(program, {});
  for (Layout layout : kLayouts) {
    SCOPED_TRACE(int(layout));
    EXPECT_EQ(bitsAfterTwoSteps(program, {.weight = layout}), expected) << "weight";
    EXPECT_EQ(bitsAfterTwoSteps(program, {.gradient = layout}), expected) << "gradient";
    EXPECT_EQ(bitsAfterTwoSteps(program, {.state = layout}), expected) << "state";
    EXPECT_EQ(bitsAfterTwoSteps(program, {.weight = layout, .gradient = layout, .state = layout}), expected) << "all";
  }
}

/// Ragged, square and larger than one block, alone and batched.
std::vector<Group> shapesOf(Group group) {
  std::vector<Group> groups;
  for (std::vector<int64_t> shape :
       std::vector<std::vector<int64_t>>{{37, 53}, {53, 37}, {64, 64}, {1, 9}, {9, 1}, {2, 19, 70}, {130, 150}}) {
    group.shape = shape;
    groups.push_back(group);
  }
  return groups;
}

TEST(Layout, F32) {
  expectSameBits({.groups = shapesOf({.shape = {}})});
  expectSameBits({.groups = shapesOf({.shape = {}}), .form = "standard"});
}

TEST(Layout, Bf16Operands) { expectSameBits({.groups = shapesOf({.shape = {}}), .dtype = "bf16"}); }

TEST(Layout, Bf16Tensors) {
  Group group{.shape = {}, .weight = "bf16", .gradient = "bf16", .momentum = "bf16"};
  group.stochasticRounding = true;
  expectSameBits({.groups = shapesOf(group), .dtype = "bf16"});
}

TEST(Layout, MixedTensors) {
  Group group{.shape = {}, .weight = "bf16", .gradient = "f32", .momentum = "bf16"};
  expectSameBits({.groups = shapesOf(group)});
  group = {.shape = {}, .weight = "f32", .gradient = "bf16", .momentum = "f32"};
  expectSameBits({.groups = shapesOf(group)});
}

TEST(Layout, PresetsWithReductionsOverTheOutput) {
  expectSameBits({.groups = shapesOf({.shape = {}, .preset = "normuon"})});
  expectSameBits({.groups = shapesOf({.shape = {}, .preset = "adamuon"})});
  expectSameBits({.groups = shapesOf({.shape = {}, .preset = "exact"})});
  Group clipped{.shape = {}, .clip = 0.5};
  expectSameBits({.groups = shapesOf(clipped)});
}

TEST(Layout, OtherTargets) {
  for (std::string target : {"x86-64", "x86-64-v3", "x86-64-v4", "cooperlake"})
    for (std::string dtype : {"f32", "bf16"}) {
      SCOPED_TRACE(target + " " + dtype);
      Program program({.groups = {{.shape = {37, 53}}, {.shape = {2, 19, 70}}}, .dtype = dtype, .target = target});
      if (!program.whyNotHere().empty())
        continue;
      Layout least = Layout::viewOfColumns;
      EXPECT_EQ(bitsAfterTwoSteps(program, {.weight = least, .gradient = least, .state = least}),
                bitsAfterTwoSteps(program, {}));
    }
}

/// The weight is the first result and the states follow, wherever they stand among the arguments.
TEST(Layout, ResultsTakeTheMemoryOfTheirOwnArguments) {
  Program program({.program = R"(
func.func @descend(%m: tensor<3x4xf32> {muon.arg = "state", muon.name = "momentum"}, %g: tensor<3x4xf32> {muon.arg = "gradient"},
                   %w: tensor<3x4xf32> {muon.arg = "weight"}) -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  %half = arith.constant dense<5.0e-01> : tensor<3x4xf32>
  %n = arith.addf %m, %g : tensor<3x4xf32>
  %s = arith.mulf %half, %n : tensor<3x4xf32>
  %u = arith.subf %w, %s : tensor<3x4xf32>
  return %u, %n : tensor<3x4xf32>, tensor<3x4xf32>
})"});
  Trainer trainer(program);
  trainer.fill(3);
  Matrix w = trainer.weight(0).matrix(0), g = trainer.gradient(0).matrix(0), m = trainer.momentum(0).matrix(0);
  trainer.run({});
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 4; ++j) {
      float momentum = float(m.at(i, j)) + float(g.at(i, j));
      EXPECT_EQ(float(trainer.momentum(0).matrix(0).at(i, j)), momentum) << i << "," << j;
      EXPECT_EQ(float(trainer.weight(0).matrix(0).at(i, j)), float(w.at(i, j)) - 0.5f * momentum) << i << "," << j;
    }
}

} // namespace
