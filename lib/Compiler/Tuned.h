//===- Tuned.h - what the tuning database says about a group ------------------------*- C++ -*-===//

#ifndef MUON_LIB_COMPILER_TUNED_H
#define MUON_LIB_COMPILER_TUNED_H

#include "muon/Compiler/Compiler.h"
#include "muon/Compiler/TuningDatabase.h"

#include "llvm/Support/JSON.h"

namespace muon {

/// The answer for one group and one target.
struct TunedGroup {
  /// Absent: the step function has no table to choose (rms, exact, inverse_root, another norm).
  std::optional<TuningKey> key;
  /// The step function's own table with its safety factor in the first row, where there is a key.
  Table own;
  /// The entry's plan: options of the step function; absent: there is no entry.
  std::optional<llvm::json::Object> plan;
  /// The line for the report: which entry, or why none.
  std::string said;
};

/// Asks the database for one group. Nothing: the group is not to be tuned. Errors: a request that also says what the
/// entry would (form, restarts), a database that cannot be read, an entry whose table leaves its band.
llvm::Expected<std::optional<TunedGroup>> lookupTuned(mlir::MLIRContext &context, const Request &request,
                                                      const GroupRequest &group, llvm::StringRef target);

/// What the group's table was asked to do under the norm it has now (empty: frobenius); nothing where there was no
/// question.
std::optional<ServedBand> servedBand(const TunedGroup &tuned, llvm::StringRef norm);

/// The names of the options that a plan decides.
std::vector<llvm::StringRef> plannedOptions();

/// Replaces the planned options, those that the plan leaves out too. `json`: a plan's text.
llvm::Error applyPlan(llvm::StringRef json, StepOptions &step);

} // namespace muon

#endif // MUON_LIB_COMPILER_TUNED_H
