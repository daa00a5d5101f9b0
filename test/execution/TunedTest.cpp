//===- TunedTest.cpp - Requests that take their table from the database -----------------------===//

#include "muon-c/Compiler.h"
#include "muon/Compiler/TuningDatabase.h"
#include "muon/Polynomial/SearchTables.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

using namespace muon;

namespace {

std::string toJson(const Table &table) {
  std::string rows;
  for (const Row &row : table.rows) {
    rows += rows.empty() ? "[" : ", [";
    for (size_t i = 0; i < row.c.size(); ++i) {
      char number[32];
      std::snprintf(number, sizeof number, "%s%.17g", i ? ", " : "", row.c[i]);
      rows += number;
    }
    rows += "]";
  }
  return "[" + rows + "]";
}

class Tuned : public ::testing::Test {
protected:
  void SetUp() override {
    path = ::testing::TempDir() + "muon-tuned-" + std::to_string(getpid()) + ".sqlite";
    std::filesystem::remove(path);
  }
  void TearDown() override { std::filesystem::remove(path); }

  /// Records an answer for 8x32, f32, floor 1e-2, Keller's band there.
  TuningKey record(const std::string &plan, double schatten4 = 0) {
    TuningEntry entry;
    Band keller = computeBand(*lookupTable("keller", 5).table, 1e-2);
    entry.key = {tuningDevice("cpu"), "f32", 8, 32, 1e-2, keller, tuningCompiler(), schatten4};
    entry.plan = plan;
    entry.made = "2026-01-01T00:00:00Z";
    entry.seconds = 0.0125;
    std::string error;
    std::unique_ptr<TuningDatabase> database = TuningDatabase::open(path, true, error);
    EXPECT_TRUE(database && database->record(entry, error)) << error;
    return entry.key;
  }
  std::string table(const std::vector<int> &degrees) {
    Table made = generateMinimax(1e-2, degrees);
    EXPECT_TRUE(scaleIntoBand(made, computeBand(*lookupTable("keller", 5).table, 1e-2), 1e-2));
    return toJson(made);
  }
  std::string request(const std::string &group = R"("preset": "torch")",
                      const std::string &fields = R"("dtype": "f32")") {
    return R"({"groups": [{"shape": [8, 32], "parameters": ["w"], )" + group +
           R"(}], "tuned": {"floor": 0.01, "database": ")" + path + "\"}, " + fields + "}";
  }
  /// The report, or the line of the refusal.
  std::string report(const std::string &request) {
    char *text = muon_compile_text(request.c_str(), "report");
    std::string result = text ? text : muon_compiler_error();
    muon_compiler_free(text);
    return result;
  }
  void expectReport(const std::string &request, const std::string &part) {
    std::string text = report(request);
    EXPECT_NE(text.find(part), text.npos) << text;
  }

  std::string path;
};

TEST_F(Tuned, AnEntryIsUsedAndNamedInTheReport) {
  TuningKey key =
      record("{\"table\": " + table({3, 9, 9}) + ", \"form\": \"gram\", \"restarts\": [2], \"operands\": \"f32\"}");
  std::string text = report(request());
  EXPECT_NE(text.find("\"steps\": 3"), text.npos) << text;
  EXPECT_NE(text.find("entry for " + key.describe() +
                      ": degrees 3,9,9, form gram restarted before rows 2, operands f32; 12.500 ms measured"),
            text.npos)
      << text;
}

TEST_F(Tuned, PresetsWithOneTableShareAnEntry) {
  record("{\"table\": " + table({3, 9, 9}) + "}");
  for (const char *preset : {"keller", "torch", "moonlight", "normuon", "adamuon"})
    expectReport(request("\"preset\": \"" + std::string(preset) + "\""), "\"steps\": 3");
  expectReport(request(R"("preset": "polar_express")"), "\"tuned\": \"none: no entry for 8x32");
}

TEST_F(Tuned, WithoutAnEntryTheReportSaysSo) {
  expectReport(request(), "\"tuned\": \"none: tuning database '" + path + "' does not exist\"");
  record("{\"table\": " + table({3, 9, 9}) + "}");
  expectReport(request(R"("preset": "torch")", R"("dtype": "bf16")"),
               "\"tuned\": \"none: no entry for 8x32, dtype bf16");
  expectReport(request(R"("preset": "exact")"), "\"tuned\": \"none: preset 'exact' has no table to choose here\"");
}

TEST_F(Tuned, AGroupHasItsOwnWord) {
  record("{\"table\": " + table({3, 9, 9}) + "}");
  expectReport(request(R"("tuned": {"floor": 0.02})"), "none: ");
  expectReport(request(R"("tuned": {"floor": 0.01, "database": ")" + path + "\"}"), "\"steps\": 3");
}

TEST_F(Tuned, TheEntrysTableIsProvenAgain) {
  record("{\"table\": [[1.5, -0.5], [1.5, -0.5]]}");
  expectReport(request(), "table 'tuned' maps sigma in [0.01, 0.3435] to [0.0225, 0.6818], outside [0.6818, 1.134]");
}

TEST_F(Tuned, TheNormDecidesWhatTheTableIsProvenOn) {
  Table made = generateMinimax(0.05, {5, 9});
  Band keller = computeBand(*lookupTable("keller", 5).table, 1e-2);
  ASSERT_TRUE(scaleIntoBand(made, keller, 0.05));
  record("{\"norm\": \"schatten4\", \"table\": " + toJson(made) + "}");
  expectReport(request(), "table 'tuned' maps sigma in [0.01, 0.0");
  std::filesystem::remove(path);
  record("{\"norm\": \"trace\", \"table\": " + table({3, 9, 9}) + "}");
  expectReport(request(), ", norm trace: finite for norms below 2^63; 12.500 ms measured");
}

TEST_F(Tuned, ALayersFloorsAreTheRecordedOnes) {
  Band keller = computeBand(*lookupTable("keller", 5).table, 1e-2);
  Table made = generateMinimax(0.05, {5, 9});
  ASSERT_TRUE(scaleIntoBand(made, keller, 0.05));
  TuningKey key = record("{\"norm\": \"schatten4\", \"tile\": [64, 0], \"table\": " + toJson(made) + "}", 0.05);
  std::string error;
  TuningLayer layer{"gpt", "h.*.w", 8, 32, 1e-2, 0.05, 0.1, ""};
  ASSERT_TRUE(TuningDatabase::open(path, false, error)->recordLayer(layer, error)) << error;
  auto asking = [&](const std::string &fields) {
    return request("\"tuned\": {\"database\": \"" + path + "\", " + fields + "}");
  };
  expectReport(asking(R"("model": "gpt", "layer": "h.7.w")"), "entry for " + key.describe());
  expectReport(asking(R"("model": "gpt", "layer": "h.7.w")"), "norm schatten4; 12.500 ms");
  expectReport(asking(R"("model": "gpt", "layer": "head")"),
               "none: no layer 'head' of 8x32 was recorded for model 'gpt' in '" + path + "'");
  expectReport(asking(R"("model": "gpt", "layer": "h.7.w", "floor": 0.01)"),
               "tuned: expected a floor or a model, whose layers have their own, got both");
}

TEST_F(Tuned, ADamagedPlanIsRefused) {
  record("{\"table\": [[1.5, -0.5]], \"tables\": 1}");
  expectReport(request(), "unknown field at plan.tables, expected table, steps, safety");
  record("{}");
  expectReport(request(), "expected a plan with the rows of a table");
}

TEST_F(Tuned, WhatTheEntryDecidesCannotBeAskedForToo) {
  expectReport(request(R"("preset": "torch")", R"("form": "gram")"),
               "tuned brings the form: expected form auto, got 'gram'");
  expectReport(request(R"("options": {"restarts": [2]})"), "tuned brings the restarts: expected none in the request");
}

TEST_F(Tuned, QueriesOutOfRangeAreRefused) {
  expectReport(request(R"("tuned": {"floor": 0})"), "tuned: expected 0 < floor < 1, got 0");
  expectReport(request(R"("tuned": {"band": [1.3, 0.7]})"), "tuned: expected a band 0 < lower < upper < 2, got 1.3");
  expectReport(request(R"("tuned": {"band": [1.3]})"),
               "expected two numbers at request.groups[0].tuned.band, got [1.3]");
  expectReport(request(R"("tuned": {"flor": 1})"),
               "unknown field at request.groups[0].tuned.flor, expected floor, band, database");
}

TEST_F(Tuned, AResolvedRequestCompilesToTheSameReport) {
  record("{\"table\": " + table({3, 9, 9}) + ", \"form\": \"standard\"}");
  char *text = muon_resolve_tuned(request().c_str());
  ASSERT_NE(text, nullptr) << muon_compiler_error();
  std::string resolved = text;
  muon_compiler_free(text);
  EXPECT_NE(resolved.find("\"found\":true"), resolved.npos) << resolved;
  size_t begin = resolved.find("\"request\":") + 10;
  EXPECT_EQ(report(resolved.substr(begin, resolved.size() - begin - 1)), report(request()));
}

TEST_F(Tuned, ResolvingNeedsOneTarget) {
  EXPECT_EQ(muon_resolve_tuned(request(R"("preset": "torch")", R"("target": "x86-64-v3,znver4")").c_str()), nullptr);
  EXPECT_STREQ(muon_compiler_error(), "expected one target to resolve for, got 2");
}

TEST_F(Tuned, ResolvingNeedsGroups) {
  EXPECT_EQ(muon_resolve_tuned(R"({"program": "module {}"})"), nullptr);
  EXPECT_STREQ(muon_compiler_error(), "expected groups to resolve for, got a program");
}

} // namespace
