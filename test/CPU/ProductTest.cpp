//===- ProductTest.cpp ------------------------------------------------------------------------===//

#include "Harness.h"
#include "KernelTexts.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace muon;
using namespace muon::test;

namespace {
struct Shape {
  int64_t m, n, k, blockM, blockN, chunk;
};
struct Outputs {
  std::vector<Memory> memory; ///< plain, columns, rows, row_tiles, column_tiles
};
} // namespace

static Matrix symmetricRandom(int64_t n, Dtype dtype, unsigned seed) {
  Matrix matrix = random(n, n, dtype, seed);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j)
      matrix.at(i, j) = matrix.at(j, i);
  return matrix;
}

static Matrix transpose(const Matrix &a) {
  Matrix t(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j)
      t.at(j, i) = a.at(i, j);
  return t;
}

static Outputs runProduct(const Program &program, TargetAttr target, Way way, Shape s, const Matrix &a, const Matrix &b,
                          const Matrix &d, const Matrix &e) {
  bool tiles = usesTiles(target, way.operands);
  Dtype packed = packedAs(target, way.operands);
  int64_t lanes = target.getLanes();
  Memory left(tiles ? Layout::row_tiles : Layout::rows, packed, s.m, s.k, lanes);
  Memory right(Layout::columns, packed, s.k, s.n, lanes);
  Memory plain(Layout::plain, Dtype::f32, s.m, s.n, lanes);
  Memory extra(Layout::columns, packed, s.m, s.n, lanes);
  left.set(a), right.set(b), plain.set(d), extra.set(e);
  Outputs out;
  out.memory.emplace_back(Layout::plain, Dtype::f32, s.m, s.n, lanes);
  out.memory.emplace_back(Layout::columns, packed, s.m, s.n, lanes);
  out.memory.emplace_back(Layout::rows, packed, s.m, s.n, lanes);
  if (tiles) {
    out.memory.emplace_back(Layout::row_tiles, packed, s.m, s.n, lanes);
    out.memory.emplace_back(Layout::column_tiles, packed, s.m, s.n, lanes);
  }
  Launch launch;
  launch.sizes = {s.m, s.n, s.k, s.blockM, s.blockN, s.chunk};
  launch.coefficients = {0.5};
  launch.tiles = productTiles(s.m, s.n, s.blockM, s.blockN, way.symmetric);
  launch.views = {left.view(), right.view(), plain.view(), extra.view()};
  for (Memory &memory : out.memory)
    launch.views.push_back(memory.view());
  launch.run(program.function("product"));
  return out;
}

static void checkProduct(const Program &program, TargetAttr target, Way way, Shape s) {
  SCOPED_TRACE(testing::Message() << s.m << "x" << s.n << "x" << s.k << " blocks " << s.blockM << "x" << s.blockN
                                  << " chunk " << s.chunk);
  Matrix a = random(s.m, s.k, way.operands, 1);
  Matrix b = way.symmetric ? transpose(a) : random(s.k, s.n, way.operands, 2);
  Matrix d = way.symmetric ? symmetricRandom(s.m, Dtype::f32, 3) : random(s.m, s.n, Dtype::f32, 3);
  Matrix e = way.symmetric ? symmetricRandom(s.m, way.operands, 4) : random(s.m, s.n, way.operands, 4);
  Outputs out = runProduct(program, target, way, s, a, b, d, e);
  Matrix y = out.memory[0].get();
  double worst = 0;
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      double exact = 0;
      for (int64_t k = 0; k < s.k; ++k)
        exact += a.at(i, k) * b.at(k, j);
      double error = std::abs(y.at(i, j) - (0.5 * exact + d.at(i, j) + e.at(i, j)));
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
      if (way.symmetric) {
        ASSERT_EQ(y.at(i, j), y.at(j, i)) << i << "," << j;
      }
    }
  EXPECT_LT(worst, 1e-6 * (10 + s.k));
  for (size_t i = 1; i < out.memory.size(); ++i) {
    Matrix packed = out.memory[i].get();
    for (size_t p = 0; p < y.values.size(); ++p)
      ASSERT_EQ(packed.values[p], rounded(way.operands, y.values[p]))
          << "output " << i << " element " << p / s.n << "," << p % s.n;
    EXPECT_TRUE(out.memory[i].paddingIsZero()) << "output " << i;
  }
}

class ProductOn : public testing::TestWithParam<Way> {};
static std::vector<Way> everyWay() {
  std::vector<Way> ways;
  for (bool symmetric : {false, true}) {
    for (const char *target : {"native", "x86-64", "x86-64-v3", "x86-64-v4", "znver4", "sapphirerapids"})
      for (Dtype operands : {Dtype::f32, Dtype::bf16})
        ways.push_back({target, operands, symmetric});
    ways.push_back({"sapphirerapids-amx", Dtype::f16, symmetric});
  }
  return ways;
}
INSTANTIATE_TEST_SUITE_P(Targets, ProductOn, testing::ValuesIn(everyWay()), [](const auto &info) {
  std::string name = std::string(info.param.target) + "_" + word(info.param.operands) +
                     (info.param.symmetric ? "_symmetric" : "_full");
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_P(ProductOn, RaggedShapes) {
  Way way = GetParam();
  TargetAttr target = runnable(way.target);
  Program program(productText(target, way), target);
  for (int64_t m : {1, 2, 5, 13, 16, 17, 31, 33, 64, 100})
    for (int64_t k : {1, 2, 3, 7, 16, 33, 64, 127})
      checkProduct(program, target, way, {m, way.symmetric ? m : 37, k, 32, 32, 0});
}

TEST_P(ProductOn, BlocksAndChunks) {
  Way way = GetParam();
  TargetAttr target = runnable(way.target);
  Program program(productText(target, way), target);
  for (auto [m, n, k, blockM, blockN, chunk] : {std::tuple{127, 129, 100, 64, 64, 32},
                                                {100, 200, 65, 64, 128, 64},
                                                {200, 40, 300, 96, 32, 96},
                                                {3, 127, 5, 32, 64, 0},
                                                {32, 32, 60, 32, 32, 60}, // as a plan has it where k is short
                                                {127, 1, 31, 128, 32, 32}})
    checkProduct(program, target, way, {m, way.symmetric ? m : n, k, blockM, way.symmetric ? blockM : blockN, chunk});
}

/// Cutting k into chunks reloads the same f32 sums, and ends no run of f16.
TEST_P(ProductOn, ChunksKeepBits) {
  Way way = GetParam();
  TargetAttr target = runnable(way.target);
  Program program(productText(target, way), target);
  Dtype rounding = way.operands == Dtype::f16 ? Dtype::bf16 : way.operands; // sums of whole numbers would not round
  Matrix a = random(70, 200, rounding, 1), b = transpose(a), d = symmetricRandom(70, Dtype::f32, 3);
  Matrix e = symmetricRandom(70, way.operands, 4);
  Outputs whole = runProduct(program, target, way, {70, 70, 200, 32, 32, 0}, a, b, d, e);
  Outputs cut = runProduct(program, target, way, {70, 70, 200, 64, 64, 64}, a, b, d, e);
  EXPECT_EQ(whole.memory[0].get().values, cut.memory[0].get().values);
}

/// Terms of one sign, as in the Gram matrix of a matrix near rank one: one sum over all of k rounds each at the size of
/// the whole.
TEST(Product, F32SumsRoundAsShortOnes) {
  Way way{"x86-64-v3", Dtype::f32, false};
  TargetAttr target = runnable(way.target);
  Program program(productText(target, way), target);
  constexpr int64_t k = 4096;
  Matrix a(16, k), b(k, 16), none(16, 16);
  for (int64_t i = 0; i < 16; ++i)
    for (int64_t j = 0; j < k; ++j)
      a.at(i, j) = float(0.1 + 0.001 * double(i)), b.at(j, i) = float(0.3 - 0.001 * double(i));
  Matrix y = runProduct(program, target, way, {16, 16, k, 32, 32, 0}, a, b, none, none).memory[0].get();
  double square = 0;
  for (int64_t i = 0; i < 16; ++i)
    for (int64_t j = 0; j < 16; ++j) {
      double exact = 0.5 * double(k) * a.at(i, 0) * b.at(0, j);
      square += std::pow(y.at(i, j) / exact - 1, 2);
    }
  constexpr double unit = 0x1p-24;
  EXPECT_LE(std::sqrt(square / 256), 20 * unit); // runs of 64: 14; one sum over all of k: 530
}

/// Of fewer than 256 rows a symmetric product adds a run up in parts: of 64 equal terms those of 16 round a third as
/// much.
TEST(Product, NarrowSymmetricF32SumsRoundAsShorterOnes) {
  TargetAttr target = runnable("x86-64-v3");
  constexpr int64_t k = 64;
  Matrix a(16, k), b(k, 16), none(16, 16);
  for (int64_t i = 0; i < 16; ++i)
    for (int64_t j = 0; j < k; ++j)
      a.at(i, j) = b.at(j, i) = float(0.1 + 0.013 * double(i));
  auto error = [&](bool symmetric) {
    Way way{"x86-64-v3", Dtype::f32, symmetric};
    Program program(productText(target, way), target);
    Matrix y = runProduct(program, target, way, {16, 16, k, 32, 32, 0}, a, b, none, none).memory[0].get();
    double square = 0;
    for (int64_t i = 0; i < 16; ++i)
      for (int64_t j = 0; j < 16; ++j)
        square += std::pow(y.at(i, j) / (0.5 * double(k) * a.at(i, 0) * a.at(j, 0)) - 1, 2);
    return std::sqrt(square / 256);
  };
  EXPECT_LT(error(true), 0.5 * error(false));
}

/// A launch of @product of productSumText and what it leaves: the matrix, and from each block a sum and a largest
/// value.
struct SumOutputs {
  Memory matrix, sums, largest;
};
static SumOutputs runProductSum(TargetAttr target, Way way, Shape s, const Matrix &a, const Matrix &b) {
  Program program(productSumText(target, way), target);
  Dtype packed = packedAs(target, way.operands);
  Memory left(usesTiles(target, way.operands) ? Layout::row_tiles : Layout::rows, packed, s.m, s.k, target.getLanes());
  Memory right(Layout::columns, packed, s.k, s.n, target.getLanes());
  left.set(a), right.set(b);
  int64_t blocks = productTiles(s.m, s.n, s.blockM, s.blockN, way.symmetric);
  SumOutputs out{{Layout::columns, packed, s.m, s.n, target.getLanes()},
                 {Layout::plain, Dtype::f64, 1, blocks, 16},
                 {Layout::plain, Dtype::f64, 1, blocks, 16}};
  Launch launch;
  launch.sizes = {s.m, s.n, s.k, s.blockM, s.blockN, s.chunk};
  launch.tiles = blocks;
  launch.views = {left.view(), right.view(), out.matrix.view(), out.sums.view(), out.largest.view()};
  launch.run(program.function("product"));
  return out;
}

/// Every element counts once: those above the diagonal, which no block computes, too.
TEST_P(ProductOn, SumsInItsEpilogue) {
  Way way = GetParam();
  TargetAttr target = runnable(way.target);
  for (auto [m, n, k, block] : {std::tuple{100, 70, 45, 32}, {64, 96, 32, 32}, {5, 3, 9, 32}}) {
    n = way.symmetric ? m : n;
    Matrix a = random(m, k, way.operands, 1), b = way.symmetric ? transpose(a) : random(k, n, way.operands, 2);
    SumOutputs out = runProductSum(target, way, {m, n, k, block, block, 0}, a, b);
    double sum = 0, most = 0, expectedSum = 0, expectedMost = 0;
    for (double value : out.sums.get().values)
      sum += value;
    for (double value : out.largest.get().values)
      most = std::max(most, value);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double exact = 0;
        for (int64_t l = 0; l < k; ++l)
          exact += a.at(i, l) * b.at(l, j);
        expectedSum += exact * exact, expectedMost = std::max(expectedMost, exact * exact);
      }
    EXPECT_NEAR(sum / expectedSum, 1, 1e-6) << m;
    EXPECT_NEAR(most / expectedMost, 1, 1e-5) << m;
  }
}

/// Of a matrix with its transpose both halves are equal before any is copied: a square product leaves the bits of a
/// symmetric one.
TEST(Product, SquareKeepsBits) {
  for (auto [name, operands] : {std::pair{"x86-64-v3", Dtype::bf16},
                                {"znver4", Dtype::bf16},
                                {"sapphirerapids", Dtype::bf16},
                                {"sapphirerapids-amx", Dtype::f16}})
    for (int64_t m : {64, 100, 160}) {
      TargetAttr target = runnable(name);
      Way way{name, operands, true}, square{name, operands, true, true};
      Matrix a = random(m, 333, Dtype::bf16, 1), b = transpose(a);
      for (int64_t chunk : {0, 128}) {
        Shape shape{m, m, 333, 64, 64, chunk};
        SumOutputs x = runProductSum(target, way, shape, a, b), y = runProductSum(target, square, shape, a, b);
        EXPECT_EQ(x.matrix.raw(), y.matrix.raw()) << name << " " << m;
        EXPECT_EQ(x.sums.raw(), y.sums.raw()) << name << " " << m;
        EXPECT_EQ(x.largest.raw(), y.largest.raw()) << name << " " << m;
      }
    }
}

/// One schedule, native and legalised: the same bits, for tiles, for pairs and for sums of f16, which are of numbers
/// that round.
TEST(Product, LegalisedEqualsNative) {
  bool ran = false;
  for (auto [name, operands] :
       {std::pair{"sapphirerapids-amx", Dtype::f16}, {"sapphirerapids", Dtype::bf16}, {"znver4", Dtype::bf16}}) {
    TargetAttr native = target(name);
    if (runnable(name) != native)
      continue;
    ran = true;
    TargetAttr legalised = scheduleOn(native, target("x86-64-v3"));
    Way way{name, operands, false};
    Shape shape{100, 90, 333, 64, 64, 128};
    Matrix a = random(100, 333, Dtype::bf16, 1), b = random(333, 90, Dtype::bf16, 2);
    Matrix d = random(100, 90, Dtype::f32, 3), e = random(100, 90, Dtype::bf16, 4);
    Program first(productText(native, way), native), second(productText(native, way), legalised);
    Outputs x = runProduct(first, native, way, shape, a, b, d, e);
    Outputs y = runProduct(second, legalised, way, shape, a, b, d, e);
    for (size_t i = 0; i < x.memory.size(); ++i)
      EXPECT_EQ(x.memory[i].raw(), y.memory[i].raw()) << name << " output " << i;
  }
  if (!ran)
    GTEST_SKIP() << "this machine has none of avx512_fp16, avx512_bf16 and amx_bf16";
}

/// AMX, dot and f16 schedules on a machine with none of them.
TEST(Product, LegalisedForAvx2) {
  for (auto [name, operands] :
       {std::pair{"sapphirerapids", Dtype::bf16}, {"znver4", Dtype::bf16}, {"sapphirerapids-amx", Dtype::f16}})
    for (bool symmetric : {false, true}) {
      TargetAttr legalised = scheduleOn(target(name), target("x86-64-v3"));
      Way way{name, operands, symmetric};
      Program program(productText(legalised, way), legalised);
      checkProduct(program, legalised, way, {37, symmetric ? 37 : 50, 45, 32, 32, 32});
    }
}
