//===- IntegerTest.cpp - every kind of product on integers, to the bit ------------------------===//
//
// All sums are exact in f32, so whatever the order of a tensor core, results equal the reference to the bit, and so
// does what is rounded from them. Under every check of the emulator and three orders of threads; k is three rounds of
// the stages in flight.
//
//===----------------------------------------------------------------------------------------------===//

#include "BlockProgram.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace muon;
using namespace muon::test;

namespace {
/// C = A B as a product's operands lie in memory: as they are, or turned.
struct Kind {
  const char *name;
  bool symmetric, turnedA, turnedB;
};
constexpr Kind kKinds[] = {{"gram_left", true, false, true},        // X X^T
                           {"gram_right", true, true, false},       // X^T X
                           {"symmetric_matmul", true, false, true}, // R R
                           {"apply_left", false, false, false},     // R X
                           {"apply_right", false, false, true}};    // X R

struct Case {
  std::string chip, dtype;
  Kind kind;
  Dtype type() const {
    return dtype == "f32" ? Dtype::f32 : dtype == "tf32" ? Dtype::tf32 : dtype == "f16" ? Dtype::f16 : Dtype::bf16;
  }
  /// What operands are in memory.
  std::string stored() const { return dtype == "tf32" ? "f32" : dtype; }
  int64_t depth() const { return stored() == "f32" ? 16 : 32; }
  int64_t stages() const { return chip == "sm_80" ? 4 : 3; }
  int64_t rows() const { return chip == "sm_80" ? stored() == "f32" ? 96 : 128 : kind.symmetric ? 64 : 128; }
  int64_t columns() const { return chip == "sm_80" ? rows() : 64; }
  /// k of at least three rounds of the stages.
  int64_t longDepth() const { return 3 * stages() * depth(); }
};

void PrintTo(const Case &c, std::ostream *out) { *out << c.chip << " " << c.dtype << " " << c.kind.name; }

/// One matrix of one launch.
struct Data {
  Matrix a, b, e;
};

class Integers : public ::testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    static const std::string first = GetParam().chip;
    if (GetParam().chip != first)
      GTEST_SKIP() << "the emulator is one chip per process, " << first
                   << " in this one; ctest gives each test its own";
  }
};
} // namespace

static std::string operand(const std::string &direction, const std::string &layout, const std::string &dtype) {
  return "#muon.operand<" + direction + ", element, " + layout + ", " + dtype + ", none>";
}

static std::string tileOf(const Case &c) {
  std::string text;
  for (int64_t number : {c.rows(), c.columns(), c.depth(), c.stages(), int64_t(2)})
    text += std::to_string(number) + ", ";
  return text + "2";
}

static std::string epilogueOf(const Case &c) {
  std::string text = "%x = arith.mulf %sum, %c : f32\n%z = arith.mulf %e, %d : f32\n%y = arith.addf %x, %z : f32\n";
  if (c.dtype == "f32")
    return text + "muon.yield %y, %y : f32, f32\n}\n";
  text += "%n = arith.truncf %y : f32 to " + c.dtype + "\n";
  if (c.dtype == "tf32")
    return text + "%w = arith.extf %n : tf32 to f32\nmuon.yield %y, %w : f32, f32\n}\n";
  return text + "muon.yield %y, %n : f32, " + c.dtype + "\n}\n";
}

/// The product's parts, and the sweep that adds them: Y = c A B + d E.
static std::string partsTextOf(const Case &c) {
  std::string text = "muon.kernel @product product " + std::string(c.kind.symmetric ? "symmetric " : "") + "of " +
                     c.dtype + " operands [" + operand("in", c.kind.turnedA ? "turned" : "padded", c.stored()) + ", " +
                     operand("in", c.kind.turnedB ? "turned" : "padded", c.stored()) +
                     ", #muon.operand<out, element, plain, f32, add>] scalars [] [] coefficients 0 tile [" + tileOf(c) +
                     "] {\n^bb0(%sum: f32):\nmuon.yield %sum : f32\n}\n";
  return text + "muon.kernel @add sweep operands [#muon.operand<in, element, plain, f32, add>, " +
         operand("in", "plain", "f32") + ", " + operand("out", "plain", "f32") + ", " +
         operand("out", "padded", c.stored()) +
         "] scalars [] [] coefficients 2 {\n^bb0(%sum: f32, %e: f32, %c: f32, %d: f32):\n" + epilogueOf(c);
}

/// Y = c A B + d E, whole and narrowed.
static std::string textOf(const Case &c) {
  std::string text = "muon.kernel @product product " + std::string(c.kind.symmetric ? "symmetric " : "") + "of " +
                     c.dtype + " operands [" + operand("in", c.kind.turnedA ? "turned" : "padded", c.stored()) + ", " +
                     operand("in", c.kind.turnedB ? "turned" : "padded", c.stored()) + ", " +
                     operand("in", "plain", "f32") + ", " + operand("out", "plain", "f32") + ", " +
                     operand("out", "padded", c.stored()) + "] scalars [] [] coefficients 2 tile [" + tileOf(c) +
                     "] {\n^bb0(%e: f32, %sum: f32, %c: f32, %d: f32):\n";
  return text + epilogueOf(c);
}

static Data makeData(const Case &c, int64_t m, int64_t n, int64_t k, unsigned seed) {
  Data data;
  data.e = c.kind.symmetric ? symmetricIntegers(m, seed + 1) : integers(m, n, seed + 1);
  bool square = std::string(c.kind.name) == "symmetric_matmul";
  data.a = square ? symmetricIntegers(m, seed) : integers(m, k, seed);
  data.b = c.kind.symmetric ? transpose(data.a) : integers(k, n, seed + 2);
  // Twelve bits, so that f32 operands have a second part.
  if (!c.kind.symmetric && c.dtype == "f32")
    for (int64_t i = 0; i < m; ++i)
      data.a.at(i, i * 7 % k) = 2049;
  return data;
}

static double exactly(const Data &data, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t l = 0; l < data.a.columns; ++l)
    sum += data.a.at(i, l) * data.b.at(l, j);
  return 2 * sum + 3 * data.e.at(i, j);
}

static void check(const Data &data, Dtype type, const Matrix &whole, const Matrix &narrow) {
  for (int64_t i = 0; i < whole.rows; ++i)
    for (int64_t j = 0; j < whole.columns; ++j) {
      double expected = exactly(data, i, j);
      ASSERT_EQ(whole.at(i, j), expected) << i << ", " << j;
      ASSERT_EQ(narrow.at(i, j), rounded(expected, type)) << i << ", " << j;
    }
}

/// A launch for each shape, of so many matrices each, all one launch of the device; with `partDepth`, k in parts of so
/// much and a second launch that adds them.
static void runAndCheck(const Case &c, BlockProgram &program, const std::vector<std::array<int64_t, 4>> &shapes,
                        uint64_t schedule, int64_t partDepth = 0) {
  constexpr int64_t kPadding = 32, kChunk = 8, kSweepTile = 1024;
  execution::Device device(c.chip, schedule);
  std::vector<BlockLaunch> launches, sums;
  std::vector<Data> data;
  std::vector<std::pair<DeviceMatrix, DeviceMatrix>> results;
  for (auto [m, n, k, matrices] : shapes) {
    int64_t down = llvm::divideCeil(m, c.rows()), across = llvm::divideCeil(n, c.columns());
    int64_t parts = partDepth ? llvm::divideCeil(k, partDepth) : 1,
            blocks = c.kind.symmetric ? down * (down + 1) / 2 : down * across;
    BlockLaunch launch{{m, n, k}, blocks * parts, {}, {2, 3}}, sum{{m, n, kSweepTile, parts}, 0, {}, {2, 3}};
    if (partDepth)
      launch.sizes.push_back(partDepth), launch.coefficients.clear();
    sum.tiles = llvm::divideCeil(llvm::alignTo(m, kPadding) * llvm::alignTo(n, kPadding) / kChunk, kSweepTile);
    for (int64_t i = 0; i < matrices; ++i) {
      data.push_back(makeData(c, m, n, k, 10 * data.size()));
      const Data &made = data.back();
      Matrix a = c.kind.turnedA ? transpose(made.a) : made.a, b = c.kind.turnedB ? transpose(made.b) : made.b;
      DeviceMatrix left(device, c.type(), a.rows, a.columns, kPadding, &a),
          right(device, c.type(), b.rows, b.columns, kPadding, &b);
      DeviceMatrix extra(device, Dtype::f32, m, n, 1, &made.e), whole(device, Dtype::f32, m, n, 1);
      DeviceMatrix narrow(device, c.type(), m, n, kPadding);
      if (partDepth) {
        DeviceMatrix stored(device, Dtype::f32, m, n, 1, nullptr, parts);
        launch.items.push_back({left.view(), right.view(), stored.view()});
        sum.items.push_back({stored.view(), extra.view(), whole.view(), narrow.view()});
      } else {
        launch.items.push_back({left.view(), right.view(), extra.view(), whole.view(), narrow.view()});
      }
      results.push_back({whole, narrow});
    }
    launches.push_back(launch);
    sums.push_back(sum);
  }
  program.run(device, "product", launches);
  if (partDepth)
    program.run(device, "add", sums);
  for (size_t i = 0; i < data.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "matrix " << i << " of " << data[i].a.rows << "x" << data[i].b.columns << "x"
                                    << data[i].a.columns);
    check(data[i], c.type(), results[i].first.get(), results[i].second.get());
  }
}

TEST_P(Integers, EqualTheReference) {
  Case c = GetParam();
  execution::Device device(c.chip); // chooses the chip and keeps the module's context
  BlockProgram program(textOf(c), c.chip);
  bool symmetric = c.kind.symmetric, square = std::string(c.kind.name) == "symmetric_matmul";
  int64_t n = symmetric ? c.rows() : c.columns(), k = c.longDepth(), odd = c.rows() + 5;
  int64_t whole = llvm::divideCeil(k, c.rows()) * c.rows();
  using Shape = std::array<int64_t, 4>;
  Shape exact = square ? Shape{whole, whole, whole, 1} : Shape{c.rows(), n, k, 1};
  Shape ragged{odd, symmetric ? odd : n + 3, square ? odd : k + 17, 1},
      batch{40, symmetric ? 40 : 56, square ? 40 : 72, 3};
  for (uint64_t schedule : {0, 1, 2}) {
    SCOPED_TRACE(testing::Message() << "schedule " << schedule);
    runAndCheck(c, program, {exact}, schedule);
    runAndCheck(c, program, {ragged, batch}, schedule); // several groups
  }
}

/// Whole matrices and ragged ones, whose last part is short; groups with two and with four parts share both launches.
TEST_P(Integers, InPartsEqualTheReference) {
  Case c = GetParam();
  execution::Device device(c.chip);
  BlockProgram program(partsTextOf(c), c.chip);
  bool symmetric = c.kind.symmetric, square = std::string(c.kind.name) == "symmetric_matmul";
  int64_t n = symmetric ? c.rows() : c.columns(), odd = c.rows() + 5, wide = symmetric ? odd : n + 3, partDepth = 96;
  for (uint64_t schedule : {0, 1, 2}) {
    SCOPED_TRACE(testing::Message() << "schedule " << schedule);
    int64_t whole = 2 * partDepth, k = whole;
    runAndCheck(c, program, {{square ? whole : c.rows(), square ? whole : n, k, 1}}, schedule, partDepth);
    runAndCheck(c, program,
                {{odd, wide, square ? odd : 3 * partDepth + 17, 1}, {40, symmetric ? 40 : 56, square ? 40 : 99, 3}},
                schedule, partDepth);
  }
}

/// Random operands, rounded to tf32 by a sweep: to the bit as the reference rounds them, and their product in float64.
TEST(Tf32, OperandsAreRoundedOnceAndMultiplied) {
  Case c{"sm_80", "tf32", kKinds[0]};
  execution::Device device(c.chip);
  constexpr int64_t kPadding = 32, kTile = 1024;
  int64_t m = 70, k = 330;
  BlockProgram program("muon.kernel @narrow sweep operands [" + operand("in", "plain", "f32") + ", " +
                           operand("out", "padded", "f32") +
                           "] scalars [] [] coefficients 0 {\n^bb0(%x: f32):\n%n = arith.truncf %x : f32 to tf32\n"
                           "%w = arith.extf %n : tf32 to f32\nmuon.yield %w : f32\n}\n" +
                           textOf(c),
                       c.chip);
  Matrix x = normal(m, k, 1), zeros(m, m);
  x.at(0, 0) = 1 + 0x1p-11, x.at(0, 1) = -1 - 0x1p-11; // halfway
  DeviceMatrix given(device, Dtype::f32, m, k, 1, &x), narrow(device, Dtype::f32, m, k, kPadding);
  DeviceMatrix extra(device, Dtype::f32, m, m, 1, &zeros), whole(device, Dtype::f32, m, m, 1),
      again(device, Dtype::f32, m, m, kPadding);
  int64_t chunks = llvm::alignTo(m, kPadding) * llvm::alignTo(k, kPadding) / 8;
  program.run(device, "narrow",
              {{{m, k, kTile}, int64_t(llvm::divideCeil(chunks, kTile)), {{given.view(), narrow.view()}}, {}}});
  program.run(device, "product",
              {{{m, m, k}, 1, {{narrow.view(), narrow.view(), extra.view(), whole.view(), again.view()}}, {1, 0}}});
  Matrix rounding = x, got = whole.get();
  for (double &value : rounding.values)
    value = rounded(value, Dtype::tf32);
  EXPECT_EQ(narrow.get(), rounding);
  EXPECT_EQ(rounding.at(0, 0), 1 + 0x1p-10);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < m; ++j) {
      double sum = 0, size = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += rounding.at(i, l) * rounding.at(j, l), size += std::abs(rounding.at(i, l) * rounding.at(j, l));
      ASSERT_NEAR(got.at(i, j), sum, 1e-6 * size) << i << ", " << j;
    }
}

static std::vector<Case> everyCase() {
  std::vector<Case> cases;
  for (const char *chip : {"sm_80", "sm_120"})
    for (const char *dtype : {"bf16", "f16", "f32", "tf32"})
      for (Kind kind : kKinds)
        cases.push_back({chip, dtype, kind});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Every, Integers, ::testing::ValuesIn(everyCase()), [](const auto &info) {
  return info.param.chip + "_" + info.param.dtype + "_" + info.param.kind.name;
});
