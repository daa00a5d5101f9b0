//===- GpuChainTest.cpp - Products that stay on the emulated chip -----------------------------===//
//
// The gram form's products of small matrices in one block (DESIGN: "small short sides keep the gram
// loop on chip"), every check of the emulator on. Nothing here has run on hardware.
//
//===----------------------------------------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

#include <limits>
#include <tuple>

using namespace muon::execution;

namespace {

/// Of bf16 operands the same bound as on processors; tf32 has eight times their precision, and f32
/// that of the gram form.
double boundOf(const std::string &dtype) { return dtype == "f32" ? 2e-4 : dtype == "bf16" ? 8e-2 : 1e-2; }

/// The bits after one step, the same under each of the schedules, of a program with so many chains.
std::vector<uint64_t> bitsOf(const Program &program, const std::vector<uint64_t> &schedules, int64_t chains) {
  Trainer trainer(program);
  EXPECT_EQ(trainer.launches("chain"), chains);
  std::vector<uint64_t> bits;
  for (uint64_t schedule : schedules) {
    muonEmulatorSetSchedule(schedule);
    trainer.fill(1, 0.02);
    trainer.run(scalars());
    if (!bits.empty())
      EXPECT_EQ(trainer.bits(), bits) << "schedule " << schedule;
    bits = trainer.bits();
  }
  return bits;
}

/// Whole tiles, ragged, three matrices, one tile; more shapes than kernels. A block of three steps
/// and one of two.
const Request kGroups{.groups = {{.shape = {64, 160}},
                                 {.shape = {100, 49}},
                                 {.shape = {3, 72, 40}},
                                 {.shape = {7, 40}},
                                 {.shape = {48, 56}, .parameters = 2},
                                 {.shape = {40, 96}, .preset = "normuon"}},
                      .form = "gram",
                      .restarts = "[3]"};

/// A chip and an operand type.
struct Chain : ::testing::TestWithParam<std::pair<std::string, std::string>> {
  void SetUp() override {
    if (std::string why = whyNotOn(GetParam().first); !why.empty())
      GTEST_SKIP() << why;
  }
  Request request(const std::string &chain) const {
    Request request = kGroups;
    std::tie(request.target, request.dtype) = GetParam();
    request.chain = chain;
    return request;
  }
};

/// One block sums every element in the order in which launches do, so which way is taken may follow
/// the batch; and the order of threads changes nothing.
TEST_P(Chain, AgreesWithFloat64AndGivesTheBitsOfLaunches) {
  Program block(request("block")), launches(request("launches"));
  EXPECT_EQ(bitsOf(block, {0, 1, 2}, 12), bitsOf(launches, {0}, 0));
  for (const Difference &difference : compare(block))
    EXPECT_LE(difference.update, boundOf(GetParam().second)) << difference.parameter;
}

std::vector<std::pair<std::string, std::string>> everyChipAndType() {
  std::vector<std::pair<std::string, std::string>> all;
  for (const char *chip : {"sm_80", "sm_120"})
    for (const char *dtype : {"bf16", "f32", "tf32"})
      all.emplace_back(chip, dtype);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Known, Chain, ::testing::ValuesIn(everyChipAndType()),
                         [](const auto &info) { return info.param.first + "_" + info.param.second; });

struct GpuChain : ::testing::Test {
  void SetUp() override {
    if (std::string why = whyNoGpuPrograms(); !why.empty())
      GTEST_SKIP() << why;
  }
};

/// The largest sides. On sm_80 two matrices fit, so the second step takes the place of the first.
TEST_F(GpuChain, TheLargestSides) {
  for (auto [side, dtype] : {std::pair{256, "bf16"}, {192, "f32"}}) {
    Request request{.groups = {{.shape = {side, side}, .steps = 2}},
                    .dtype = dtype,
                    .form = "gram",
                    .target = "sm_80",
                    .restarts = "[]",
                    .chain = "block"};
    Request staged = request;
    staged.chain = "launches";
    EXPECT_EQ(bitsOf(Program(request), {1}, 1), bitsOf(Program(staged), {0}, 0)) << dtype;
  }
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
    EXPECT_LE(difference.update, boundOf("f16") * 2) << difference.parameter;
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
  EXPECT_EQ(trainer.launches("chain"), 2);
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
