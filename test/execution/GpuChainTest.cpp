//===- GpuChainTest.cpp - Products that stay on the emulated chip ---------===//
//
// The gram form's products of small matrices in one block (DESIGN: "small short sides keep the gram
// loop on chip"), every check of the emulator on. Nothing here has run on hardware.
//
//===----------------------------------------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

#include <limits>

using namespace muon::execution;

namespace {

/// bf16 operands: the same bound as for bf16 on processors.
constexpr double kBound = 8e-2;

int64_t countChains(const muon_variant &variant) {
  int64_t count = 0;
  for (uint32_t stage = 0; stage < variant.num_stages; ++stage)
    for (uint32_t i = 0; i < variant.stages[stage].num_launches; ++i)
      count += std::string(variant.stages[stage].launches[i].kernel).rfind("chain", 0) == 0;
  return count;
}

std::vector<uint64_t> bitsOf(const Program &program, uint64_t schedule, int64_t chains) {
  Trainer trainer(program, {.schedule = schedule});
  EXPECT_EQ(countChains(*trainer.variant()), chains);
  trainer.fill(1, 0.02);
  trainer.run(scalars());
  return trainer.bits();
}

/// Whole tiles, ragged, three matrices, one tile; more shapes than kernels. A block of three steps
/// and one of two.
const Request kGroups{.groups = {{.shape = {64, 160}},
                                 {.shape = {100, 49}},
                                 {.shape = {3, 72, 40}},
                                 {.shape = {7, 40}},
                                 {.shape = {48, 56}, .parameters = 2},
                                 {.shape = {40, 96}, .preset = "normuon"}},
                      .dtype = "bf16",
                      .form = "gram",
                      .restarts = "[3]"};

struct Chain : ::testing::TestWithParam<std::string> {
  void SetUp() override {
    if (std::string why = whyNotOn(GetParam()); !why.empty())
      GTEST_SKIP() << why;
  }
  Request request(const std::string &chain) const {
    Request request = kGroups;
    request.target = GetParam();
    request.chain = chain;
    return request;
  }
};

TEST_P(Chain, AgreesWithFloat64) {
  for (const Difference &difference : compare(Program(request("block"))))
    EXPECT_LE(difference.update, kBound) << difference.parameter;
}

/// One block sums every element in the order in which launches do, so which way is taken may follow
/// the batch; and the order of threads changes nothing.
TEST_P(Chain, GivesTheBitsOfLaunches) {
  Program block(request("block")), launches(request("launches"));
  std::vector<uint64_t> expected = bitsOf(launches, 0, 0);
  for (uint64_t schedule : {0, 1, 2})
    EXPECT_EQ(bitsOf(block, schedule, 12), expected) << "schedule " << schedule;
}

INSTANTIATE_TEST_SUITE_P(Known, Chain, ::testing::Values("sm_80", "sm_120"),
                         [](const auto &info) { return info.param; });

struct GpuChain : ::testing::Test {
  void SetUp() override {
    if (std::string why = whyNoGpuPrograms(); !why.empty())
      GTEST_SKIP() << why;
  }
};

/// The largest side. On sm_80 two matrices fit, so the second step takes the place of the first.
TEST_F(GpuChain, TheLargestSide) {
  Request request{.groups = {{.shape = {256, 256}, .steps = 2}},
                  .dtype = "bf16",
                  .form = "gram",
                  .target = "sm_80",
                  .restarts = "[]",
                  .chain = "block"};
  Request staged = request;
  staged.chain = "launches";
  EXPECT_EQ(bitsOf(Program(request), 1, 1), bitsOf(Program(staged), 0, 0));
}

/// f16 operands, and steps whose first product is in the epilogue that makes R.
TEST_F(GpuChain, HalfOperandsAndCubicSteps) {
  Program program({.groups = {{.shape = {50, 70}}, {.shape = {30, 50}, .table = "cubic", .steps = 5}},
                   .dtype = "f16",
                   .form = "gram",
                   .target = "sm_80",
                   .restarts = "[3]",
                   .chain = "block"});
  for (const Difference &difference : compare(program))
    EXPECT_LE(difference.update, kBound / 4) << difference.parameter;
}

/// A matrix whose gradient is not finite, and a parameter without a gradient, cost no chain.
TEST_F(GpuChain, IsSkippedWithItsMatrix) {
  Program program({.groups = {{.shape = {40, 56}, .parameters = 3}},
                   .dtype = "bf16",
                   .form = "gram",
                   .target = "sm_80",
                   .restarts = "[3]",
                   .nonfinite = "skip",
                   .chain = "block"});
  Trainer trainer(program);
  EXPECT_EQ(countChains(*trainer.variant()), 2);
  trainer.fill(3);
  Matrix gradient = trainer.gradient(1).matrix();
  gradient.at(7, 9) = std::numeric_limits<double>::quiet_NaN();
  trainer.gradient(1).set(gradient);
  std::vector<uint64_t> absent = trainer.weight(0).bits(), bad = trainer.weight(1).bits(),
                        good = trainer.weight(2).bits();
  trainer.run(scalars(), {0});
  EXPECT_EQ(trainer.weight(0).bits(), absent);
  EXPECT_EQ(trainer.weight(1).bits(), bad);
  EXPECT_NE(trainer.weight(2).bits(), good);
  EXPECT_EQ(trainer.status(0).state, 1u);
  EXPECT_EQ(trainer.status(1).state, 2u);
}

} // namespace
