//===- SearchTablesTest.cpp - The cheapest tables for a floor and a band ----------------------===//

#include "muon/Polynomial/SearchTables.h"

#include "muon/Polynomial/Emulate.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace muon;

namespace {

double cheaperForm(const Table &table, double shortSide, double longSide) {
  return std::min(countProducts(table, {FormChoice::standard, {}}, shortSide, longSide),
                  countProducts(table, {FormChoice::gram, {}}, shortSide, longSide));
}

std::vector<int> degrees(const Table &table) {
  std::vector<int> list;
  for (const Row &row : table.rows)
    list.push_back(row.degree());
  return list;
}

Band kellerBand(double floor) { return computeBand(*lookupTable("keller", 5).table, floor); }

TEST(SearchTables, EveryTableIsSoundAndInTheBand) {
  for (double floor : {1e-2, 1e-3})
    for (double safety : {1.0, 1.02}) {
      TableSearch search{floor, {0.8, 1.2}, {safety, 0}, 256, 1024};
      std::vector<Table> tables = searchTables(search);
      ASSERT_FALSE(tables.empty());
      for (const Table &table : tables) {
        EXPECT_EQ(checkDomain(table, 1), "");
        EXPECT_EQ(checkBand(table, search.band, floor), "") << table.name;
        EXPECT_GE(table.steps(), 2);
        EXPECT_LE(table.steps(), 8);
      }
    }
}

TEST(SearchTables, CheapestFirst) {
  TableSearch search{1e-2, kellerBand(1e-2), {}, 512, 2048};
  std::vector<Table> tables = searchTables(search);
  ASSERT_GE(tables.size(), 2u);
  for (size_t i = 1; i < tables.size(); ++i)
    EXPECT_LE(cheaperForm(tables[i - 1], 512, 2048), cheaperForm(tables[i], 512, 2048));
}

TEST(SearchTables, KellersBandAtAHundredthTakesElevenUnitsOfKellersTwenty) {
  TableSearch search{1e-2, kellerBand(1e-2), {}, 1, 1};
  std::vector<Table> tables = searchTables(search);
  ASSERT_FALSE(tables.empty());
  EXPECT_EQ(degrees(tables.front()), (std::vector<int>{9, 13}));
  EXPECT_EQ(cheaperForm(tables.front(), 1, 1), 11);
  // Twelve units: a sequence that bf16 carries too.
  EXPECT_TRUE(std::any_of(tables.begin(), tables.end(),
                          [](const Table &table) { return degrees(table) == std::vector<int>{3, 5, 9}; }));
}

TEST(SearchTables, NothingDearerThanAsked) {
  TableSearch search{1e-2, kellerBand(1e-2), {}, 1, 1, 12};
  std::vector<Table> tables = searchTables(search);
  ASSERT_FALSE(tables.empty());
  for (const Table &table : tables)
    EXPECT_LE(cheaperForm(table, 1, 1), 12);
  search.flops = 10;
  EXPECT_TRUE(searchTables(search).empty());
}

TEST(SearchTables, NoMoreThanAsked) {
  TableSearch search{1e-2, {0.8, 1.2}};
  search.most = 3;
  EXPECT_EQ(searchTables(search).size(), 3u);
}

TEST(SearchTables, AnImpossibleRequestGivesNothing) {
  EXPECT_TRUE(searchTables({0, {0.8, 1.2}}).empty());
  EXPECT_TRUE(searchTables({1e-3, {1.2, 0.8}}).empty());
  EXPECT_TRUE(searchTables({1e-3, {0.8, 1.2}, {}, 2, 1}).empty());
}

TEST(ScaleIntoBand, TakesTheFactorClosestToOne) {
  Table table = generateMinimax(1e-2, {3, 9, 9}), before = table;
  EXPECT_TRUE(scaleIntoBand(table, {0.8, 1.2}, 1e-2));
  EXPECT_EQ(table, before);
  EXPECT_TRUE(scaleIntoBand(table, {1.6, 2.4}, 1e-2));
  EXPECT_EQ(checkBand(table, {1.6, 2.4}, 1e-2), "");
  EXPECT_FALSE(scaleIntoBand(table, {0.99, 1.01}, 1e-2));
}

TEST(CheckBand, ATableCutByHandIsNamedWithItsInterval) {
  Table cut = *lookupTable("you5").table;
  cut.rows.resize(3);
  cut.name = "cut";
  EXPECT_EQ(checkBand(cut, {0.7, 1.3}, 1e-2),
            "table 'cut' maps sigma in [0.01, 0.01236] to [0.5791, 0.7], outside [0.7, 1.3]");
}

TEST(CheckBand, ATableCycledByHandIsNamedWithItsInterval) {
  Table cycled = *lookupTable("you5").table;
  cycled.rows.push_back(cycled.rows.front());
  cycled.name = "cycled";
  EXPECT_EQ(checkBand(cycled, {0.7, 1.3}, 1e-2),
            "table 'cycled' maps sigma in [0.01, 1] to [0.0642, 0.1649], outside [0.7, 1.3]");
}

TEST(CheckBand, ATableIsInItsOwnBand) {
  for (const std::string &name : tableNames()) {
    Table table = *lookupTable(name).table;
    if (checkDomain(table, 1).empty())
      EXPECT_EQ(checkBand(table, computeBand(table, 1e-2), 1e-2), "");
  }
}

TEST(CheckBand, ATableForAnotherFloorIsNamed) {
  Table table = generateMinimax(1e-2, {3, 9, 9});
  std::string line = checkBand(table, {0.7, 1.3}, 1e-3);
  EXPECT_EQ(line.find("table 'minimax(0.01; 3,9,9)' maps sigma in [0.001, "), 0u) << line;
}

} // namespace
