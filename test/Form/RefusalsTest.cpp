//===- RefusalsTest.cpp - What buildStep refuses, and how it says so --------------------------===//

#include "StepFixture.h"

using namespace muon;

namespace {

struct RefusalsTest : StepFixture {
  StepOptions options;
  RefusalsTest() { options.shape = {4, 6}; }
};

TEST_F(RefusalsTest, Names) {
  options.preset = "kelller";
  EXPECT_EQ(refusal(options), "unknown preset 'kelller'; known: keller, torch, moonlight, "
                              "polar_express, inverse_root, exact, rms, normuon, adamuon");
  options.preset = "torch";
  options.adjustLr = "match_rms";
  EXPECT_EQ(refusal(options), "unknown adjust_lr 'match_rms'; known: original, match_rms_adamw, "
                              "spectral, none");
  options.adjustLr.reset();
  options.decay = "l2";
  EXPECT_EQ(refusal(options), "unknown decay 'l2'; known: none, decoupled, coupled");
  options.decay.reset();
  options.momentumForm = "dampened";
  EXPECT_EQ(refusal(options), "unknown momentum form 'dampened'; known: ema, sum");
  options.momentumForm.reset();
  options.epsForm = "max";
  EXPECT_EQ(refusal(options), "unknown eps form 'max'; known: add, clamp");
  options.epsForm.reset();
  options.form = "newton";
  EXPECT_EQ(refusal(options), "unknown form 'newton'; known: standard, gram");
  options.form.reset();
  options.matrices = "flat";
  EXPECT_EQ(refusal(options), "unknown matrices 'flat'; known: batch, flatten, flatten_4d");
}

TEST_F(RefusalsTest, Types) {
  options.weight = "f16";
  EXPECT_EQ(refusal(options), "unknown weight dtype 'f16'; known: f32, bf16");
  options.weight = "f32";
  options.gradient = "f64";
  EXPECT_EQ(refusal(options), "unknown gradient dtype 'f64'; known: f32, bf16");
  options.gradient = "f32";
  options.momentum = "i8";
  EXPECT_EQ(refusal(options), "unknown momentum dtype 'i8'; known: f32, bf16");
  options.momentum = "f32";
  options.operands = "fp8";
  EXPECT_EQ(refusal(options), "unknown operand dtype 'fp8'; known: f32, bf16, f16, tf32");
  options.operands = "bf16";
  options.stochasticRounding = true;
  EXPECT_EQ(refusal(options), "stochastic rounding needs weight dtype bf16, got 'f32'");
  options.stochasticRounding = false;
  options.preset = "exact";
  EXPECT_EQ(refusal(options), "preset 'exact' needs operand dtype f32, got 'bf16'");
}

TEST_F(RefusalsTest, Shapes) {
  options.shape = {768};
  EXPECT_EQ(refusal(options), "preset 'keller' needs a tensor of rank 2 or more, got shape [768]; "
                              "vectors take preset 'rms'");
  options.shape = {4, 0};
  EXPECT_EQ(refusal(options), "expected sizes of 1 or more, got shape [4, 0]");
  options.preset = "rms";
  options.shape = {};
  EXPECT_EQ(refusal(options), "preset 'rms' needs a tensor of rank 1 or more, got shape []");
}

TEST_F(RefusalsTest, Tables) {
  options.steps = 0;
  EXPECT_EQ(refusal(options), "table 'keller' needs at least 1 step, but 0 were asked for");
  options.steps.reset();
  options.table = "aol_eo";
  EXPECT_EQ(refusal(options).rfind("table 'aol_eo' changes sign for sigma in [0.88", 0), 0u);
  options.rows = {Row{{1.5, -0.5}}};
  EXPECT_EQ(refusal(options), "expected a table's name or its rows, got both");
  options.table.reset();
  options.rows = {Row{{1.5}}};
  EXPECT_EQ(refusal(options), "table 'custom', row 1: expected 2 to 7 coefficients (odd degree 3 "
                              "to 13), got 1");
  options.rows = {Row{{1.5, -0.5}}, Row{{1.5, -0.5}}};
  options.steps = 5;
  EXPECT_EQ(refusal(options), "table has 2 rows, but 5 steps were asked for; a table is never "
                              "cycled or cut");
  options.rows = {Row{{9, 9, 9}}};
  EXPECT_EQ(refusal(options).rfind("table 'custom' ", 0), 0u);
}

TEST_F(RefusalsTest, Numbers) {
  options.eps = -1;
  EXPECT_EQ(refusal(options), "expected eps >= 0, got -1");
  options.eps.reset();
  options.safety = 0.5;
  EXPECT_EQ(refusal(options), "expected finite safety >= 1, got 0.5");
  options.safety.reset();
  options.clip = -0.25;
  EXPECT_EQ(refusal(options), "expected clip >= 0 (0 is off), got -0.25");
  options.clip = 0;
  options.damping = 1e-6;
  EXPECT_EQ(refusal(options), "damping is an option of preset 'inverse_root', not of 'keller'");
  options.preset = "inverse_root";
  options.damping = 0;
  EXPECT_EQ(refusal(options), "preset 'inverse_root' needs damping > 0, got 0");
}

TEST_F(RefusalsTest, OptionsOfAnotherPreset) {
  options.preset = "inverse_root";
  options.steps = 7;
  EXPECT_EQ(refusal(options), "preset 'inverse_root' takes 3 to 6 steps, got 7");
  options.steps = 5;
  options.form = "standard";
  EXPECT_EQ(refusal(options), "preset 'inverse_root' needs form gram, got 'standard'");
  options.preset = "exact";
  options.steps.reset();
  options.form = "gram";
  EXPECT_EQ(refusal(options), "preset 'exact' needs form standard, got 'gram'");
  options.table = "keller";
  EXPECT_EQ(refusal(options), "preset 'exact' takes no table, steps, safety or norm");
  options.preset = "rms";
  options.table.reset();
  options.epsForm = "clamp";
  EXPECT_EQ(refusal(options), "preset 'rms' takes no eps form: its norm is √(mean(X²) + eps²)");
}

TEST_F(RefusalsTest, WhatVectorsHaveNoUseFor) {
  auto refused = [&](auto set) {
    StepOptions vector;
    vector.preset = "rms";
    vector.shape = {7};
    set(vector);
    return refusal(vector);
  };
  std::string table = "preset 'rms' takes no table, steps, safety or norm";
  EXPECT_EQ(refused([](StepOptions &vector) { vector.table = "cubic"; }), table);
  EXPECT_EQ(refused([](StepOptions &vector) { vector.steps = 3; }), table);
  EXPECT_EQ(refused([](StepOptions &vector) { vector.norm = "trace"; }), table);
  std::string products = "preset 'rms' takes no operands, form, restarts, pairs or tile: it has no products";
  EXPECT_EQ(refused([](StepOptions &vector) { vector.operands = "f32"; }), products);
  EXPECT_EQ(refused([](StepOptions &vector) { vector.form = "gram"; }), products);
  EXPECT_EQ(refused([](StepOptions &vector) { vector.restarts.emplace(); }), products);
  EXPECT_EQ(refused([](StepOptions &vector) { vector.pairs.emplace(); }), products);
  EXPECT_EQ(refused([](StepOptions &vector) { vector.tile = {128, 0}; }), products);
  EXPECT_EQ(refused([](StepOptions &vector) { vector.matrices = "batch"; }),
            "preset 'rms' takes no matrices: its mean is over the whole tensor");
  EXPECT_EQ(refused([](StepOptions &vector) { vector.earlyStop = 0.3; }),
            "preset 'rms' takes no early_stop: it has no table");
}

TEST_F(RefusalsTest, Restarts) {
  options.restarts = {3};
  EXPECT_EQ(refusal(options), "restarts need form gram without damping, got preset 'keller' with "
                              "form 'auto'");
  options.form = "gram";
  options.restarts = {3, 3};
  EXPECT_EQ(refusal(options), "expected increasing restarts between 1 and 4, got 3");
  options.restarts = {5};
  EXPECT_EQ(refusal(options), "expected increasing restarts between 1 and 4, got 5");
}

} // namespace
