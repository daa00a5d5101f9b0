//===- MinimaxTest.cpp - Generated tables -----------------------------------------------------===//

#include "muon/Polynomial/Minimax.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace muon;

namespace {

void expectRows(const Table &generated, const Table &published, double relative) {
  ASSERT_EQ(generated.steps(), published.steps());
  for (int i = 0; i < published.steps(); ++i)
    for (size_t j = 0; j < 3; ++j)
      EXPECT_NEAR(generated.rows[i].c[j], published.rows[i].c[j], relative * std::abs(published.rows[i].c[j]))
          << "row " << i + 1 << ", coefficient " << j;
}

TEST(Minimax, ReproducesNanogptPolarExpress) {
  Table generated = generateMinimax(1e-3, std::vector<int>(5, 5), {1.02, 0.02});
  expectRows(generated, *lookupTable("nanogpt_pe").table, 1e-13);
}

TEST(Minimax, ReproducesPolarExpress) {
  Table generated = generateMinimax(1e-3, std::vector<int>(8, 5), {1.0, 0.02407327424182761});
  Table published = *lookupTable("polar_express").table;
  // Row 7 was published from double-precision sweeps on an interval of width 2e-3 (1e-10), row 8
  // with its upper end 1 + 5e-10 rounded to 1.
  Table head = generated, publishedHead = published;
  head.rows.resize(6);
  publishedHead.rows.resize(6);
  expectRows(head, publishedHead, 1e-13);
  expectRows(generated, published, 6e-9);
}

TEST(Minimax, ReproducesCans) {
  Table generated = generateMinimax(1e-3, std::vector<int>(5, 5));
  Table published = *lookupTable("cans").table;
  for (int i = 0; i < 5; ++i)
    for (size_t j = 0; j < 3; ++j)
      EXPECT_NEAR(generated.rows[i].c[j], published.rows[i].c[j], 5.1e-5);
}

TEST(Minimax, PadeIsTheLimit) {
  Table generated = generateMinimax(0.5, {5, 5, 5, 5});
  EXPECT_NEAR(generated.rows.back().c[0], 15.0 / 8, 1e-9);
  EXPECT_NEAR(generated.rows.back().c[1], -10.0 / 8, 1e-9);
  EXPECT_NEAR(generated.rows.back().c[2], 3.0 / 8, 1e-9);
}

TEST(Minimax, CubicHasTheClosedForm) {
  // CANS: e = sqrt((A^2 + AB + B^2) / 3), a = 2 / (2 e^3 + A^2 B + A B^2) on [A, B].
  double A = 0.05, B = 1, s = A * A + A * B + B * B, e = std::sqrt(s / 3);
  double a = 2 / (2 * e * e * e + A * A * B + A * B * B);
  Row row = generateMinimax(A, {3}).rows.front();
  EXPECT_NEAR(row.c[0], a * s, 1e-14);
  EXPECT_NEAR(row.c[1], -a, 1e-14);
}

/// Error of T quintics without safety or cushion, muon-peers.md 5.2.
TEST(Minimax, ErrorByStepsAndFloor) {
  struct Entry {
    int steps;
    double floor, error;
  };
  const Entry entries[] = {
      {3, 0.1, 1.5e-4},   {3, 0.03, 3.6e-2}, {3, 0.01, 0.27},   {3, 3e-3, 0.65},   {3, 1e-3, 0.86},   {3, 1e-4, 0.98},
      {4, 0.03, 3e-5},    {4, 0.01, 1.3e-2}, {4, 3e-3, 0.20},   {4, 1e-3, 0.55},   {4, 1e-4, 0.94},   {5, 0.01, 1.2e-6},
      {5, 3e-3, 4.9e-3},  {5, 1e-3, 0.11},   {5, 1e-4, 0.76},   {6, 3e-3, 7.5e-8}, {6, 1e-3, 9.2e-4}, {6, 1e-4, 0.35},
      {7, 1e-3, 4.8e-10}, {7, 1e-4, 2.9e-2}, {8, 1e-4, 1.5e-5},
  };
  for (const Entry &entry : entries) {
    Band band = minimaxBand(entry.floor, std::vector<int>(entry.steps, 5));
    EXPECT_NEAR(band.upper - 1, entry.error, 0.06 * entry.error) << entry.steps << " steps from " << entry.floor;
  }
  EXPECT_LT(minimaxBand(0.1, {5, 5, 5, 5}).upper - 1, 3e-12);
  EXPECT_LT(minimaxBand(0.03, std::vector<int>(5, 5)).upper - 1, 3e-14);
  EXPECT_LT(minimaxBand(1e-3, std::vector<int>(8, 5)).upper - 1, 1e-15);
}

/// tables.md, "Cheapest degree sequences" and "What rounding does".
TEST(Minimax, MixedDegrees) {
  auto ratio = [](double floor, std::vector<int> degrees) { return minimaxBand(floor, degrees).ratio(); };
  EXPECT_NEAR(ratio(1e-2, {9, 13}), 1.63, 0.006);
  EXPECT_NEAR(ratio(1e-2, {3, 9, 9}), 1.21, 0.006);
  EXPECT_NEAR(ratio(1e-2, {9, 9, 9}), 1.006, 0.0006);
  EXPECT_NEAR(ratio(3e-3, {9, 9, 9}), 1.27, 0.006);
  EXPECT_NEAR(ratio(3e-3, {9, 9, 13}), 1.11, 0.006);
  EXPECT_NEAR(ratio(1e-3, {9, 9, 13}), 1.97, 0.006);
  EXPECT_NEAR(ratio(1e-3, {5, 9, 9, 9}), 1.12, 0.006);
  auto lower = [](double floor, std::vector<int> degrees) {
    return computeBand(generateMinimax(floor, degrees), floor).lower;
  };
  EXPECT_NEAR(lower(1e-2, {9, 9}), 0.642, 0.0006);
  EXPECT_NEAR(lower(1e-2, {9, 13}), 0.761, 0.0006);
  EXPECT_NEAR(lower(1e-2, {3, 9, 9}), 0.906, 0.0006);
  EXPECT_NEAR(lower(1e-2, {5, 5, 9}), 0.889, 0.0006);
  EXPECT_NEAR(lower(1e-2, {5, 9, 9}), 0.972, 0.0006);
  EXPECT_NEAR(lower(1e-2, {5, 5, 5, 5}), 0.987, 0.0006);
  EXPECT_NEAR(lower(3e-3, {9, 9, 9}), 0.880, 0.0006);
  EXPECT_NEAR(lower(1e-3, {9, 9, 13}), 0.673, 0.0006);
  EXPECT_NEAR(lower(1e-3, {5, 9, 9, 9}), 0.942, 0.0006);
  EXPECT_NEAR(lower(1e-3, {5, 5, 5, 5, 5}), 0.887, 0.0006);
}

TEST(Minimax, TableKeepsWhatTheBandPromises) {
  for (double floor : {0.3, 1e-2, 1e-3, 1e-6})
    for (std::vector<int> degrees :
         {std::vector<int>{3}, {13}, {3, 5, 7, 9, 11, 13}, {13, 11, 9}, {7, 7, 7, 7}, {11, 3, 11, 3}}) {
      Table table = generateMinimax(floor, degrees);
      Band promised = minimaxBand(floor, degrees), kept = computeBand(table, floor);
      EXPECT_NEAR(kept.lower, promised.lower, 1e-9) << table.name;
      EXPECT_NEAR(kept.upper, promised.upper, 1e-9) << table.name;
      EXPECT_EQ(checkDomain(table, 1), "");
    }
}

TEST(Minimax, BandIsCentredAlsoWithACushion) {
  Band band = computeBand(generateMinimax(1e-4, {5, 9, 7}, {1.0, 0.05}), 1e-4);
  EXPECT_NEAR(band.lower + band.upper, 2, 1e-9);
  Band plain = minimaxBand(1e-4, {5, 9, 7});
  EXPECT_LT(band.lower, plain.lower) << "a cushion costs band";
}

TEST(Minimax, SafetyLetsLargerSigmaThrough) {
  for (double safety : {1.01, 1.02, 1.05}) {
    Table table = generateMinimax(1e-3, std::vector<int>(5, 5), {safety, 0.02});
    EXPECT_EQ(checkDomain(table, safety), "");
    EXPECT_LT(computeBand(table, 1e-3, safety).upper, 1.25);
  }
}

TEST(Minimax, NameSaysHowItWasMade) {
  EXPECT_EQ(generateMinimax(0.01, {3, 9, 9}).name, "minimax(0.01; 3,9,9)");
  EXPECT_EQ(generateMinimax(0.001, {5}, {1.02, 0.02}).name, "minimax(0.001; 5; safety 1.02, cushion 0.02)");
}

TEST(Minimax, ArgumentsOutOfRangeGiveAnEmptyTable) {
  EXPECT_TRUE(generateMinimax(0, {5}).rows.empty());
  EXPECT_TRUE(generateMinimax(1, {5}).rows.empty());
  EXPECT_TRUE(generateMinimax(0.1, {4}).rows.empty());
  EXPECT_TRUE(generateMinimax(0.1, {15}).rows.empty());
  EXPECT_TRUE(generateMinimax(0.1, {5}, {0.9, 0}).rows.empty());
}

} // namespace
