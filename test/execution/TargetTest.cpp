//===- TargetTest.cpp - Every instruction set's code ------------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

using namespace muon::execution;

namespace {

const std::vector<Group> kGroups = {{.shape = {37, 53}},
                                    {.shape = {130, 70}, .preset = "moonlight"},
                                    {.shape = {2, 24, 96}, .preset = "normuon"},
                                    {.shape = {77}, .preset = "rms"}};

struct Target : ::testing::TestWithParam<std::string> {};

TEST_P(Target, StepsAgreeWithFloat64) {
  for (std::string dtype : {"f32", "bf16"}) {
    Program program({.groups = kGroups, .dtype = dtype, .target = GetParam()});
    if (std::string why = program.whyNotHere(); !why.empty())
      GTEST_SKIP() << why;
    for (const Difference &difference : compare(program, 2, {.workers = 2}))
      EXPECT_LE(difference.update, dtype == "f32" ? 2e-4 : 8e-2) << dtype << " " << difference.parameter;
  }
}

INSTANTIATE_TEST_SUITE_P(Known, Target,
                         ::testing::Values("cpu", "x86-64", "x86-64-v3", "x86-64-v4", "haswell", "skylake-avx512",
                                           "cooperlake", "znver3", "znver4", "sapphirerapids"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::erase_if(name, [](char c) { return c == '-'; });
                           return name;
                         });

/// The schedule of one processor in instructions of another: what a machine lacks can be tested on
/// it. Dot products and tiles of bf16 pairs are expanded to the same bits.
TEST(Schedule, RunsOnOtherProcessorsWithTheSameBits) {
  std::vector<Group> groups{{.shape = {37, 53}}, {.shape = {2, 24, 96}}, {.shape = {130, 70}}};
  bool ran = false;
  for (std::string schedule : {"znver4", "sapphirerapids"}) {
    std::vector<uint64_t> expected;
    for (std::string machine : {"", "@x86-64-v4", "@x86-64-v3"}) {
      Program program({.groups = groups, .dtype = "bf16", .target = schedule + machine});
      if (!program.whyNotHere().empty())
        continue;
      Trainer trainer(program);
      trainer.fill(1, 0.02);
      trainer.run(scalars());
      if (expected.empty())
        expected = trainer.bits();
      EXPECT_EQ(trainer.bits(), expected) << schedule + machine;
      ran = true;
    }
  }
  if (!ran)
    GTEST_SKIP() << "expected a machine with at least AVX2";
}

TEST(Schedule, OfTheRichestProcessorsAgreesWithFloat64WhereverAvx2Is) {
  for (std::string target : {"x86-64-v4@x86-64-v3", "sapphirerapids@x86-64-v3"})
    for (std::string dtype : {"f32", "bf16"}) {
      SCOPED_TRACE(target + " " + dtype);
      Program program({.groups = kGroups, .dtype = dtype, .target = target});
      if (std::string why = program.whyNotHere(); !why.empty())
        GTEST_SKIP() << why;
      for (const Difference &difference : compare(program))
        EXPECT_LE(difference.update, dtype == "f32" ? 2e-4 : 8e-2) << difference.parameter;
    }
}

/// Sums of f16 are no less accurate than bf16 operands are, on every processor that converts halves.
TEST(Schedule, OfF16SumsAgreesWithFloat64) {
  bool ran = false;
  for (std::string target : {"sapphirerapids-amx", "sapphirerapids-amx@x86-64-v3"}) {
    SCOPED_TRACE(target);
    Program program({.groups = kGroups, .dtype = "f16", .target = target});
    if (!program.whyNotHere().empty())
      continue;
    ran = true;
    for (const Difference &difference : compare(program, 2, {.workers = 2}))
      EXPECT_LE(difference.update, 3e-2) << difference.parameter;
  }
  if (!ran)
    GTEST_SKIP() << "expected a machine with at least AVX2";
}

/// What this machine runs of a program with variants, and that the others are complete too.
TEST(Variant, TheFirstThatRunsIsTaken) {
  Program program(
      {.groups = {{.shape = {37, 53}}, {.shape = {77}, .preset = "rms"}}, .target = "sapphirerapids,x86-64-v4,x86-64"});
  Trainer chosen(program);
  chosen.fill(1);
  chosen.run(scalars());
  bool found = false;
  for (uint32_t i = 1; i <= 3; ++i) {
    std::string why;
    muon_handle *handle = program.load({1, i, nullptr, nullptr}, &why);
    if (!handle)
      continue;
    EXPECT_EQ(muon_variant_in_use(handle)->target == std::string(chosen.variant()->target), !found);
    muon_unload(handle);
    found = true;
    Trainer asked(program, {.variant = i});
    asked.fill(1);
    asked.run(scalars());
    for (size_t p = 0; p < asked.parameters(); ++p)
      EXPECT_LE(relativeError(asked.weight(p).matrix(), chosen.weight(p).matrix()), 1e-4) << i;
  }
  EXPECT_TRUE(found);
}

TEST(Variant, NoneRunsHere) {
  Program program({.groups = {{.shape = {8, 8}}}, .target = "graniterapids"});
  std::string why = program.whyNotHere();
  if (why.empty())
    GTEST_SKIP() << "this machine runs the richest known target";
  EXPECT_NE(why.find("graniterapids"), std::string::npos) << why;
}

TEST(Variant, BeyondTheLastIsRefused) {
  Program program({.groups = {{.shape = {8, 8}}}});
  muon_options options{1, 2, nullptr, nullptr};
  muon_handle *handle = nullptr;
  EXPECT_EQ(muon_load_library(program.library().c_str(), "step", &options, &handle), MUON_ERROR_ARGUMENT);
  EXPECT_EQ(handle, nullptr);
  EXPECT_STREQ(muon_error_text(), "variant 2 was asked for; program 'step' has 1");
}

} // namespace
