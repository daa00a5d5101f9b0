//===- ViewTest.cpp - Parts of a weight, each orthogonalised by itself ------------------------===//

#include "Comparison.h"
#include "StepText.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

using namespace muon::execution;

namespace {

Matrix boxOf(const Matrix &a, const Box &box) {
  Matrix part(box.rows, box.columns);
  for (int64_t i = 0; i < box.rows; ++i)
    for (int64_t j = 0; j < box.columns; ++j)
      part.at(i, j) = a.at(box.row + i, box.column + j);
  return part;
}

struct Fused {
  std::vector<int64_t> shape;
  std::vector<Box> parts;
};

/// Queries, keys and values: above each other, beside each other, fewer heads of keys and values, and in a batch.
const std::vector<Fused> kFused = {
    {{96, 32}, {{0, 0, 32, 32}, {32, 0, 32, 32}, {64, 0, 32, 32}}},
    {{32, 96}, {{0, 0, 32, 32}, {0, 32, 32, 32}, {0, 64, 32, 32}}},
    {{75, 37}, {{0, 0, 37, 37}, {37, 0, 19, 37}, {56, 0, 19, 37}}},
    {{37, 81}, {{0, 0, 37, 53}, {0, 53, 37, 27}, {0, 80, 37, 1}}},
    {{2, 60, 24}, {{0, 0, 24, 24}, {24, 0, 24, 24}, {48, 0, 12, 24}}},
};

const char *const kTensors[] = {"weight", "gradient", "momentum"};

/// Two steps of a fused weight and of its parts as parameters of their own: the same bits.
void expectPartsAlone(const Fused &fused, const std::string &operands, const std::string &target,
                      Trainer::Options options) {
  SCOPED_TRACE(tensorType(fused.shape) + " " + operands + " " + target);
  std::string text;
  for (size_t i = 0; i < fused.parts.size(); ++i)
    text += fusedText("f" + std::to_string(i), {fused.parts[i].rows, fused.parts[i].columns}, {}, operands);
  Program whole({.target = target, .program = fusedText("fused", fused.shape, fused.parts, operands)});
  Program byHand({.target = target, .program = text});
  if (!isGpu(target) && !whole.whyNotHere().empty())
    return;
  for (int64_t k = 0; k < (fused.shape.size() > 2 ? fused.shape[0] : 1); ++k) {
    Trainer fresh(whole, options), alone(byHand);
    fresh.fill(7);
    for (size_t i = 0; i < fused.parts.size(); ++i)
      for (const char *name : kTensors)
        alone.tensor(i, name).set(boxOf(fresh.tensor(0, name).matrix(k), fused.parts[i]));
    for (int step = 0; step < 2; ++step) {
      fresh.run(scalars());
      alone.run(scalars());
    }
    for (size_t i = 0; i < fused.parts.size(); ++i)
      for (const char *name : kTensors)
        EXPECT_EQ(alone.tensor(i, name).matrix().values, boxOf(fresh.tensor(0, name).matrix(k), fused.parts[i]).values)
            << name << " " << i;
  }
}

TEST(View, PartsOfAFusedWeightEqualThePartsAlone) {
  for (const Fused &fused : kFused)
    expectPartsAlone(fused, "f32", "cpu", {});
  expectPartsAlone(kFused[2], "bf16", "cpu", {});
}

TEST(View, PartsOfAFusedWeightInOtherLayouts) {
  expectPartsAlone(
      kFused[2], "f32", "cpu",
      {.workers = 2, .weight = Layout::columns, .gradient = Layout::viewOfRows, .state = Layout::viewOfColumns});
  expectPartsAlone(kFused[3], "f32", "cpu",
                   {.workers = 3, .weight = Layout::viewOfColumns, .gradient = Layout::columns});
}

TEST(View, PartsOfAFusedWeightOnOtherTargets) {
  for (const char *target : {"x86-64", "x86-64-v3", "x86-64-v4"})
    expectPartsAlone(kFused[2], "f32", target, {});
}

TEST(View, PartsOfAFusedWeightOnAGpu) {
  if (std::string why = whyNotOn("sm_80"); !why.empty())
    GTEST_SKIP() << why;
  expectPartsAlone(kFused[2], "bf16", "sm_80", {});
}

/// Against float64, beside groups without views, with a gradient left out.
TEST(View, PartsOfAFusedWeightInFloat64) {
  std::string text = fusedText("plain", {40, 24}, {});
  for (size_t i = 0; i + 1 < kFused.size(); ++i)
    text += fusedText("f" + std::to_string(i), kFused[i].shape, kFused[i].parts);
  Program program({.program = text});
  Trainer trainer(program, {.workers = 2});
  trainer.fill(1, 0.02, 1, 0.5);
  StepReference reference(Group{.shape = {8, 8}});
  reference.scale = 1;
  for (size_t p = 0; p < trainer.parameters(); ++p) {
    Matrix before = trainer.weight(p).matrix(), momentum = trainer.momentum(p).matrix(),
           gradient = trainer.gradient(p).matrix();
    Trainer own(program, {.workers = 2});
    own.fill(1, 0.02, 1, 0.5);
    std::vector<size_t> absent;
    for (size_t other = 0; other < own.parameters(); ++other)
      if (other != p)
        absent.push_back(other);
    own.run(scalars(), absent);
    std::vector<Box> parts = p ? kFused[p - 1].parts : std::vector<Box>{{0, 0, before.rows, before.columns}};
    for (const Box &part : parts) {
      Matrix first = boxOf(before, part), w = first, m = boxOf(momentum, part), v;
      reference.run(w, boxOf(gradient, part), m, v);
      EXPECT_LE(relativeError(boxOf(own.weight(p).matrix(), part) - first, w - first), 2e-4) << p;
      EXPECT_LE(relativeError(boxOf(own.momentum(p).matrix(), part), m), 1e-6) << p;
    }
    for (size_t other : absent)
      EXPECT_EQ(own.weight(other).bits(), trainer.weight(other).bits()) << other;
  }
}

/// Experts above each other are a batch of experts.
TEST(View, ExpertsAboveEachOtherEqualABatch) {
  for (auto [experts, rows, columns] : {std::array<int64_t, 3>{4, 24, 40}, {3, 37, 19}, {5, 1, 9}, {1, 8, 8}}) {
    SCOPED_TRACE(experts);
    Program flat({.program = expertsText("flat", experts, rows, columns)});
    Program batch({.program = fusedText("batch", {experts, rows, columns}, {})});
    Trainer one(flat, {.workers = 2}), other(batch);
    one.fill(5);
    for (const char *name : kTensors)
      for (int64_t k = 0; k < experts; ++k)
        other.tensor(0, name).set(boxOf(one.tensor(0, name).matrix(), {k * rows, 0, rows, columns}), k);
    for (int step = 0; step < 2; ++step) {
      one.run(scalars());
      other.run(scalars());
    }
    for (const char *name : kTensors)
      EXPECT_EQ(one.tensor(0, name).bits(), other.tensor(0, name).bits()) << name;
  }
}

/// The program of test/IR/programs.mlir: each head's rows are scaled after the step by what its largest logit asks for.
std::string clipText(const std::string &name, int64_t heads, int64_t rows, int64_t columns) {
  return replaced(R"(
func.func @$NAME(%w: $W {muon.arg = "weight"}, %g: $W {muon.arg = "gradient"}, %m: $W {muon.arg = "state", muon.name = "momentum"},
                 %s: $S {muon.arg = "input", muon.name = "max_logit"}, %tau: f64 {muon.name = "tau"}, %lr: f64 {muon.name = "lr"},
                 %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> ($W, $W) {
  %one = arith.constant dense<1.0> : $S
  %tf = arith.truncf %tau : f64 to f32
  %t = tensor.splat %tf : $S
  %e = tensor.empty() : $H
  %x, %m1 = muon.momentum sum %g, %m, %mu nesterov : $W, $W -> $W, $W
  %o = muon.orthogonalize %x table<"jordan", 5> operands f32 eps 1.0e-7 : $W -> $W
  %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 2.0 : $W, $W -> $W
  %r = arith.divf %t, %s : $S
  %gam = arith.minnumf %one, %r : $S
  %f = math.sqrt %gam : $S
  %fb = linalg.broadcast ins(%f : $S) outs(%e : $H) dimensions = [1, 2]
  %wh = tensor.expand_shape %w1 [[0, 1], [2]] output_shape [$COUNT, $ROWS, $COLUMNS] : $W into $H
  %wc = arith.mulf %wh, %fb : $H
  %w2 = tensor.collapse_shape %wc [[0, 1], [2]] : $H into $W
  return %w2, %m1 : $W, $W
}
)",
                  {{"NAME", name},
                   {"COUNT", std::to_string(heads)},
                   {"ROWS", std::to_string(rows)},
                   {"COLUMNS", std::to_string(columns)},
                   {"W", tensorType({heads * rows, columns})},
                   {"H", tensorType({heads, rows, columns})},
                   {"S", tensorType({heads})}});
}

TEST(View, MuonClipScalesEachHead) {
  for (auto [heads, rows, columns] : {std::array<int64_t, 3>{12, 8, 48}, {12, 8, 200}, {3, 16, 48}, {4, 25, 30}}) {
    SCOPED_TRACE(columns);
    Trainer trainer(Program({.program = clipText("clip", heads, rows, columns)}), {.workers = 2});
    trainer.fill(1, 0.02, 1, 0.5);
    Matrix logits(1, heads);
    for (int64_t h = 0; h < heads; ++h)
      logits.at(0, h) = 20 + 7 * double(h);
    trainer.tensor(0, "max_logit").set(logits);
    Matrix first = trainer.weight(0).matrix(), w = first, m = trainer.momentum(0).matrix(), v;
    StepReference reference(Group{.shape = {8, 8}, .momentumForm = "sum"});
    reference.scale = 2;
    reference.run(w, trainer.gradient(0).matrix(), m, v);
    for (int64_t i = 0; i < w.rows; ++i)
      for (int64_t j = 0; j < w.columns; ++j)
        w.at(i, j) *= std::sqrt(std::min(1.0, 50 / logits.at(0, i / rows)));
    Scalars row = scalars();
    row["tau"] = 50;
    trainer.run(row);
    EXPECT_LE(relativeError(trainer.weight(0).matrix() - first, w - first), 2e-4);
    EXPECT_LE(relativeError(trainer.momentum(0).matrix(), m), 1e-6);
  }
}

/// Rounding counts elements in the whole tensor: pieces get the bits that the whole gets.
TEST(View, StochasticRoundingOfPiecesEqualsThatOfTheWhole) {
  const char *text = R"(
func.func @$NAME(%w: tensor<48x40xbf16> {muon.arg = "weight"}, %g: tensor<48x40xf32> {muon.arg = "gradient"},
                 %step: i64 {muon.name = "step"}, %seed: i64 {muon.name = "seed"}) -> tensor<48x40xbf16> {
$VIEWS
  %wide = arith.extf %w : tensor<48x40xbf16> to tensor<48x40xf32>
  %sum = arith.subf %wide, %x : tensor<48x40xf32>
  %w1 = muon.round %sum, %step, %seed : tensor<48x40xf32> -> tensor<48x40xbf16>
  return %w1 : tensor<48x40xbf16>
}
)";
  std::string views = R"(
  %p = tensor.extract_slice %g[0, 0] [17, 40] [1, 1] : tensor<48x40xf32> to tensor<17x40xf32>
  %q = tensor.extract_slice %g[17, 0] [31, 33] [1, 1] : tensor<48x40xf32> to tensor<31x33xf32>
  %r = tensor.extract_slice %g[17, 33] [31, 7] [1, 1] : tensor<48x40xf32> to tensor<31x7xf32>
  %qr = tensor.concat dim(1) %q, %r : (tensor<31x33xf32>, tensor<31x7xf32>) -> tensor<31x40xf32>
  %x = tensor.concat dim(0) %p, %qr : (tensor<17x40xf32>, tensor<31x40xf32>) -> tensor<48x40xf32>)";
  std::string none =
      "  %c0 = arith.constant dense<0.0> : tensor<48x40xf32>\n  %x = arith.addf %g, %c0 : tensor<48x40xf32>";
  Trainer pieces(Program({.program = replaced(text, {{"NAME", "pieces"}, {"VIEWS", views}})})),
      whole(Program({.program = replaced(text, {{"NAME", "whole"}, {"VIEWS", none}})}));
  pieces.fill(3), whole.fill(3);
  pieces.run(scalars()), whole.run(scalars());
  EXPECT_EQ(pieces.weight(0).bits(), whole.weight(0).bits());
}

} // namespace
