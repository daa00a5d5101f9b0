//===- OldValueTest.cpp - Results made of what they replace -----------------------------------===//
//
// A result has the memory of the argument it replaces, whatever its elements are made of: other
// elements of the old value, or nothing that lies in memory.
//
//===----------------------------------------------------------------------===//

#include "StepText.h"
#include "Trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

using namespace muon::execution;

namespace {

const std::vector<std::vector<int64_t>> kShapes = {{8, 4}, {37, 53}, {1, 9}, {700, 260}};
using Element = std::function<float(const Matrix &old, int64_t i, int64_t j)>;

/// One step of this body for a weight of each shape: the new weights, and what `expected` makes of the old ones.
void expectNewWeights(const std::string &body, Element expected) {
  std::string text;
  for (size_t p = 0; p < kShapes.size(); ++p) {
    int64_t columns = kShapes[p][1];
    text += stepText("f" + std::to_string(p), kShapes[p], {},
                     replaced(body, {{"COLUMNS", std::to_string(columns)},
                                     {"OTHERS", std::to_string(columns - 1)},
                                     {"FIRST", tensorType({kShapes[p][0], 1})},
                                     {"REST", tensorType({kShapes[p][0], columns - 1})},
                                     {"VECTOR", tensorType({columns})},
                                     {"ROWS", std::to_string(kShapes[p][0])},
                                     {"NARROW", tensorType(kShapes[p], "bf16")}}));
  }
  Program program({.program = text});
  for (uint32_t workers : {1, 3}) {
    Trainer trainer(program, {.workers = workers});
    trainer.fill(3);
    std::vector<Matrix> wanted;
    for (size_t p = 0; p < kShapes.size(); ++p) {
      Matrix old = trainer.weight(p).matrix(), made = old;
      for (int64_t i = 0; i < old.rows; ++i)
        for (int64_t j = 0; j < old.columns; ++j)
          made.at(i, j) = expected(old, i, j);
      wanted.push_back(made);
    }
    trainer.run({});
    for (size_t p = 0; p < kShapes.size(); ++p)
      EXPECT_EQ(trainer.weight(p).matrix().values, wanted[p].values)
          << tensorType(kShapes[p]) << ", " << workers << " workers";
  }
}

TEST(OldValue, OfTheFirstRow) {
  expectNewWeights(R"(
  %e = tensor.empty() : $W
  %row = tensor.extract_slice %w[0, 0] [1, $COLUMNS] [1, 1] : $W to $VECTOR
  %rows = linalg.broadcast ins(%row : $VECTOR) outs(%e : $W) dimensions = [0]
  %w1 = arith.subf %w, %rows : $W
  return %w1 : $W)",
                   [](const Matrix &old, int64_t i, int64_t j) { return float(old.at(i, j)) - float(old.at(0, j)); });
}

TEST(OldValue, OfTheNextColumn) {
  expectNewWeights(R"(
  %first = tensor.extract_slice %w[0, 0] [$ROWS, 1] [1, 1] : $W to $FIRST
  %rest = tensor.extract_slice %w[0, 1] [$ROWS, $OTHERS] [1, 1] : $W to $REST
  %w1 = tensor.concat dim(1) %rest, %first : ($REST, $FIRST) -> $W
  return %w1 : $W)",
                   [](const Matrix &old, int64_t i, int64_t j) { return float(old.at(i, (j + 1) % old.columns)); });
}

/// A constant of bf16 in bf16 arithmetic.
TEST(OldValue, TimesANarrowConstant) {
  expectNewWeights(R"(
  %half = arith.constant dense<0.5> : $NARROW
  %narrow = arith.truncf %w : $W to $NARROW
  %halved = arith.mulf %narrow, %half : $NARROW
  %w1 = arith.extf %halved : $NARROW to $W
  return %w1 : $W)",
                   [](const Matrix &old, int64_t i, int64_t j) { return float(roundToBf16(old.at(i, j)) / 2); });
}

/// Every state takes the old value of the next one, and the weight, last of all, that of the first.
TEST(OldValue, OfTheNextOfManyStates) {
  constexpr int kStates = 40;
  std::string results = "%w1", types = "$W";
  for (int i = 0; i < kStates; ++i) {
    results += i + 1 < kStates ? ", %s" + std::to_string(i + 1) : ", %w";
    types += ", $W";
  }
  std::vector<std::string> states(kStates, "$W");
  Trainer trainer(Program({.program = stepText("f", {8, 8}, states, R"(
  %r = muon.gram left %g : $W -> $W
  %q = muon.gram left %r : $W -> $W
  %w1 = arith.addf %q, %s0 : $W
  return )" + results + " : " + types)}));
  trainer.gradient(0).set(Matrix(8, 8));
  auto state = [](int i) { return "s" + std::to_string(i); };
  std::vector<Matrix> old;
  for (int i = 0; i < kStates; ++i) {
    trainer.tensor(0, state(i)).set(normal(8, 8, i));
    old.push_back(trainer.tensor(0, state(i)).matrix());
  }
  old.push_back(trainer.weight(0).matrix());
  trainer.run({});
  EXPECT_EQ(trainer.weight(0).matrix().values, old[0].values);
  for (int i = 0; i < kStates; ++i)
    EXPECT_EQ(trainer.tensor(0, state(i)).matrix().values, old[i + 1].values) << state(i);
}

/// Each of two results is made of what the other replaces: of the same elements, of fewer, and of other ones.
TEST(OldValue, OfEachOther) {
  Trainer same(Program({.program = stepText("f", {37, 53}, {"$W"}, R"(
  %zero = arith.constant dense<0.0> : tensor<f32>
  %e = tensor.empty() : $W
  %sum = linalg.reduce { arith.addf } ins(%g : $W) outs(%zero : tensor<f32>) dimensions = [0, 1]
  %sums = linalg.broadcast ins(%sum : tensor<f32>) outs(%e : $W) dimensions = [0, 1]
  %w1 = arith.mulf %s0, %sums : $W
  return %w1, %w : $W, $W)")}));
  same.fill(1);
  Matrix one(37, 53);
  one.at(5, 6) = 1;
  same.gradient(0).set(one);
  Matrix oldWeight = same.weight(0).matrix(), oldState = same.tensor(0, "s0").matrix();
  same.run({});
  EXPECT_EQ(same.weight(0).matrix().values, oldState.values);
  EXPECT_EQ(same.tensor(0, "s0").matrix().values, oldWeight.values);

  Trainer fewer(Program({.program = stepText("f", {16, 16}, {"tensor<16xf32>", "tensor<16xf32>"}, R"(
  %e = tensor.empty() : $W
  %rows = linalg.broadcast ins(%s1 : tensor<16xf32>) outs(%e : $W) dimensions = [1]
  %w1 = arith.addf %g, %rows : $W
  %u1 = arith.subf %s0, %s1 : tensor<16xf32>
  %v1 = arith.mulf %s1, %s0 : tensor<16xf32>
  return %w1, %u1, %v1 : $W, tensor<16xf32>, tensor<16xf32>)")}));
  fewer.gradient(0).set(Matrix(16, 16));
  Matrix u = normal(1, 16, 1), v = normal(1, 16, 2);
  for (Matrix *vector : {&u, &v})
    for (double &value : vector->values)
      value = std::round(8 * value);
  fewer.tensor(0, "s0").set(u);
  fewer.tensor(0, "s1").set(v);
  fewer.run({});
  EXPECT_EQ(fewer.weight(0).matrix().at(7, 8), v.at(0, 7));
  EXPECT_EQ(fewer.tensor(0, "s0").matrix().at(0, 9), u.at(0, 9) - v.at(0, 9));
  EXPECT_EQ(fewer.tensor(0, "s1").matrix().at(0, 9), u.at(0, 9) * v.at(0, 9));

  Trainer others(Program({.program = stepText("f", {37, 53}, {"$W"}, R"(
  %e = tensor.empty() : $W
  %s = tensor.extract_slice %s0[0, 0] [1, 53] [1, 1] : $W to tensor<53xf32>
  %w1 = linalg.broadcast ins(%s : tensor<53xf32>) outs(%e : $W) dimensions = [0]
  %v = tensor.extract_slice %w[1, 0] [1, 53] [1, 1] : $W to tensor<53xf32>
  %s1 = linalg.broadcast ins(%v : tensor<53xf32>) outs(%e : $W) dimensions = [0]
  return %w1, %s1 : $W, $W)")}));
  others.weight(0).set(normal(37, 53, 1));
  others.tensor(0, "s0").set(normal(37, 53, 2));
  oldWeight = others.weight(0).matrix(), oldState = others.tensor(0, "s0").matrix();
  others.run({});
  EXPECT_EQ(others.weight(0).matrix().at(30, 4), oldState.at(0, 4));
  EXPECT_EQ(others.tensor(0, "s0").matrix().at(30, 4), oldWeight.at(1, 4));
}

/// A state made of scalars alone waits for the word on the gradient like any other.
TEST(OldValue, OfNothingIsSkippedWithTheGradient) {
  std::string text = R"(
func.func @f(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"},
             %s: tensor<f32> {muon.arg = "state", muon.name = "s"}, %lr: f64 {muon.name = "lr"}) -> (tensor<8x4xf32>, tensor<f32>) {
  %narrow = arith.truncf %lr : f64 to f32
  %s1 = tensor.splat %narrow : tensor<f32>
  %w1 = arith.subf %w, %g : tensor<8x4xf32>
  return %w1, %s1 : tensor<8x4xf32>, tensor<f32>
})";
  Trainer trainer(Program({.nonfinite = "skip", .program = text}));
  trainer.fill(1);
  trainer.run({{"lr", 0.25}});
  EXPECT_EQ(trainer.tensor(0, "s").matrix().values, std::vector<double>{0.25});
  Matrix gradient = trainer.gradient(0).matrix();
  gradient.at(2, 3) = std::numeric_limits<double>::quiet_NaN();
  trainer.gradient(0).set(gradient);
  std::vector<uint64_t> before = trainer.bits();
  trainer.run({{"lr", 0.5}});
  EXPECT_EQ(trainer.bits(), before);
}

/// What stochastic rounding makes of a symmetric matrix is not symmetric: each half has its own random numbers.
TEST(OldValue, RoundedSymmetricMatrix) {
  auto text = [](const std::string &rounded) {
    return replaced(R"(
func.func @f(%w: tensor<96x128xf32> {muon.arg = "weight"}, %g: tensor<96x128xf32> {muon.arg = "gradient"},
             %z: tensor<96x96xf32> {muon.arg = "input", muon.name = "zero"}, %s: tensor<96x96xbf16> {muon.arg = "state", muon.name = "s"}, %step: i64 {muon.name = "step"},
             %seed: i64 {muon.name = "seed"}) -> (tensor<96x128xf32>, tensor<96x96xbf16>) {
  %r = muon.gram left %w : tensor<96x128xf32> -> tensor<96x96xf32>
  %sum = arith.addf %r, %z : tensor<96x96xf32>
  %s1 = muon.round $ROUNDED, %step, %seed : tensor<96x96xf32> -> tensor<96x96xbf16>
  return %w, %s1 : tensor<96x128xf32>, tensor<96x96xbf16>
})",
                    {{"ROUNDED", rounded}});
  };
  Trainer one(Program({.program = text("%r")})), other(Program({.program = text("%sum")}));
  for (Trainer *trainer : {&one, &other}) {
    trainer->fill(1);
    trainer->tensor(0, "zero").set(Matrix(96, 96));
    trainer->run({{"step", 1}, {"seed", 7}});
  }
  EXPECT_EQ(one.tensor(0, "s").bits(), other.tensor(0, "s").bits());
}

/// A vector that all matrices of a batch share differs at (i, j) and (j, i) as one of a single matrix does.
TEST(OldValue, OfASymmetricBatchTimesASharedVector) {
  std::vector<int64_t> shape = {2, 80, 80};
  Trainer trainer(Program({.program = replaced(R"(
func.func @f(%w: $W {muon.arg = "weight"}, %g: $W {muon.arg = "gradient"},
             %v: tensor<80xf32> {muon.arg = "input", muon.name = "v"}) -> $W {
  %e = tensor.empty() : $W
  %r = muon.gram left %g : $W -> $W
  %rows = linalg.broadcast ins(%v : tensor<80xf32>) outs(%e : $W) dimensions = [0, 2]
  %w1 = arith.mulf %r, %rows : $W
  return %w1 : $W
})",
                                               {{"W", tensorType(shape)}})}));
  trainer.fill(1);
  Matrix v = normal(1, 80, 3);
  trainer.tensor(0, "v").set(v);
  trainer.run({});
  Matrix g = trainer.gradient(0).matrix(1), expected = g * transpose(g);
  for (int64_t i = 0; i < 80; ++i)
    for (int64_t j = 0; j < 80; ++j)
      expected.at(i, j) *= v.at(0, i);
  EXPECT_LE(relativeError(trainer.weight(0).matrix(1), expected), 1e-5);
}

/// One value in all elements makes a matrix its own transpose only where it is square.
TEST(OldValue, OfAProductOfEqualElements) {
  Trainer trainer(Program({.program = stepText("f", {96, 40}, {"tensor<96x96xf32>"}, R"(
  %zero = arith.constant dense<0.0> : tensor<f32>
  %e = tensor.empty() : $W
  %sum = linalg.reduce { arith.addf } ins(%g : $W) outs(%zero : tensor<f32>) dimensions = [0, 1]
  %sums = linalg.broadcast ins(%sum : tensor<f32>) outs(%e : $W) dimensions = [0, 1]
  %r = muon.gram left %sums : $W -> tensor<96x96xf32>
  return %w, %r : $W, tensor<96x96xf32>)")}));
  Matrix one(96, 40);
  one.at(5, 6) = 1;
  trainer.gradient(0).set(one);
  trainer.run({});
  EXPECT_EQ(trainer.tensor(0, "s0").matrix().values, std::vector<double>(96 * 96, 40));
}

} // namespace
