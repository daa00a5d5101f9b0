//===- TripledRowsTest.cpp - Three rows as one polynomial -------------------------------------===//

#include "muon/Polynomial/TripledRows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace muon;

namespace {

Table named(const char *name) { return *lookupTable(name).table; }

/// What six products and their epilogues make of sigma.
double evaluate(const TripledRows &triple, double sigma) {
  double r = sigma * sigma, left = r, right = r;
  auto combine = [&](const TripledRows::Combination &c) {
    return c[0] + c[1] * r + c[2] * left + c[3] * right + c[4] * left * right;
  };
  for (const TripledRows::Step &step : triple.steps) {
    double next = combine(step.left);
    right = combine(step.right);
    left = next;
  }
  return sigma * combine(triple.result);
}

/// How far it is from the rows one after the other, relative to them, up to `last`.
double difference(const Table &table, double last) {
  const TripledRows &triple = *findTriple(table.rows, 0);
  double largest = 0;
  for (int i = 1; i <= 20000; ++i) {
    double sigma = last * i / 20000, rows = sigma;
    for (int row = 0; row < 3; ++row)
      rows = table.rows[row].evaluate(rows);
    largest = std::max(largest, std::abs(evaluate(triple, sigma) / rows - 1));
  }
  return largest;
}

TEST(TripleRows, AreNearlyTheRowsOneAfterTheOther) { EXPECT_LT(difference(named("keller"), 1), 2.4e-5); }

/// Rounding may lift a singular value above 1.
TEST(TripleRows, GoOnBeyondOne) { EXPECT_LT(difference(named("keller"), 1.003), 1e-4); }

/// Nor does any matrix on the way exceed them.
TEST(TripleRows, HaveNoLargeCoefficients) {
  const TripledRows &triple = *findTriple(named("keller").rows, 0);
  auto expectSmall = [](const TripledRows::Combination &c) {
    for (double coefficient : c)
      EXPECT_LT(std::abs(coefficient), 5);
  };
  for (const TripledRows::Step &step : triple.steps)
    expectSmall(step.left), expectSmall(step.right);
  expectSmall(triple.result);
}

TEST(TripleRows, AreKnownForTheFirstOfKellers) {
  std::vector<Row> keller = named("keller").rows, pair(keller.begin(), keller.begin() + 2);
  EXPECT_TRUE(findTriple(keller, 0));
  EXPECT_FALSE(findTriple(keller, 1));
  EXPECT_FALSE(findTriple(pair, 0));
  EXPECT_FALSE(findTriple(named("you5").rows, 0));
  keller[2].c[2] += 1e-12;
  EXPECT_FALSE(findTriple(keller, 0));
}

} // namespace
