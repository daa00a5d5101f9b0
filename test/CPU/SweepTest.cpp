//===- SweepTest.cpp --------------------------------------------------------------------------===//

#include "KernelTexts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace muon;
using namespace muon::test;

static const char *const kTargets[] = {"native", "x86-64",         "x86-64-v3",         "x86-64-v4",
                                       "znver4", "sapphirerapids", "sapphirerapids-amx"};

namespace {
struct Blended {
  Matrix y, rowSums;
  double squares, largest;
  std::vector<uint8_t> bytes;
};
} // namespace

static Blended runBlend(const Program &program, int64_t rows, int64_t columns, int64_t tileRows, bool transposed,
                        int64_t step = 1) {
  auto memory = [&](Dtype dtype) {
    return transposed ? Memory(dtype, rows, columns, step, (rows + 3) * step)
                      : Memory(dtype, rows, columns, (columns + 5) * step, step);
  };
  Memory x = memory(Dtype::f32), d = memory(Dtype::bf16), y = memory(Dtype::f32);
  x.set(random(rows, columns, Dtype::f32, 1)), d.set(random(rows, columns, Dtype::bf16, 2));
  Memory r(Dtype::f32, rows, 1, 3, 1), q(Dtype::f32, 1, columns, 1, 1);
  r.set(random(rows, 1, Dtype::f32, 3)), q.set(random(1, columns, Dtype::f32, 4));
  int64_t tiles = ceilDiv(rows, tileRows);
  std::vector<double> squares(tiles, NAN), largest(tiles, NAN);
  Memory sums(Dtype::f32, rows, 1, 2, 1);
  Launch launch;
  launch.sizes = {rows, columns, tileRows}, launch.tiles = tiles, launch.coefficients = {1.5};
  launch.scalars.resize(1);
  launch.scalars[0].f64 = 0.25;
  launch.views = {
      x.view(),   d.view(), r.view(), q.view(), y.view(), {squares.data(), tiles, 1}, {largest.data(), tiles, 1},
      sums.view()};
  launch.run(program.function("blend"));
  Blended result{y.get(), sums.get(), 0, -INFINITY, {}};
  for (int64_t t = 0; t < tiles; ++t)
    result.squares += squares[t], result.largest = std::max(result.largest, largest[t]);
  result.bytes.resize(tiles * 16 + sums.raw().size());
  std::memcpy(result.bytes.data(), squares.data(), tiles * 8);
  std::memcpy(result.bytes.data() + tiles * 8, largest.data(), tiles * 8);
  std::memcpy(result.bytes.data() + tiles * 16, sums.raw().data(), sums.raw().size());
  return result;
}

static void checkBlend(const Blended &got, int64_t rows, int64_t columns) {
  Matrix x = random(rows, columns, Dtype::f32, 1), d = random(rows, columns, Dtype::bf16, 2);
  Matrix r = random(rows, 1, Dtype::f32, 3), q = random(1, columns, Dtype::f32, 4);
  double squares = 0, largest = -INFINITY;
  for (int64_t i = 0; i < rows; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < columns; ++j) {
      double y = 1.5 * x.at(i, j) + 0.25 * d.at(i, j) + r.at(i, 0) + q.at(0, j);
      ASSERT_NEAR(got.y.at(i, j), y, 3e-6) << i << "," << j;
      squares += y * y, largest = std::max(largest, y), sum += y;
    }
    ASSERT_NEAR(got.rowSums.at(i, 0), sum, 1e-5 * columns) << "row " << i;
  }
  ASSERT_NEAR(got.squares, squares, 1e-5 * squares);
  ASSERT_NEAR(got.largest, largest, 1e-5);
}

class SweepOn : public testing::TestWithParam<const char *> {};
INSTANTIATE_TEST_SUITE_P(Targets, SweepOn, testing::ValuesIn(kTargets), [](const auto &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_P(SweepOn, EveryShapeAndStride) {
  Program program(blendText(), runnable(GetParam()));
  for (auto [rows, columns, tileRows] : {std::tuple{1, 1, 16},
                                         {1, 17, 16},
                                         {19, 1, 16},
                                         {3, 16, 16},
                                         {16, 16, 16},
                                         {37, 41, 16},
                                         {33, 129, 32},
                                         {100, 7, 48},
                                         {2, 1000, 16}}) {
    SCOPED_TRACE(testing::Message() << rows << "x" << columns);
    Blended plain = runBlend(program, rows, columns, tileRows, false);
    checkBlend(plain, rows, columns);
    Blended turned = runBlend(program, rows, columns, tileRows, true);
    checkBlend(turned, rows, columns);
    Blended strided = runBlend(program, rows, columns, tileRows, false, 2);
    checkBlend(strided, rows, columns);
    // Strides are no part of the result: not a bit of a reduction depends on them.
    EXPECT_EQ(plain.bytes, turned.bytes);
    EXPECT_EQ(plain.bytes, strided.bytes);
  }
}

TEST(Sweep, SameBitsOnEveryInstructionSet) {
  std::vector<uint8_t> first;
  std::vector<double> elements;
  for (const char *name : kTargets) {
    Program program(blendText(), runnable(name));
    Blended result = runBlend(program, 61, 83, 16, false);
    if (first.empty())
      first = result.bytes, elements = result.y.values;
    EXPECT_EQ(first, result.bytes) << name;
    EXPECT_EQ(elements, result.y.values) << name;
  }
}

static void checkPacking(const Program &program, Dtype dtype, int64_t rows, int64_t columns, int64_t lanes) {
  Matrix x = random(rows, columns, dtype, 5);
  Memory source(Dtype::f32, rows, columns, columns, 1);
  source.set(x);
  double partials[3] = {0.5, 0.25, 0.25};
  std::vector<Memory> outs;
  for (Layout layout : kLayouts)
    if (isWrittenIn(dtype, layout))
      outs.emplace_back(layout, dtype, rows, columns, lanes);
  Launch launch;
  launch.sizes = {rows, columns, 32}, launch.tiles = ceilDiv(rows, 32);
  launch.views = {source.view(), {partials, 3, 1}};
  for (Memory &out : outs)
    launch.views.push_back(out.view());
  launch.run(program.function("pack"));
  for (auto [i, out] : llvm::enumerate(outs)) {
    EXPECT_EQ(out.get().values, x.values) << "layout " << i;
    EXPECT_TRUE(out.paddingIsZero()) << "layout " << i;
  }
}

TEST_P(SweepOn, EveryLayout) {
  TargetAttr target = runnable(GetParam());
  for (Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::f16}) {
    if (dtype == Dtype::f16 && target.getIsa() != "half")
      continue;
    Program program(packText(dtype), target);
    for (auto [rows, columns] : {std::pair{1, 1},
                                 {5, 70},
                                 {70, 5},
                                 {16, 16},
                                 {31, 33},
                                 {33, 31},
                                 {32, 64},
                                 {64, 96},
                                 {97, 101},
                                 {1, 50},
                                 {50, 1}}) {
      SCOPED_TRACE(testing::Message() << rows << "x" << columns << " " << word(dtype));
      checkPacking(program, dtype, rows, columns, target.getLanes());
    }
  }
}

/// Every f32 pattern class rounds to nearest even; NaN stays NaN.
TEST_P(SweepOn, RoundingToBf16) {
  std::string text = R"(
muon.kernel @round sweep operands [#muon.operand<in, element, plain, f32, none>,
    #muon.operand<out, element, plain, bf16, none>] scalars [] [] coefficients 0 {
^bb0(%x: f32):
  %y = arith.truncf %x : f32 to bf16
  muon.yield %y : bf16
})";
  Program program(text, runnable(GetParam()));
  std::vector<uint32_t> in;
  for (uint32_t high : {0u, 1u, 0x3f80u, 0x3f81u, 0x7f7fu, 0x7f80u, 0x8000u, 0xbf80u, 0xff7fu, 0x007fu})
    for (uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      in.push_back(high << 16 | low);
  int64_t count = in.size();
  std::vector<uint16_t> out(count);
  Launch launch;
  launch.sizes = {1, count, 16};
  launch.views = {{in.data(), count, 1}, {out.data(), count, 1}};
  launch.run(program.function("round"));
  for (int64_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, &in[i], 4);
    if (std::isnan(value)) {
      EXPECT_TRUE((out[i] & 0x7f80) == 0x7f80 && (out[i] & 0x7f)) << std::hex << in[i];
      continue;
    }
    uint32_t expected = (in[i] + 0x7fff + ((in[i] >> 16) & 1)) >> 16;
    EXPECT_EQ(out[i], expected) << std::hex << in[i];
  }
}

/// Index, parameter and power: what decay schedules, diagonals and stochastic rounding are made of.
TEST(Sweep, IndexParameterPower) {
  Program program(indexText(), host());
  Memory y(Dtype::f32, 20, 30, 30, 1);
  for (int64_t step : {0, 1, 7, 1000, -3}) {
    double power = NAN;
    Launch launch;
    launch.sizes = {20, 30, 16}, launch.tiles = 2, launch.parameter = 5, launch.matrix = 3;
    launch.scalars.resize(2);
    launch.scalars[0].f64 = 0.999, launch.scalars[1].i64 = step;
    launch.views = {y.view(), {&power, 1, 1}};
    launch.run(program.function("index"));
    EXPECT_NEAR(power, std::pow(0.999, double(step)), 1e-13);
    Matrix got = y.get();
    for (int64_t i = 0; i < 20; ++i)
      for (int64_t j = 0; j < 30; ++j)
        ASSERT_EQ(got.at(i, j), i == j ? 8.0 : double(float(power)));
  }
}
