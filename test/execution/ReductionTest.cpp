//===- ReductionTest.cpp - Sums, largest and smallest of rows and columns ---------------------===//

#include "Comparison.h"
#include "StepText.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace muon::execution;

namespace {

/// Square, tall, wide, ragged, several tiles, vectors, batched.
const std::vector<std::vector<int64_t>> kShapes = {{64, 64}, {150, 40}, {40, 150},  {37, 53},   {53, 37},
                                                   {1, 9},   {9, 1},    {700, 260}, {130, 513}, {3, 24, 40}};

const std::vector<std::vector<int64_t>> kFewShapes = {{150, 40}, {37, 53}, {3, 24, 40}};

std::string normuonOf(const std::vector<std::vector<int64_t>> &shapes, bool perColumn) {
  std::string text;
  for (size_t i = 0; i < shapes.size(); ++i)
    text += normuonText("f" + std::to_string(i), shapes[i], perColumn);
  return text;
}

Matrix transposeIf(bool turned, const Matrix &a) { return turned ? transpose(a) : a; }

/// What the second moment has for matrix k: a list of numbers.
Matrix moments(Trainer &trainer, size_t parameter, int64_t k, int64_t count) {
  Tensor &tensor = trainer.tensor(parameter, "second_moment");
  Matrix all = tensor.matrix(), own(1, count); // of a batch the rows of one matrix
  std::copy_n(all.values.begin() + ptrdiff_t(k * count), count, own.values.begin());
  return own;
}

/// Steps of every shape beside float64. A moment per column is a moment per row of the transpose.
void expectNorMuon(const Program &program, const std::vector<std::vector<int64_t>> &shapes, bool perColumn,
                   double bound) {
  constexpr int kSteps = 5;
  StepReference reference(Group{.shape = {8, 8}, .preset = "normuon"});
  reference.scale = 1;
  Trainer trainer(program, {.workers = 2});
  trainer.fill(1, 0.02, 1, 0.5);
  for (size_t p = 0; p < shapes.size(); ++p)
    ASSERT_EQ(trainer.weight(p).matrices(), shapes[p].size() == 2 ? 1 : shapes[p][0]);
  struct Shadow {
    Matrix first, w, m, v;
  };
  std::vector<std::vector<Shadow>> shadows;
  for (size_t p = 0; p < shapes.size(); ++p)
    for (int64_t k = 0; k < trainer.weight(p).matrices(); ++k) {
      shadows.resize(p + 1);
      Matrix w = transposeIf(perColumn, trainer.weight(p).matrix(k)),
             m = transposeIf(perColumn, trainer.momentum(p).matrix(k));
      shadows[p].push_back({w, w, m, moments(trainer, p, k, w.rows)});
    }
  for (int step = 0; step < kSteps; ++step) {
    for (size_t p = 0; p < shapes.size(); ++p)
      for (int64_t k = 0; k < trainer.weight(p).matrices(); ++k) {
        Tensor &gradient = trainer.gradient(p);
        Matrix like = gradient.matrix(k);
        gradient.set(normal(like.rows, like.columns, 1000 * p + 100 * size_t(step) + size_t(k)), k);
        Shadow &shadow = shadows[p][size_t(k)];
        reference.run(shadow.w, transposeIf(perColumn, gradient.matrix(k)), shadow.m, shadow.v);
      }
    trainer.run(scalars());
  }
  for (size_t p = 0; p < shapes.size(); ++p)
    for (int64_t k = 0; k < trainer.weight(p).matrices(); ++k) {
      SCOPED_TRACE(tensorType(shapes[p]));
      Shadow &shadow = shadows[p][size_t(k)];
      Matrix w = transposeIf(perColumn, trainer.weight(p).matrix(k));
      EXPECT_LE(relativeError(w - shadow.first, shadow.w - shadow.first), bound);
      EXPECT_LE(relativeError(moments(trainer, p, k, w.rows), shadow.v), bound);
      EXPECT_LE(relativeError(transposeIf(perColumn, trainer.momentum(p).matrix(k)), shadow.m), 1e-6);
    }
}

TEST(Reduction, NorMuonPerRow) {
  expectNorMuon(Program({.program = normuonOf(kFewShapes, false)}), kFewShapes, false, 2e-4);
}
TEST(Reduction, NorMuonPerColumn) {
  expectNorMuon(Program({.program = normuonOf(kShapes, true)}), kShapes, true, 2e-4);
}

TEST(Reduction, NorMuonPerColumnOnOtherTargets) {
  for (std::string target : {"x86-64", "x86-64-v3", "x86-64-v4"}) {
    Program program({.target = target, .program = normuonOf(kFewShapes, true)});
    if (program.whyNotHere().empty())
      expectNorMuon(program, kFewShapes, true, 2e-4);
  }
}

TEST(Reduction, NorMuonPerColumnOnAGpu) {
  if (std::string why = whyNotOn("sm_80"); !why.empty())
    GTEST_SKIP() << why;
  std::vector<std::vector<int64_t>> shapes = {{37, 53}, {2, 24, 40}};
  expectNorMuon(Program({.target = "sm_80", .program = normuonOf(shapes, true)}), shapes, true, 2e-4);
}

TEST(Reduction, OfColumnsHasTheSameBitsWithAnyThreadsAndStrides) {
  Program program({.program = normuonOf({{150, 40}, {700, 260}, {3, 24, 40}}, true)});
  std::vector<uint64_t> expected = bitsAfterTwoSteps(program, {.workers = 1});
  EXPECT_EQ(bitsAfterTwoSteps(program, {.workers = 2}), expected);
  EXPECT_EQ(bitsAfterTwoSteps(program, {.workers = 3, .gradient = Layout::columns, .state = Layout::columns}),
            expected);
  EXPECT_EQ(bitsAfterTwoSteps(program, {.weight = Layout::viewOfColumns, .state = Layout::viewOfRows}), expected);
}

TEST(Reduction, OfColumnsOfABatchEqualsItsMatricesAlone) {
  Program batch({.program = normuonText("batch", {3, 150, 70}, true)}),
      one({.program = normuonText("one", {150, 70}, true)});
  Trainer before(batch), after(batch);
  before.fill(1), after.fill(1);
  after.run(scalars());
  for (int64_t k = 0; k < 3; ++k) {
    Trainer alone(one);
    for (const char *name : {"weight", "gradient", "momentum"})
      alone.tensor(0, name).set(before.tensor(0, name).matrix(k));
    alone.tensor(0, "second_moment").set(moments(before, 0, k, 70));
    alone.run(scalars());
    EXPECT_EQ(alone.weight(0).matrix().values, after.weight(0).matrix(k).values) << k;
    EXPECT_EQ(alone.tensor(0, "second_moment").matrix().values, moments(after, 0, k, 70).values) << k;
  }
}

/// Every reduction of a gradient, along both axes, as states; the weight gets its columns' sums.
std::string everyReduction(const std::string &name, int64_t rows, int64_t columns) {
  std::string body =
      replaced(R"(
  %e = tensor.empty() : $W
  %zr = arith.constant dense<0.0> : $R
  %zc = arith.constant dense<0.0> : $C
  %low = arith.constant dense<0xFF800000> : $C
  %high = arith.constant dense<0x7F800000> : $C
  %rows = linalg.reduce { arith.addf } ins(%g : $W) outs(%zr : $R) dimensions = [1]
  %sums = linalg.reduce { arith.addf } ins(%g : $W) outs(%zc : $C) dimensions = [0]
  %most = linalg.reduce { arith.maximumf } ins(%g : $W) outs(%low : $C) dimensions = [0]
  %least = linalg.reduce { arith.minimumf } ins(%g : $W) outs(%high : $C) dimensions = [0]
  %squared = arith.mulf %g, %g : $W
  %squares = linalg.reduce { arith.addf } ins(%squared : $W) outs(%zc : $C) dimensions = [0]
  %along = linalg.broadcast ins(%sums : $C) outs(%e : $W) dimensions = [0]
  %across = linalg.broadcast ins(%rows : $R) outs(%e : $W) dimensions = [1]
  %both = arith.addf %along, %across : $W
  %w1 = arith.subf %w, %both : $W
  return %w1, %rows, %sums, %most, %least, %squares : $W, $R, $C, $C, $C, $C)",
               {{"W", tensorType({rows, columns})}, {"R", tensorType({rows})}, {"C", tensorType({columns})}});
  std::string c = tensorType({columns});
  return stepText(name, {rows, columns}, {tensorType({rows}), c, c, c, c}, body);
}

/// Integers: every order of summation gives the same, so all of it is exact.
TEST(Reduction, OfIntegersIsExact) {
  const std::vector<std::vector<int64_t>> shapes = {{64, 64}, {37, 53}, {1, 9}, {9, 1}, {1, 1}, {700, 260}, {17, 1000}};
  std::string text;
  for (size_t i = 0; i < shapes.size(); ++i)
    text += everyReduction("f" + std::to_string(i), shapes[i][0], shapes[i][1]);
  Trainer trainer(Program({.program = text}), {.workers = 2});
  for (size_t p = 0; p < shapes.size(); ++p) {
    Matrix g = normal(shapes[p][0], shapes[p][1], p);
    for (double &value : g.values)
      value = std::round(8 * value);
    trainer.gradient(p).set(g);
  }
  trainer.run({});
  for (size_t p = 0; p < shapes.size(); ++p) {
    SCOPED_TRACE(tensorType(shapes[p]));
    Matrix g = trainer.gradient(p).matrix(), rows(1, g.rows), sums(1, g.columns), squares = sums, most = sums,
           least = sums, w(g.rows, g.columns);
    for (int64_t j = 0; j < g.columns; ++j)
      most.values[size_t(j)] = least.values[size_t(j)] = g.at(0, j);
    for (int64_t i = 0; i < g.rows; ++i)
      for (int64_t j = 0; j < g.columns; ++j) {
        rows.at(0, i) += g.at(i, j), sums.at(0, j) += g.at(i, j), squares.at(0, j) += g.at(i, j) * g.at(i, j);
        most.at(0, j) = std::max(most.at(0, j), g.at(i, j)), least.at(0, j) = std::min(least.at(0, j), g.at(i, j));
      }
    for (int64_t i = 0; i < g.rows; ++i)
      for (int64_t j = 0; j < g.columns; ++j)
        w.at(i, j) = -(sums.at(0, j) + rows.at(0, i));
    const Matrix *expected[] = {&rows, &sums, &most, &least, &squares};
    for (size_t i = 0; i < std::size(expected); ++i)
      EXPECT_EQ(trainer.tensor(p, "s" + std::to_string(i)).matrix().values, expected[i]->values) << i;
    EXPECT_EQ(trainer.weight(p).matrix().values, w.values);
  }
}

/// What the same sweep overwrites is reduced as it was, in ragged rows too.
TEST(Reduction, OfRowsThatAreOverwritten) {
  constexpr int64_t rows = 64, columns = 7;
  for (bool largest : {true, false}) {
    std::string body = replaced(R"(
  %e = tensor.empty() : $W
  %none = arith.constant dense<$NONE> : $R
  %most = linalg.reduce { arith.$COMBINE } ins(%s0 : $W) outs(%none : $R) dimensions = [1]
  %w1 = linalg.broadcast ins(%most : $R) outs(%e : $W) dimensions = [1]
  return %w1, %w : $W, $W)",
                                {{"R", tensorType({rows})},
                                 {"COMBINE", largest ? "maximumf" : "minimumf"},
                                 {"NONE", largest ? "0xFF800000" : "0x7F800000"}});
    Trainer trainer(Program({.program = stepText("f", {rows, columns}, {"$W"}, body)}));
    trainer.fill(1);
    trainer.tensor(0, "s0").set(normal(rows, columns, 7));
    Matrix old = trainer.tensor(0, "s0").matrix(), expected(rows, columns);
    trainer.run({});
    for (int64_t i = 0; i < rows; ++i) {
      auto row = old.values.begin() + ptrdiff_t(i * columns);
      auto [least, most] = std::minmax_element(row, row + columns);
      std::fill_n(expected.values.begin() + ptrdiff_t(i * columns), columns, largest ? *most : *least);
    }
    EXPECT_EQ(trainer.weight(0).matrix().values, expected.values);
  }
}

/// Columns of what is stored for a product in panels, in words and in pairs of bf16: read as the panels' transpose.
TEST(Reduction, OfColumnsOfAProductsOperand) {
  for (std::string type : {"f32", "bf16"})
    for (auto [rows, columns] : {std::pair<int64_t, int64_t>{37, 53}, {64, 96}, {70, 33}}) {
      SCOPED_TRACE(type);
      std::vector<int64_t> shape = {rows, columns};
      std::string narrow = type == "f32" ? "  %xh = arith.addf %w, %g : $W\n"
                                         : "  %x = arith.addf %w, %g : $W\n  %xh = arith.truncf %x : $W to $X\n";
      std::string wide = type == "f32" ? "%xh" : "%xw";
      std::string body = replaced(narrow + (type == "f32" ? "" : "  %xw = arith.extf %xh : $X to $W\n") + R"(
  %e = tensor.empty() : $W
  %zs = arith.constant dense<0.0> : tensor<f32>
  %zc = arith.constant dense<0.0> : $C
  %r = muon.gram left %xh : $X -> $R
  %total = linalg.reduce { arith.addf } ins(%r : $R) outs(%zs : tensor<f32>) dimensions = [0, 1]
  %all = linalg.broadcast ins(%total : tensor<f32>) outs(%e : $W) dimensions = [0, 1]
  %y = arith.mulf $V, %all : $W
  %s = linalg.reduce { arith.addf } ins(%y : $W) outs(%zc : $C) dimensions = [0]
  return %w, %s : $W, $C)",
                                  {{"W", tensorType(shape)},
                                   {"X", tensorType(shape, type)},
                                   {"R", tensorType({rows, rows})},
                                   {"C", tensorType({columns})},
                                   {"V", wide}});
      Trainer trainer(Program({.program = stepText("f", shape, {tensorType({columns})}, body)}));
      trainer.fill(1);
      Matrix x = trainer.weight(0).matrix() + trainer.gradient(0).matrix();
      if (type == "bf16")
        x = roundToBf16(x);
      trainer.run({});
      Matrix sums(1, columns);
      double total = 0;
      for (double value : (x * transpose(x)).values)
        total += value;
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
          sums.at(0, j) += total * x.at(i, j);
      EXPECT_LE(relativeError(trainer.tensor(0, "s0").matrix(), sums), 2e-4);
    }
}

} // namespace
