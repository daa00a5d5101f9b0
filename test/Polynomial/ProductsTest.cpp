//===- ProductsTest.cpp - What forms cost -----------------------------------------------------===//
//
// muon-peers.md appendix C (symmetric-aware rows) and tables.md; n^3 units.
//
//===----------------------------------------------------------------------===//

#include "muon/Polynomial/Emulate.h"

#include <gtest/gtest.h>

using namespace muon;

namespace {

Table withDegrees(const std::vector<int> &degrees) {
  Table table{"degrees", {}};
  for (int degree : degrees)
    table.rows.push_back({std::vector<double>((degree + 1) / 2, 1)});
  return table;
}

double units(const std::vector<int> &degrees, FormChoice choice, double alpha) {
  return countProducts(withDegrees(degrees), choice, 1, alpha);
}

TEST(CountProducts, AppendixC) {
  for (int steps : {1, 3, 5, 8})
    for (double alpha : {1.0, 2.69, 4.0, 16.0}) {
      std::vector<int> quintics(steps, 5), cubics(steps, 3);
      EXPECT_NEAR(units(quintics, {}, alpha), steps * (3 * alpha + 1), 1e-9);
      EXPECT_NEAR(units(cubics, {}, alpha), 3 * steps * alpha, 1e-9);
      EXPECT_NEAR(units(quintics, {FormChoice::gram, {}}, alpha), 4 * steps + 3 * alpha - 3, 1e-9);
      EXPECT_NEAR(units(cubics, {FormChoice::gram, {}}, alpha), 3 * steps + 3 * alpha - 3, 1e-9);
      if (steps < 2)
        continue;
      EXPECT_NEAR(units(quintics, {FormChoice::gram, {1}}, alpha), 4 * steps + 6 * alpha - 6, 1e-9);
      std::vector<int> everywhere;
      for (int k = 1; k < steps; ++k)
        everywhere.push_back(k);
      EXPECT_NEAR(units(quintics, {FormChoice::gram, everywhere}, alpha), units(quintics, {}, alpha), 1e-9);
    }
}

/// A pair is one step of four symmetric products: two units less than its rows in the standard form of a square matrix.
TEST(CountProducts, Pairs) {
  std::vector<int> five(5, 5);
  for (double alpha : {1.0, 4.0}) {
    EXPECT_NEAR(units(five, {FormChoice::standard, {}, false, {0, 2}}, alpha), 2 * (3 * alpha + 4) + 3 * alpha + 1,
                1e-9);
    EXPECT_NEAR(units(five, {FormChoice::gram, {}, false, {3}}, alpha), units(five, {FormChoice::gram, {}}, alpha) - 1,
                1e-9);
    EXPECT_NEAR(units(five, {FormChoice::gram, {3}, false, {1, 3}}, alpha),
                units(five, {FormChoice::gram, {3}}, alpha) - 2, 1e-9);
  }
  EXPECT_NEAR(units(five, {FormChoice::standard, {}, false, {0, 2}}, 1), 18, 1e-9);
  EXPECT_NEAR(units(five, {FormChoice::gram, {3}, false, {0, 1, 3}}, 1), 16, 1e-9); // a triple: six products
}

TEST(CountProducts, TeraflopOfRealShapes) {
  Table keller = *lookupTable("keller").table;
  auto tera = [&](FormChoice choice, double n, double m) { return countProducts(keller, choice, n, m) * 1e-12; };
  EXPECT_NEAR(tera({}, 1024, 4096), 0.0698, 5e-5);
  EXPECT_NEAR(tera({FormChoice::gram, {}}, 1024, 4096), 0.0311, 5e-5);
  EXPECT_NEAR(tera({FormChoice::gram, {2}}, 1024, 4096), 0.0408, 5e-5);
  EXPECT_NEAR(tera({}, 8192, 28672), 31.6, 0.05);
  EXPECT_NEAR(tera({FormChoice::gram, {3}}, 8192, 28672), 19.2, 0.05);
  EXPECT_NEAR(tera({}, 4096, 11008), 3.11, 0.005);
}

TEST(CountProducts, MixedDegrees) {
  EXPECT_EQ(evaluationProducts(3), 0);
  EXPECT_EQ(evaluationProducts(5), 1);
  EXPECT_EQ(evaluationProducts(7), 2);
  EXPECT_EQ(evaluationProducts(9), 2);
  EXPECT_EQ(evaluationProducts(11), 3);
  EXPECT_EQ(evaluationProducts(13), 3);
  struct Entry {
    std::vector<int> degrees;
    double square, gram, standard;
  };
  for (const Entry &entry :
       {Entry{{9, 13}, 11, 20, 29}, Entry{{3, 9, 9}, 13, 22, 40}, Entry{{9, 9, 9}, 15, 24, 42},
        Entry{{9, 9, 13}, 16, 25, 43}, Entry{{5, 9, 9, 9}, 19, 28, 55}, Entry{{5, 5, 5, 5, 5}, 20, 29, 65}}) {
    EXPECT_NEAR(units(entry.degrees, {}, 1), entry.square, 1e-9);
    EXPECT_NEAR(units(entry.degrees, {FormChoice::gram, {}}, 4), entry.gram, 1e-9);
    EXPECT_NEAR(units(entry.degrees, {}, 4), entry.standard, 1e-9);
  }
}

/// DESIGN.md: 3+2 is 1.24 times cheaper than 2+2+1. That is at alpha = 4: 47 against 38.
TEST(CountProducts, ThreePlusTwoAgainstTwoTwoOne) {
  std::vector<int> five(5, 5);
  EXPECT_NEAR(units(five, {FormChoice::gram, {2, 4}}, 4) / units(five, {FormChoice::gram, {3}}, 4), 1.24, 0.005);
}

} // namespace
