//===- GpuTest.cpp - Whole steps on the emulated GPU ------------------------------------------===//
//
// Through the real executor, every check of the emulator on. Nothing here has run on hardware.
//
//===----------------------------------------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

#include <limits>

using namespace muon::execution;

namespace {

/// bf16 operands: the same bound as for bf16 on processors.
constexpr double kBound = 8e-2;

struct Chip : ::testing::TestWithParam<std::string> {
  void SetUp() override {
    if (std::string why = whyNotOn(GetParam()); !why.empty())
      GTEST_SKIP() << why;
  }

  void expectAgreement(std::vector<Group> groups, const std::string &form = "auto", Trainer::Options options = {}) {
    Program program({.groups = std::move(groups), .dtype = "bf16", .form = form, .target = GetParam()});
    for (const Difference &difference : compare(program, 1, options))
      EXPECT_LE(difference.update, kBound) << difference.parameter;
  }
};

/// What does not depend on the chip.
struct OneChip : Chip {};

/// k is at least three rounds of the stages of a block, in both directions of the product.
TEST_P(Chip, WholeBlocks) { expectAgreement({{.shape = {128, 512}}}, "standard"); }
TEST_P(Chip, WholeBlocksGram) { expectAgreement({{.shape = {512, 128}}}, "gram"); }

TEST_P(Chip, Ragged) {
  expectAgreement({{.shape = {130, 201}}}, "standard");
  expectAgreement({{.shape = {201, 70}}});
}

TEST_P(Chip, Batch) { expectAgreement({{.shape = {3, 24, 96}, .preset = "normuon"}}); }

/// Launches of a stage that share a kernel are one launch on the device.
TEST_P(Chip, SeveralGroups) {
  expectAgreement({{.shape = {37, 53}, .parameters = 2},
                   {.shape = {53, 37}},
                   {.shape = {64, 96}, .preset = "moonlight"},
                   {.shape = {40, 24}, .preset = "adamuon"},
                   {.shape = {300}, .preset = "rms"}});
}

/// Every product's k in parts, in every operand type: kernels and sums of their own.
TEST_P(Chip, InParts) {
  for (auto [dtype, bound] : {std::pair{"bf16", kBound}, {"f32", 2e-5}})
    for (const char *form : {"standard", "gram"}) {
      if (std::string(dtype) == "f32" && std::string(form) == "gram")
        continue;
      Program program({.groups = {{.shape = {70, 330}}, {.shape = {2, 140, 90}}},
                       .dtype = dtype,
                       .form = form,
                       .target = GetParam(),
                       .parts = 3});
      for (const Difference &difference : compare(program))
        EXPECT_LE(difference.update, bound) << dtype << " " << form << " " << difference.parameter;
    }
}

TEST_P(OneChip, NarrowTensors) {
  expectAgreement({{.shape = {72, 100}, .weight = "bf16", .gradient = "bf16", .momentum = "bf16"}});
}

/// Element alignment is enough, and either dimension may have unit stride.
TEST_P(OneChip, Views) {
  expectAgreement({{.shape = {40, 72}}}, "auto",
                  {.weight = Layout::viewOfRows, .gradient = Layout::columns, .state = Layout::viewOfColumns});
}

/// f16 and tf32 have eight times the precision of bf16.
TEST_P(OneChip, ElevenBits) {
  for (const char *dtype : {"f16", "tf32"})
    for (std::vector<int64_t> shape : {std::vector<int64_t>{70, 130}, {130, 70}}) {
      Program program({.groups = {{.shape = shape}}, .dtype = dtype, .form = "standard", .target = GetParam()});
      for (const Difference &difference : compare(program))
        EXPECT_LE(difference.update, kBound / 8) << dtype << " " << difference.parameter;
    }
}

/// f32 operands: three products of tf32 give the processors' accuracy, in both directions of a
/// product.
TEST_P(OneChip, WholeF32) {
  for (std::vector<int64_t> shape : {std::vector<int64_t>{70, 130}, {130, 70}}) {
    Program program({.groups = {{.shape = shape}}, .form = "standard", .target = GetParam()});
    for (const Difference &difference : compare(program))
      EXPECT_LE(difference.update, 2e-5) << difference.parameter;
  }
}

TEST_P(OneChip, PresetsInF32) {
  Program program({.groups = {{.shape = {24, 40}, .preset = "exact"}}, .target = GetParam()});
  std::vector<Matrix> inputs{normal(24, 40, 3)};
  std::vector<Matrix> factors = orthogonalize(program, inputs);
  ASSERT_EQ(factors.size(), 1u);
  EXPECT_LE(relativeError(factors[0], polarFactor(inputs[0])), 1e-5);
}

TEST_P(OneChip, SmallestShapes) { expectAgreement({{.shape = {1, 1}}, {.shape = {1, 50}}, {.shape = {33, 1}}}); }

/// One step from small weights; the weights' bits in `bits`, if asked for.
std::vector<Matrix> updated(const Program &program, uint64_t schedule, std::vector<uint64_t> *bits = nullptr) {
  Trainer trainer(program, {.schedule = schedule});
  trainer.fill(1, 0.02);
  trainer.run(scalars());
  if (bits)
    *bits = trainer.bits();
  std::vector<Matrix> weights;
  for (size_t p = 0; p < trainer.parameters(); ++p)
    weights.push_back(trainer.weight(p).matrix());
  return weights;
}

/// Several blocks for each matrix, two groups: the same bits in any order of threads, and what the
/// processor's program gives.
TEST_P(Chip, SeveralBlocksInThreeOrders) {
  for (auto [dtype, bound] : {std::pair{"bf16", kBound}, {"f32", 2e-5}}) {
    std::vector<Group> groups = {{.shape = {140, 210}}, {.shape = {70, 130}, .preset = "normuon"}};
    Program program({.groups = groups, .dtype = dtype, .form = "standard", .target = GetParam()});
    Program host({.groups = groups, .dtype = dtype, .form = "standard"});
    std::vector<uint64_t> expected, other;
    std::vector<Matrix> device = updated(program, 0, &expected), processor = updated(host, 0);
    for (uint64_t schedule : {1, 2}) {
      updated(program, schedule, &other);
      EXPECT_EQ(other, expected) << dtype << ", schedule " << schedule;
    }
    Trainer start(host);
    start.fill(1, 0.02);
    for (size_t p = 0; p < device.size(); ++p)
      EXPECT_LE(relativeError(device[p] - start.weight(p).matrix(), processor[p] - start.weight(p).matrix()), bound)
          << dtype << ", parameter " << p;
  }
}

INSTANTIATE_TEST_SUITE_P(Sm80, OneChip, ::testing::Values("sm_80"), [](const auto &info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(Known, Chip, ::testing::Values("sm_80", "sm_120"),
                         [](const auto &info) { return info.param; });

struct Gpu : ::testing::Test {
  void SetUp() override {
    if (std::string why = whyNoGpuPrograms(); !why.empty())
      GTEST_SKIP() << why;
  }
};

/// Blocks may follow the batch, sums may not; `parts` of every product's k, 0: the model's choice.
struct GpuGroup : Gpu, ::testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Parts, GpuGroup, ::testing::Values(0, 3));
TEST_P(GpuGroup, GivesWhatSingleRunsGive) {
  Request one{.groups = {{.shape = {40, 104}}}, .dtype = "bf16", .target = "sm_80", .parts = GetParam()};
  Request three = one;
  three.groups[0].parameters = 3;
  Program single(one), group(three);
  Trainer together(group);
  together.fill(5);
  std::vector<std::vector<uint64_t>> expected;
  for (size_t p = 0; p < 3; ++p) {
    Trainer alone(single);
    alone.weight(0).set(together.weight(p).matrix());
    alone.gradient(0).set(together.gradient(p).matrix());
    alone.momentum(0).set(together.momentum(p).matrix());
    alone.run(scalars());
    expected.push_back(alone.weight(0).bits());
  }
  together.run(scalars());
  for (size_t p = 0; p < 3; ++p)
    EXPECT_EQ(together.weight(p).bits(), expected[p]) << p;
}

TEST_F(Gpu, NoGradientMeansUntouched) {
  Program program({.groups = {{.shape = {40, 56}, .parameters = 2}}, .dtype = "bf16", .target = "sm_80"});
  Trainer trainer(program);
  trainer.fill(3);
  std::vector<uint64_t> weight = trainer.weight(0).bits(), momentum = trainer.momentum(0).bits(),
                        other = trainer.weight(1).bits();
  trainer.run(scalars(), {0});
  EXPECT_EQ(trainer.weight(0).bits(), weight);
  EXPECT_EQ(trainer.momentum(0).bits(), momentum);
  EXPECT_NE(trainer.weight(1).bits(), other);
  EXPECT_EQ(trainer.status(0).state, 1u);
  EXPECT_EQ(trainer.status(1).state, 0u);
}

TEST_F(Gpu, ANonFiniteGradientIsSkippedWhereAsked) {
  Program program(
      {.groups = {{.shape = {40, 56}, .parameters = 2}}, .dtype = "bf16", .target = "sm_80", .nonfinite = "skip"});
  Trainer trainer(program);
  trainer.fill(3);
  Matrix gradient = trainer.gradient(1).matrix();
  gradient.at(7, 9) = std::numeric_limits<double>::infinity();
  trainer.gradient(1).set(gradient);
  std::vector<uint64_t> weight = trainer.weight(1).bits(), momentum = trainer.momentum(1).bits(),
                        other = trainer.weight(0).bits();
  trainer.run(scalars());
  EXPECT_EQ(trainer.weight(1).bits(), weight);
  EXPECT_EQ(trainer.momentum(1).bits(), momentum);
  EXPECT_NE(trainer.weight(0).bits(), other);
  EXPECT_EQ(trainer.status(1).state, 2u);
}

} // namespace
