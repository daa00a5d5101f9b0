//===- TuningDatabase.cpp ---------------------------------------------------------------------===//

#include "muon/Compiler/TuningDatabase.h"
#include "muon/Polynomial/Normaliser.h"

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

using namespace muon;

static std::string print(const char *format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string TuningKey::request() const {
  std::string text =
      "floor " + print("%.6g", floor) + ", band " + print("%.6g", band.lower) + ":" + print("%.6g", band.upper);
  return schatten4 > 0 ? text + ", schatten4 " + print("%.6g", schatten4) : text;
}

double TuningKey::floorUnder(const std::string &norm) const {
  Normaliser normaliser = lookupNormaliser(norm).value_or(Normaliser::frobenius);
  double proven = reachableFloor(normaliser, floor, double(std::min(rows, columns)));
  return normaliser == Normaliser::schatten4 ? std::max(proven, schatten4) : proven;
}

std::string muon::layerKind(const std::string &name) {
  std::string kind;
  for (unsigned char c : name) {
    bool digit = c >= '0' && c <= '9';
    if (!digit)
      kind += char(c);
    else if (kind.empty() || kind.back() != '*')
      kind += '*';
  }
  return kind;
}

std::string TuningKey::describe() const {
  return std::to_string(rows) + "x" + std::to_string(columns) + ", dtype " + dtype + ", " + request() + " on " +
         device + " with " + compiler;
}

namespace {
/// One SQL statement with its values.
class Statement {
public:
  Statement(sqlite3 *handle, const char *sql) : handle(handle) {
    status = sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement); }

  Statement &operator<<(const std::string &text) {
    if (status == SQLITE_OK)
      status = sqlite3_bind_text(statement, ++bound, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement &operator<<(int64_t number) {
    if (status == SQLITE_OK)
      status = sqlite3_bind_int64(statement, ++bound, number);
    return *this;
  }
  Statement &operator<<(double number) {
    if (status == SQLITE_OK)
      status = sqlite3_bind_double(statement, ++bound, number);
    return *this;
  }
  /// True at a row; false at the end or on failure.
  bool step() {
    if (status == SQLITE_OK || status == SQLITE_ROW)
      status = sqlite3_step(statement);
    return status == SQLITE_ROW;
  }
  bool failed() const { return status != SQLITE_OK && status != SQLITE_ROW && status != SQLITE_DONE; }
  std::string why() const { return sqlite3_errmsg(handle); }

  std::string text(int column) {
    auto *bytes = reinterpret_cast<const char *>(sqlite3_column_text(statement, column));
    return bytes ? std::string(bytes, sqlite3_column_bytes(statement, column)) : std::string();
  }
  int64_t integer(int column) { return sqlite3_column_int64(statement, column); }
  double real(int column) { return sqlite3_column_double(statement, column); }

private:
  sqlite3 *handle;
  sqlite3_stmt *statement = nullptr;
  int status, bound = 0;
};
} // namespace

static constexpr const char *kColumns = "device, dtype, rows, columns, floor, lower, upper, compiler, asked, plan, "
                                        "facts, text, made, seconds, modelled, schatten4";

static constexpr const char *kSchema = R"(
  CREATE TABLE entries (
    device TEXT NOT NULL, dtype TEXT NOT NULL, rows INTEGER NOT NULL, columns INTEGER NOT NULL, request TEXT NOT NULL, compiler TEXT NOT NULL,
    floor REAL NOT NULL, lower REAL NOT NULL, upper REAL NOT NULL,
    asked TEXT NOT NULL, plan TEXT NOT NULL, facts TEXT NOT NULL, text TEXT NOT NULL, made TEXT NOT NULL, seconds REAL NOT NULL, modelled INTEGER NOT NULL,
    PRIMARY KEY (device, dtype, rows, columns, request, compiler)
  ) WITHOUT ROWID;
  CREATE INDEX asked ON entries (asked, device, dtype, rows, columns, compiler);
)";

/// What version 2 added.
static constexpr const char *kLayers = R"(
  ALTER TABLE entries ADD COLUMN schatten4 REAL NOT NULL DEFAULT 0;
  CREATE TABLE layers (
    model TEXT NOT NULL, layer TEXT NOT NULL, rows INTEGER NOT NULL, columns INTEGER NOT NULL,
    floor REAL NOT NULL, schatten4 REAL NOT NULL, quantile REAL NOT NULL, made TEXT NOT NULL,
    PRIMARY KEY (model, layer, rows, columns)
  ) WITHOUT ROWID;
)";

/// A message that says which file it is about.
static std::string inDatabase(const std::string &path, const std::string &why) {
  return "tuning database '" + path + "': " + why;
}

/// The one value of a statement such as a pragma, -1 on failure with the reason in `error`.
static int64_t queryInteger(sqlite3 *handle, const char *sql, std::string &error) {
  Statement statement(handle, sql);
  if (statement.step())
    return statement.integer(0);
  error = statement.failed() ? statement.why() : "no answer to " + std::string(sql);
  return -1;
}

static bool execute(sqlite3 *handle, const std::string &sql, std::string &error) {
  if (sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
    return true;
  error = sqlite3_errmsg(handle);
  return false;
}

/// Makes an empty file ours, and one of version 1 of this version. Under the write lock, so that of two processes one
/// does it.
static bool createSchema(sqlite3 *handle, std::string &error) {
  if (!execute(handle, "BEGIN IMMEDIATE", error))
    return false;
  bool empty = queryInteger(handle, "SELECT count(*) FROM sqlite_master", error) == 0;
  bool made = !empty || (execute(handle, kSchema, error) &&
                         execute(handle, "PRAGMA application_id = " + std::to_string(kTuningApplication), error));
  if (made && (empty || queryInteger(handle, "PRAGMA user_version", error) == 1))
    made = execute(handle, kLayers, error) &&
           execute(handle, "PRAGMA user_version = " + std::to_string(kTuningVersion), error);
  return made ? execute(handle, "COMMIT", error) : (sqlite3_exec(handle, "ROLLBACK", nullptr, nullptr, nullptr), false);
}

/// Turns the write-ahead log on, which stays. SQLite does not wait for other processes there, whatever its busy timeout
/// says.
static bool useLog(sqlite3 *handle, std::string &error) {
  constexpr std::chrono::milliseconds kPause(2);
  for (int waited = 0;; waited += kPause.count()) {
    if (execute(handle, "PRAGMA journal_mode = WAL", error))
      return true;
    if (sqlite3_errcode(handle) != SQLITE_BUSY || waited >= kTuningPatience)
      return false;
    error.clear();
    std::this_thread::sleep_for(kPause);
  }
}

/// "" if the file is whole, ours and of this version.
static std::string whyNotOurs(sqlite3 *handle) {
  std::string error;
  int64_t application = queryInteger(handle, "PRAGMA application_id", error);
  if (!error.empty())
    return error;
  if (application != kTuningApplication)
    return "a database of another program: expected application id " + std::to_string(kTuningApplication) + ", got " +
           std::to_string(application);
  int64_t version = queryInteger(handle, "PRAGMA user_version", error);
  if (version != kTuningVersion)
    return "expected version " + std::to_string(kTuningVersion) + ", got " + std::to_string(version);
  Statement check(handle, "PRAGMA quick_check(1)");
  if (!check.step())
    return "damaged: " + check.why();
  std::string first = check.text(0);
  std::replace(first.begin(), first.end(), '\n', ' ');
  return first == "ok" ? "" : "damaged: " + first;
}

bool TuningDatabase::prepare(bool create, std::string &error) {
  sqlite3_busy_timeout(handle, kTuningPatience);
  std::string why;
  int64_t tables = queryInteger(handle, "SELECT count(*) FROM sqlite_master", why);
  bool old = why.empty() && tables > 0 && queryInteger(handle, "PRAGMA application_id", why) == kTuningApplication &&
             queryInteger(handle, "PRAGMA user_version", why) == 1;
  if (why.empty() && ((tables == 0 && create) || old))
    createSchema(handle, why);
  if (why.empty())
    why = whyNotOurs(handle);
  if (why.empty() && create)
    useLog(handle, why);
  // The log is flushed at checkpoints only: a power cut may cost the last entries, never the file.
  if (why.empty() && execute(handle, "PRAGMA synchronous = NORMAL", why))
    return true;
  error = inDatabase(path, why + "; it was left as it is");
  return false;
}

std::unique_ptr<TuningDatabase> TuningDatabase::open(const std::string &path, bool create, std::string &error) {
  error.clear();
  std::error_code ignored;
  if (create)
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  else if (!std::filesystem::exists(path, ignored)) {
    error = "tuning database '" + path + "' does not exist";
    return nullptr;
  }
  sqlite3 *handle = nullptr;
  int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
  if (sqlite3_open_v2(path.c_str(), &handle, flags, nullptr) != SQLITE_OK) {
    error = inDatabase(path, handle ? sqlite3_errmsg(handle) : "out of memory");
    sqlite3_close(handle);
    return nullptr;
  }
  std::unique_ptr<TuningDatabase> database(new TuningDatabase(handle, path));
  return database->prepare(create, error) ? std::move(database) : nullptr;
}

TuningDatabase::~TuningDatabase() { sqlite3_close(handle); }

static TuningEntry readEntry(Statement &row) {
  TuningEntry entry;
  entry.key = {row.text(0), row.text(1), row.integer(2), row.integer(3), row.real(4), {row.real(5), row.real(6)},
               row.text(7), row.real(15)};
  entry.asked = row.text(8);
  entry.plan = row.text(9);
  entry.facts = row.text(10);
  entry.text = row.text(11);
  entry.made = row.text(12);
  entry.seconds = row.real(13);
  entry.modelled = row.integer(14) != 0;
  return entry;
}

/// Runs the statement, with `read` for every row until it answers false. Whether nothing went wrong: else `error` says
/// what.
static bool run(Statement &statement, const std::string &path, std::string &error, const std::function<bool()> &read) {
  error.clear();
  while (statement.step())
    if (!read())
      break;
  if (statement.failed())
    error = inDatabase(path, statement.why());
  return error.empty();
}

/// The first row, if there is one.
template <typename Row>
static std::optional<Row> readOne(Statement &statement, Row (*readRow)(Statement &), const std::string &path,
                                  std::string &error) {
  std::optional<Row> first;
  run(statement, path, error, [&] { return first = readRow(statement), false; });
  return first;
}

template <typename Row>
static std::vector<Row> readAll(Statement &statement, Row (*readRow)(Statement &), const std::string &path,
                                std::string &error) {
  std::vector<Row> all;
  run(statement, path, error, [&] { return all.push_back(readRow(statement)), true; });
  return all;
}

/// A statement that answers no rows.
static bool runWithoutRows(Statement &statement, const std::string &path, std::string &error) {
  return run(statement, path, error, [] { return true; });
}

std::optional<TuningEntry> TuningDatabase::find(const TuningKey &key, std::string &error) {
  std::string sql =
      std::string("SELECT ") + kColumns +
      " FROM entries WHERE device = ? AND dtype = ? AND rows = ? AND columns = ? AND request = ? AND compiler = ?";
  Statement statement(handle, sql.c_str());
  statement << key.device << key.dtype << key.rows << key.columns << key.request() << key.compiler;
  return readOne(statement, readEntry, path, error);
}

std::optional<TuningEntry> TuningDatabase::findAsked(const TuningKey &key, const std::string &asked,
                                                     std::string &error) {
  std::string sql =
      std::string("SELECT ") + kColumns +
      " FROM entries WHERE asked = ? AND device = ? AND dtype = ? AND rows = ? AND columns = ? AND compiler = ?";
  Statement statement(handle, sql.c_str());
  statement << asked << key.device << key.dtype << key.rows << key.columns << key.compiler;
  return readOne(statement, readEntry, path, error);
}

bool TuningDatabase::record(const TuningEntry &entry, std::string &error) {
  std::string sql = std::string("INSERT OR REPLACE INTO entries (") + kColumns +
                    ", request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  Statement statement(handle, sql.c_str());
  const TuningKey &key = entry.key;
  statement << key.device << key.dtype << key.rows << key.columns << key.floor << key.band.lower << key.band.upper
            << key.compiler;
  statement << entry.asked << entry.plan << entry.facts << entry.text << entry.made << entry.seconds
            << int64_t(entry.modelled) << key.schatten4 << key.request();
  return runWithoutRows(statement, path, error);
}

std::vector<TuningEntry> TuningDatabase::entries(std::string &error) {
  std::string sql =
      std::string("SELECT ") + kColumns + " FROM entries ORDER BY device, dtype, rows, columns, request, compiler";
  Statement statement(handle, sql.c_str());
  return readAll(statement, readEntry, path, error);
}

static TuningLayer readLayer(Statement &row) {
  return {row.text(0), row.text(1), row.integer(2), row.integer(3), row.real(4), row.real(5), row.real(6), row.text(7)};
}

std::optional<TuningLayer> TuningDatabase::findLayer(const std::string &model, const std::string &name, int64_t rows,
                                                     int64_t columns, std::string &error) {
  Statement statement(handle, "SELECT * FROM layers WHERE model = ? AND layer = ? AND rows = ? AND columns = ?");
  statement << model << layerKind(name) << rows << columns;
  return readOne(statement, readLayer, path, error);
}

bool TuningDatabase::recordLayer(const TuningLayer &layer, std::string &error) {
  Statement statement(handle, "INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  statement << layer.model << layer.layer << layer.rows << layer.columns << layer.floor << layer.schatten4
            << layer.quantile << layer.made;
  return runWithoutRows(statement, path, error);
}

bool TuningDatabase::recordAll(const std::vector<TuningEntry> &entries, const std::vector<TuningLayer> &layers,
                               std::string &error) {
  error.clear();
  auto transact = [&](const char *statement) {
    if (execute(handle, statement, error))
      return true;
    error = inDatabase(path, error);
    return false;
  };
  bool begun = transact("BEGIN IMMEDIATE");
  bool done = begun && std::ranges::all_of(entries, [&](const TuningEntry &entry) { return record(entry, error); }) &&
              std::ranges::all_of(layers, [&](const TuningLayer &layer) { return recordLayer(layer, error); }) &&
              transact("COMMIT");
  if (begun && !done)
    sqlite3_exec(handle, "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

std::vector<TuningLayer> TuningDatabase::layers(std::string &error) {
  Statement statement(handle, "SELECT * FROM layers ORDER BY model, layer, rows, columns");
  return readAll(statement, readLayer, path, error);
}

/// A variable that is set and not empty.
static const char *variable(const char *name) {
  const char *value = std::getenv(name);
  return value && *value ? value : nullptr;
}

std::string muon::tuningDatabasePath() {
  if (const char *file = variable("MUON_TUNING_DB"))
    return file;
  if (const char *cache = variable("MUON_CACHE_DIR"))
    return std::string(cache) + "/tuning.sqlite";
  if (const char *base = variable("XDG_CACHE_HOME"))
    return std::string(base) + "/muonc/tuning.sqlite";
  const char *home = variable("HOME");
  return std::string(home ? home : ".") + "/.cache/muonc/tuning.sqlite";
}

/// The first processor's name, and a digest of the lines that say what it is and can do.
static std::string describeProcessor() {
  std::ifstream file("/proc/cpuinfo");
  std::string line, name = "unknown processor";
  uint32_t digest = 2166136261; // FNV-1a
  while (std::getline(file, line) && !line.empty()) {
    auto starts = [&](const char *word) { return line.rfind(word, 0) == 0; };
    if (starts("model name") && line.find(": ") != line.npos)
      name = line.substr(line.find(": ") + 2);
    if (starts("vendor_id") || starts("cpu family") || starts("model") || starts("flags") || starts("Features") ||
        starts("CPU"))
      for (unsigned char c : line)
        digest = (digest ^ c) * 16777619;
  }
  char text[16];
  std::snprintf(text, sizeof text, " %08x", digest);
  return name + text;
}

std::string muon::tuningDevice(const std::string &target) {
  return target == "cpu" || target == "native" ? describeProcessor() : target;
}

std::string muon::tuningCompiler() { return "muon " MUON_VERSION " " MUON_BUILD_ID; }
