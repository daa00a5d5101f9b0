//===- TuningDatabase.h - what muon-tune found, kept --------------------------------*- C++ -*-===//
//
// One SQLite file. muon-tune writes it; muon-opt, the C API and muonc.torch.Muon(tuned=True) read it. Plain C++ without
// LLVM (the library MuonTuning), because an answer from it has to come within milliseconds.
//
// The file is ours if its application_id is kTuningApplication; a damaged one, or one of another program or a newer
// version, is refused with one line and left as it is. Write-ahead log: readers never wait, writers wait for each other
// up to kTuningPatience.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_COMPILER_TUNING_DATABASE_H
#define MUON_COMPILER_TUNING_DATABASE_H

#include "muon/Polynomial/Band.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct sqlite3;

namespace muon {

inline constexpr int kTuningApplication = 0x6d756f6e; // "muon"
inline constexpr int kTuningVersion = 2;              // 1: without layers
inline constexpr int kTuningPatience = 10'000;        // milliseconds

/// What one matrix shape was tuned for: the key of an entry.
struct TuningKey {
  /// tuningDevice of the target.
  std::string device;
  /// Operand types the candidates could have: auto (any), f32, bf16, f16 or tf32.
  std::string dtype = "auto";
  int64_t rows = 0, columns = 0;
  /// Singular values in [floor, 1], relative to the Frobenius norm, end in `band`.
  double floor = 0;
  Band band{0, 0};
  /// tuningCompiler() of the compiler that made the programs.
  std::string compiler;
  /// Recorded: singular values of at least floor |X|_F are at least this many Schatten-4 norms. 0: not known.
  double schatten4 = 0;

  /// Where the singular values that are served begin after `norm` (an option of the step function, empty: frobenius):
  /// the floor that a table with it has to be made for.
  double floorUnder(const std::string &norm) const;
  /// "floor 0.01, band 0.6816:1.134", with a recorded floor "floor 0.01, band 0.6816:1.134, schatten4 0.06". Numbers
  /// have six digits: two requests are the same where these texts are.
  std::string request() const;
  /// All of it in words, for messages.
  std::string describe() const;
};

struct TuningEntry {
  TuningKey key;
  /// The command's own words, such as "like keller, floor 0.01", by which a second call finds the entry without the
  /// compiler.
  std::string asked;
  /// Options of the step function (include/muon-c/Compiler.h, "options") as JSON: table, form, restarts, operands.
  std::string plan;
  /// Every candidate with its figures, as JSON; for plots.
  std::string facts;
  /// The same as it was printed.
  std::string text;
  /// When, ISO 8601 in UTC.
  std::string made;
  /// Of one step of one matrix; of the model where `modelled`.
  double seconds = 0;
  bool modelled = false;
};

/// What was recorded of the layers of one kind in a model: their floors.
struct TuningLayer {
  std::string model;
  /// layerKind of its parameters' names.
  std::string layer;
  int64_t rows = 0, columns = 0;
  /// As in TuningKey.
  double floor = 0, schatten4 = 0;
  /// The share of recorded singular values below the floor.
  double quantile = 0;
  std::string made;
};

/// Layers of one kind differ in their numbers only: h.3.attn.w is h.*.attn.w.
std::string layerKind(const std::string &name);

/// An open file. Not shared between threads; any number of processes may have it open.
class TuningDatabase {
public:
  /// Null with one line in `error`: unreadable, damaged, not ours, newer, absent (unless `create`).
  static std::unique_ptr<TuningDatabase> open(const std::string &path, bool create, std::string &error);
  ~TuningDatabase();
  TuningDatabase(const TuningDatabase &) = delete;
  TuningDatabase &operator=(const TuningDatabase &) = delete;

  /// No entry and an empty `error`: there is none.
  std::optional<TuningEntry> find(const TuningKey &key, std::string &error);
  /// By `asked`; of the key only device, dtype, rows, columns and compiler count.
  std::optional<TuningEntry> findAsked(const TuningKey &key, const std::string &asked, std::string &error);
  /// Adds an entry, in place of one with the same key. False with one line in `error`.
  bool record(const TuningEntry &entry, std::string &error);
  /// All entries, in the order of their keys.
  std::vector<TuningEntry> entries(std::string &error);
  /// By the kind of a parameter's name.
  std::optional<TuningLayer> findLayer(const std::string &model, const std::string &name, int64_t rows, int64_t columns,
                                       std::string &error);
  bool recordLayer(const TuningLayer &layer, std::string &error);
  /// All of them, or on failure none.
  bool recordAll(const std::vector<TuningEntry> &entries, const std::vector<TuningLayer> &layers, std::string &error);
  std::vector<TuningLayer> layers(std::string &error);

private:
  TuningDatabase(sqlite3 *handle, std::string path) : handle(handle), path(std::move(path)) {}
  bool prepare(bool create, std::string &error);

  sqlite3 *handle;
  std::string path;
};

/// $MUON_TUNING_DB; else tuning.sqlite in $MUON_CACHE_DIR; else muonc/tuning.sqlite in $XDG_CACHE_HOME or ~/.cache.
std::string tuningDatabasePath();

/// "cpu" and "native": this processor, its name and a digest of what /proc/cpuinfo says it can do. Any other target:
/// the target's own name.
std::string tuningDevice(const std::string &target);

/// This build of the compiler.
std::string tuningCompiler();

} // namespace muon

#endif // MUON_COMPILER_TUNING_DATABASE_H
