//===- TuningDatabaseTest.cpp - What is kept, and what is refused -----------------------------===//

#include "muon/Compiler/TuningDatabase.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace muon;

namespace {

class TuningDatabaseFile : public ::testing::Test {
protected:
  void SetUp() override {
    const auto *test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = ::testing::TempDir() + "muon-" + test->name() + "-" + std::to_string(getpid());
    std::filesystem::remove_all(folder);
    path = folder + "/below/tuning.sqlite";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<TuningDatabase> open(bool create = true) { return TuningDatabase::open(path, create, error); }
  void write(const std::string &bytes) {
    std::filesystem::create_directories(folder + "/below");
    std::ofstream(path, std::ios::binary) << bytes;
  }
  std::string read() {
    std::stringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return bytes.str();
  }
  void runSql(const char *sql) {
    sqlite3 *handle;
    ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(handle);
  }
  /// Refused, with this in the line, and not a byte changed.
  void expectRefused(const std::string &why) {
    std::string before = read();
    for (bool create : {false, true}) {
      EXPECT_EQ(open(create), nullptr);
      EXPECT_NE(error.find(why), error.npos) << error;
      EXPECT_EQ(error.find("tuning database '" + path + "': "), 0u) << error;
      EXPECT_EQ(error.find('\n'), error.npos);
    }
    EXPECT_EQ(read(), before);
  }

  std::string folder, path, error;
};

TuningEntry makeEntry(int64_t rows = 768) {
  TuningEntry entry;
  entry.key = {"processor", "bf16", rows, 3072, 1e-2, {0.7, 1.3}, "compiler 1"};
  entry.asked = "band 0.7:1.3, floor 0.01";
  entry.plan = "{\"table\": [[1.5, -0.5]]}";
  entry.facts = "[]";
  entry.text = "printed\nlines";
  entry.made = "2026-01-01T00:00:00Z";
  entry.seconds = 0.25;
  return entry;
}

TEST_F(TuningDatabaseFile, WhatIsRecordedIsFound) {
  TuningEntry entry = makeEntry();
  ASSERT_TRUE(open()->record(entry, error)) << error;
  std::unique_ptr<TuningDatabase> database = open(false);
  std::optional<TuningEntry> found = database->find(entry.key, error);
  ASSERT_TRUE(found) << error;
  EXPECT_EQ(found->key.describe(), entry.key.describe());
  EXPECT_EQ(found->asked, entry.asked);
  EXPECT_EQ(found->plan, entry.plan);
  EXPECT_EQ(found->facts, entry.facts);
  EXPECT_EQ(found->text, entry.text);
  EXPECT_EQ(found->made, entry.made);
  EXPECT_EQ(found->seconds, entry.seconds);
  EXPECT_FALSE(found->modelled);
  EXPECT_TRUE(database->findAsked(entry.key, entry.asked, error));
  EXPECT_FALSE(database->findAsked(entry.key, "like keller, floor 0.01", error));
  EXPECT_EQ(error, "");
}

TEST_F(TuningDatabaseFile, EveryPartOfTheKeyCounts) {
  std::unique_ptr<TuningDatabase> database = open();
  TuningEntry entry = makeEntry();
  ASSERT_TRUE(database->record(entry, error)) << error;
  TuningKey others[7];
  std::fill(std::begin(others), std::end(others), entry.key);
  others[0].device = "other";
  others[1].dtype = "f32";
  others[2].rows = 769;
  others[3].columns = 3073;
  others[4].floor = 1e-3;
  others[5].band.upper = 1.31;
  others[6].compiler = "compiler 2";
  for (const TuningKey &key : others) {
    EXPECT_FALSE(database->find(key, error)) << key.describe();
    EXPECT_EQ(error, "");
  }
}

TEST_F(TuningDatabaseFile, ARecordedFloorIsAKeyOfItsOwn) {
  TuningEntry entry = makeEntry();
  ASSERT_TRUE(open()->record(entry, error)) << error;
  entry.key.schatten4 = 0.05;
  entry.seconds = 0.125;
  EXPECT_FALSE(open()->find(entry.key, error));
  ASSERT_TRUE(open()->record(entry, error)) << error;
  std::optional<TuningEntry> found = open()->find(entry.key, error);
  ASSERT_TRUE(found) << error;
  EXPECT_EQ(found->key.request(), "floor 0.01, band 0.7:1.3, schatten4 0.05");
  EXPECT_EQ(found->seconds, 0.125);
  EXPECT_EQ(open()->find(makeEntry().key, error)->seconds, 0.25);
}

TEST(TuningKey, FloorsUnderANorm) {
  TuningKey key = makeEntry().key;
  EXPECT_EQ(key.floorUnder(""), 0.01);
  EXPECT_EQ(key.floorUnder("trace"), 0.01);
  EXPECT_NEAR(key.floorUnder("schatten4"), 0.01, 1e-6); // what is proven for every matrix
  EXPECT_LT(key.floorUnder("aol"), 0.003);
  key.schatten4 = 0.05;
  EXPECT_EQ(key.floorUnder("schatten4"), 0.05);
  EXPECT_EQ(key.floorUnder("frobenius"), 0.01);
}

TEST_F(TuningDatabaseFile, LayersAreFoundByTheirKind) {
  ASSERT_TRUE(open()->recordLayer({"gpt", "h.*.attn", 8, 32, 0.02, 0.1, 0.1, "2026-01-01T00:00:00Z"}, error)) << error;
  std::unique_ptr<TuningDatabase> database = open(false);
  EXPECT_EQ(database->findLayer("gpt", "h.12.attn", 8, 32, error)->floor, 0.02);
  EXPECT_EQ(database->findLayer("gpt", "h.12.attn", 8, 32, error)->schatten4, 0.1);
  for (const char *absent : {"h.attn", "x.1.attn"})
    EXPECT_FALSE(database->findLayer("gpt", absent, 8, 32, error)) << absent;
  EXPECT_FALSE(database->findLayer("gpt", "h.1.attn", 32, 8, error));
  EXPECT_FALSE(database->findLayer("bert", "h.1.attn", 8, 32, error));
  EXPECT_EQ(database->layers(error).size(), 1u);
  EXPECT_EQ(error, "");
  EXPECT_EQ(layerKind("h.31.mlp2"), "h.*.mlp*");
}

TEST_F(TuningDatabaseFile, AFileOfVersionOneKeepsItsEntries) {
  TuningEntry entry = makeEntry();
  ASSERT_TRUE(open()->record(entry, error)) << error;
  runSql("DROP TABLE layers; ALTER TABLE entries DROP COLUMN schatten4; PRAGMA user_version = 1");
  std::unique_ptr<TuningDatabase> database = open(false);
  ASSERT_TRUE(database) << error;
  EXPECT_TRUE(database->find(entry.key, error)) << error;
  EXPECT_TRUE(database->recordLayer({"gpt", "w", 8, 32, 0.02, 0, 0.1, ""}, error)) << error;
}

TEST_F(TuningDatabaseFile, AnEntryReplacesTheOneOfItsKey) {
  std::unique_ptr<TuningDatabase> database = open();
  TuningEntry entry = makeEntry();
  ASSERT_TRUE(database->record(entry, error));
  entry.seconds = 0.5;
  ASSERT_TRUE(database->record(entry, error));
  ASSERT_TRUE(database->record(makeEntry(1024), error));
  std::vector<TuningEntry> all = database->entries(error);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].seconds, 0.5);
  EXPECT_EQ(all[1].key.rows, 1024);
}

TEST_F(TuningDatabaseFile, AnAbsentFileIsNotMadeByReading) {
  EXPECT_EQ(open(false), nullptr);
  EXPECT_EQ(error, "tuning database '" + path + "' does not exist");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(TuningDatabaseFile, TextIsRefused) {
  write(std::string(4096, 'x'));
  expectRefused("file is not a database");
}

TEST_F(TuningDatabaseFile, AnotherProgramsDatabaseIsRefused) {
  write("");
  runSql("CREATE TABLE entries (device TEXT)");
  expectRefused("a database of another program: expected application id 1836412782, got 0");
}

TEST_F(TuningDatabaseFile, ANewerVersionIsRefused) {
  open();
  runSql("PRAGMA user_version = 3; PRAGMA journal_mode = DELETE");
  expectRefused("expected version 2, got 3");
}

TEST_F(TuningDatabaseFile, DamageIsRefused) {
  {
    std::unique_ptr<TuningDatabase> database = open();
    for (int rows = 1; rows <= 80; ++rows)
      ASSERT_TRUE(database->record(makeEntry(rows), error));
  }
  runSql("PRAGMA journal_mode = DELETE");
  std::string bytes = read();
  ASSERT_GT(bytes.size(), 3u * 4096);
  std::fill(bytes.begin() + 4096, bytes.end(), '\xff'); // all but the page of the schema
  write(bytes);
  expectRefused("damaged");
}

/// SQLite's busy timeout does not cover turning the log on: about one in forty such rounds lost a process.
TEST_F(TuningDatabaseFile, ProcessesCreateItAtOnce) {
  constexpr int rounds = 200, processes = 4;
  for (int round = 0; round < rounds; ++round) {
    path = folder + "/" + std::to_string(round) + ".sqlite";
    for (int process = 0; process < processes; ++process)
      if (fork() == 0) {
        std::unique_ptr<TuningDatabase> database = open();
        _exit(database && database->record(makeEntry(process + 1), error) ? 0 : 1);
      }
    for (int process = 0; process < processes; ++process) {
      int status = -1;
      wait(&status);
      ASSERT_EQ(status, 0) << "round " << round;
    }
  }
}

TEST_F(TuningDatabaseFile, ProcessesWriteAtOnce) {
  constexpr int processes = 4, each = 25;
  for (int process = 0; process < processes; ++process)
    if (fork() == 0) {
      std::unique_ptr<TuningDatabase> database = open();
      bool good = database != nullptr;
      for (int i = 0; good && i < each; ++i)
        good = database->record(makeEntry(process * each + i + 1), error);
      _exit(good ? 0 : 1);
    }
  for (int process = 0; process < processes; ++process) {
    int status = -1;
    wait(&status);
    EXPECT_EQ(status, 0);
  }
  std::unique_ptr<TuningDatabase> database = open(false);
  ASSERT_TRUE(database) << error;
  EXPECT_EQ(database->entries(error).size(), size_t(processes * each));
}

TEST(TuningDevice, ThisProcessorOrTheTargetsName) {
  EXPECT_EQ(tuningDevice("cpu"), tuningDevice("native"));
  EXPECT_NE(tuningDevice("cpu"), "cpu");
  EXPECT_EQ(tuningDevice("znver4"), "znver4");
}

} // namespace
