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

Table threeRows() { return *lookupTable("keller", 3).table; }

/// How far it is from the rows one after the other, relative to them, up to `last`.
double difference(double last) {
  Table rows = threeRows();
  const TripledRows &triple = *findTriple(rows.rows, 0);
  double largest = 0;
  for (int i = 1; i <= 20000; ++i) {
    double sigma = last * i / 20000;
    largest = std::max(largest, std::abs(evaluate(triple, sigma) / evaluate(rows, sigma) - 1));
  }
  return largest;
}

/// Why six products can do: of degree 62, but Chebyshev polynomials of 2r - 1 above degree 37 add up to 1e-5 of h's
/// largest value, h(0).
TEST(TripleRows, HaveALowerDegreeThanTheyShow) {
  constexpr int points = 512;
  constexpr double pi = 3.14159265358979323846;
  Table rows = threeRows();
  double rest = 0;
  for (int degree = 38; degree <= 62; ++degree) {
    double coefficient = 0;
    for (int i = 0; i < points; ++i) {
      double angle = pi * (i + 0.5) / points, sigma = std::sqrt((std::cos(angle) + 1) / 2);
      coefficient += 2.0 / points * std::cos(degree * angle) * evaluate(rows, sigma) / sigma;
    }
    rest += std::abs(coefficient);
  }
  EXPECT_LT(rest, 1e-5 * std::pow(3.4445, 3));
  EXPECT_GT(rest, 1e-6 * std::pow(3.4445, 3));
}

TEST(TripleRows, AreNearlyTheRowsOneAfterTheOther) { EXPECT_LT(difference(1), 2.4e-5); }

/// Rounding may lift a singular value above 1.
TEST(TripleRows, GoOnBeyondOne) { EXPECT_LT(difference(1.003), 1e-4); }

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
