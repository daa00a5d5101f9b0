//===- PairedRowsTest.cpp - Two rows as one polynomial ----------------------------------------===//

#include "muon/Polynomial/PairedRows.h"
#include "muon/Polynomial/Band.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace muon;

namespace {

Table named(const char *name) { return *lookupTable(name).table; }

PairedRows pairAt(const Table &table, int row) {
  Table before{"", {table.rows.begin(), table.rows.begin() + row}};
  return pairRows(table.rows[row], table.rows[row + 1], row ? computeBand(before, 0).upper : 1);
}

/// What four products and their epilogues make of sigma.
double evaluate(const PairedRows &pair, double sigma) {
  double t = sigma * sigma - pair.shift, t2 = t * t,
         n = pair.n[0] + pair.n[1] * t + pair.n[2] * t2 + pair.n[3] * t2 * t;
  auto combine = [&](const PairedRows::Combination &c) { return c[0] + c[1] * t + c[2] * t2 + c[3] * n; };
  double left = n * n + combine(pair.a), right = n * n + combine(pair.b);
  return sigma * (pair.slope + left * right + combine(pair.rest));
}

TEST(PairRows, AreBothRowsOneAfterTheOther) {
  for (const char *name : {"keller", "you5", "polar_express_105", "nanogpt_pe", "cans"}) {
    Table table = named(name);
    for (int row = 0; row + 1 < table.steps(); ++row) {
      if (!canPair(table.rows[row], table.rows[row + 1]))
        continue;
      PairedRows pair = pairAt(table, row);
      for (double sigma : {1e-9, 0.01, 0.3, 0.7, 1.0, 1.1})
        EXPECT_NEAR(evaluate(pair, sigma), table.rows[row + 1].evaluate(table.rows[row].evaluate(sigma)), 1e-11)
            << name << " " << row << " " << sigma;
    }
  }
}

/// In powers of R, Keller's h has coefficients of 5e4.
TEST(PairRows, HaveNoLargeCoefficients) {
  for (int row = 0; row < 4; ++row) {
    PairedRows pair = pairAt(named("keller"), row);
    EXPECT_NEAR(pair.slope, 3.4445 * 3.4445, 1e-12);
    for (const PairedRows::Combination &c : {pair.n, pair.a, pair.b, pair.rest})
      for (double coefficient : c)
        EXPECT_LT(std::abs(coefficient), 10);
    EXPECT_LT(pair.rounding, 300);
  }
}

// Its coefficients grow without end, and so did the search once.
TEST(PairRows, AreFoundForVanishingLastCoefficients) {
  const Row row{{1.5, -0.5, 1e-3}};
  EXPECT_TRUE(std::isfinite(pairRows(row, row, 1).rounding));
}

TEST(PairRows, NeedTwoQuinticsOfOneSign) {
  Row keller{{3.4445, -4.775, 2.0315}}, falling{{1.5, -0.4, -0.1}}, cubic{{1.5, -0.5}};
  EXPECT_TRUE(canPair(keller, keller));
  EXPECT_TRUE(canPair(falling, falling));
  EXPECT_FALSE(canPair(keller, falling));
  EXPECT_FALSE(canPair(keller, cubic));
  EXPECT_FALSE(canPair(cubic, keller));
}

} // namespace
