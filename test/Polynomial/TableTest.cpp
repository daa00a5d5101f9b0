//===- TableTest.cpp - Published tables by name -----------------------------------------------===//

#include "muon/Polynomial/Table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

using namespace muon;

namespace {

TEST(LookupTable, EveryNameGivesAWellFormedTable) {
  std::vector<std::string> names = tableNames();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const std::string &name : names) {
    TableOrError result = lookupTable(name);
    ASSERT_TRUE(result) << name << ": " << result.error;
    EXPECT_EQ(result.table->name, name);
    EXPECT_EQ(checkRows(*result.table), "");
    EXPECT_EQ(lookupTable(name, result.table->steps()).table, result.table);
  }
}

TEST(LookupTable, SingleTriplesTakeAnyNumberOfSteps) {
  for (const char *name : {"jordan", "keller", "simple_quintic", "pade", "cubic", "modula"})
    for (int steps : {1, 3, 5, 8, 15}) {
      TableOrError result = lookupTable(name, steps);
      ASSERT_TRUE(result) << result.error;
      EXPECT_EQ(result.table->steps(), steps);
      EXPECT_EQ(result.table->rows.front(), result.table->rows.back());
    }
}

TEST(LookupTable, DefaultStepsAreTheAuthors) {
  EXPECT_EQ(lookupTable("keller").table->steps(), 5);
  EXPECT_EQ(lookupTable("simple_quintic").table->steps(), 12);
  EXPECT_EQ(lookupTable("deepseek_v4").table->steps(), 10);
  EXPECT_EQ(lookupTable("polar_express").table->steps(), 8);
}

TEST(LookupTable, JordanIsKeller) {
  EXPECT_EQ(lookupTable("jordan", 7).table->rows, lookupTable("keller", 7).table->rows);
}

TEST(LookupTable, MultiRowTablesAreNeitherCycledNorCut) {
  EXPECT_EQ(lookupTable("you5", 6).error,
            "table 'you5' has 5 rows, but 6 steps were asked for; a table is never cycled or cut, "
            "generate one of that length instead");
  EXPECT_EQ(lookupTable("aol_eo", 3).error,
            "table 'aol_eo' has 4 rows, but 3 steps were asked for; a table is never cycled or "
            "cut, generate one of that length instead");
  EXPECT_FALSE(lookupTable("polar_express", 5));
  EXPECT_EQ(lookupTable("keller", 0).error, "table 'keller' needs at least 1 step, but 0 were asked for");
}

TEST(LookupTable, PolarExpressContinuesWithItsLastRow) {
  Table table = *lookupTable("polar_express", 11).table;
  ASSERT_EQ(table.steps(), 11);
  EXPECT_EQ(table.rows[10], (Row{{1.875, -1.25, 0.375}}));
  EXPECT_EQ(table.rows[10], table.rows[7]);
}

TEST(LookupTable, UnknownNameListsTheKnownOnes) {
  TableOrError result = lookupTable("kellar");
  EXPECT_FALSE(result);
  EXPECT_TRUE(result.error.starts_with("unknown table 'kellar'; known tables: aol_eo aol_flash"));
  for (const std::string &name : tableNames())
    EXPECT_NE(result.error.find(" " + name), std::string::npos) << name;
}

TEST(LookupTable, CubicsAreStoredAsCubics) {
  Table cubic5 = *lookupTable("cubic5").table;
  for (const Row &row : cubic5.rows)
    EXPECT_EQ(row.degree(), 3);
  EXPECT_EQ(lookupTable("cubic", 1).table->rows.front(), (Row{{1.5, -0.5}}));
}

TEST(CheckRows, NamesTheRow) {
  EXPECT_EQ(checkRows({"t", {}}), "table 't' has no rows");
  EXPECT_EQ(checkRows({"t", {{{1.5, -0.5}}, {{1.0}}}}),
            "table 't', row 2: expected 2 to 7 coefficients (odd degree 3 to 13), got 1");
  EXPECT_EQ(checkRows({"t", {{{1, 1, 1, 1, 1, 1, 1, 1}}}}),
            "table 't', row 1: expected 2 to 7 coefficients (odd degree 3 to 13), got 8");
  EXPECT_EQ(checkRows({"t", {{{1.5, std::numeric_limits<double>::quiet_NaN()}}}}),
            "table 't', row 1: coefficients must be finite");
  EXPECT_EQ(checkRows({"t", {{{-1.5, 0.5}}}}),
            "table 't', row 1: the first coefficient must be positive, or small singular values "
            "change sign");
}

TEST(Evaluate, ComposesRowsInOrder) {
  Table table{"t", {{{2, -1}}, {{1.5, -0.5}}}};
  double x = 0.3, y = 2 * x - x * x * x;
  EXPECT_DOUBLE_EQ(evaluate(table, x), 1.5 * y - 0.5 * y * y * y);
  EXPECT_DOUBLE_EQ(evaluate(table, -x), -evaluate(table, x));
  EXPECT_DOUBLE_EQ(slopeAtZero(table), 3);
}

} // namespace
