//===- NormaliserTest.cpp - How low singular values reach -------------------------------------===//

#include "muon/Polynomial/Normaliser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace muon;

namespace {

double schatten4(const std::vector<double> &values) {
  double sum = 0;
  for (double s : values)
    sum += s * s * s * s;
  return std::pow(sum, 0.25);
}

/// Of sum of squares 1, one of them `floor`.
std::vector<double> spectrum(double floor, int count, double spread, std::mt19937 &random) {
  std::lognormal_distribution<double> draw(0, spread);
  std::vector<double> values(count);
  double rest = 0;
  for (int i = 1; i < count; ++i)
    rest += (values[i] = draw(random)) * values[i];
  for (double &s : values)
    s *= std::sqrt((1 - floor * floor) / rest);
  values[0] = floor;
  return values;
}

TEST(Normaliser, NoSpectrumGoesBelowSchattensFloor) {
  std::mt19937 random(1);
  for (double floor : {1e-3, 1e-2, 0.1, 0.3})
    for (int count : {2, 5, 40})
      for (double spread : {0.1, 1.0, 4.0}) {
        double reach = reachableFloor(Normaliser::schatten4, floor, count);
        EXPECT_GE(floor / schatten4(spectrum(floor, count, spread, random)), reach * (1 - 1e-12));
        EXPECT_GE(reach, floor);
      }
}

TEST(Normaliser, AMatrixOfRankTwoReachesSchattensFloor) {
  for (double floor : {1e-3, 1e-2, 0.3})
    EXPECT_NEAR(floor / schatten4({floor, std::sqrt(1 - floor * floor)}),
                reachableFloor(Normaliser::schatten4, floor, 2), 1e-12);
}

/// The largest row sum of |R| of R = v v^T, |v| = 1.
double largestRowSum(const std::vector<double> &v) {
  double sum = 0, largest = 0, norm = 0;
  for (double x : v) {
    sum += std::abs(x);
    largest = std::max(largest, std::abs(x));
    norm += x * x;
  }
  return largest * sum / norm;
}

TEST(Normaliser, AolCanOnlyLowerTheFloorByTheLargestRowSum) {
  std::mt19937 random(1);
  std::normal_distribution<double> draw;
  for (int count : {2, 9, 64}) {
    double most = std::pow(reachableFloor(Normaliser::aol, 1, count), -2);
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<double> v(count);
      for (double &x : v)
        x = std::pow(draw(random), 3);
      EXPECT_LE(largestRowSum(v), most);
    }
    // The eigenvector of the bound.
    std::vector<double> v(count, 1.0);
    v[0] = 1 + std::sqrt(count);
    EXPECT_NEAR(largestRowSum(v), most, 1e-12 * most);
  }
}

TEST(Normaliser, FrobeniusAndTraceAreTheFloorItself) {
  EXPECT_EQ(reachableFloor(Normaliser::frobenius, 0.01, 64), 0.01);
  EXPECT_EQ(reachableFloor(*lookupNormaliser("trace"), 0.01, 64), 0.01);
  EXPECT_EQ(reachableFloor(Normaliser::schatten4, 0.5, 1), 1);
  EXPECT_FALSE(lookupNormaliser("spectral"));
}

} // namespace
