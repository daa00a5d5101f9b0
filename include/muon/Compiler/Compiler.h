//===- Compiler.h - request to program: the one C++ API others use ------------------*- C++ -*-===//

#ifndef MUON_COMPILER_COMPILER_H
#define MUON_COMPILER_COMPILER_H

#include "muon/Form/Presets.h"
#include "muon/IR/Muon.h"
#include "muon/Polynomial/Band.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace muon {

/// Asks the tuning database for the table, form, restarts and operand type of a step function.
struct TuningQuery {
  /// Absent: 1e-2, and 1e-3 where the operands can only be f32.
  std::optional<double> floor;
  /// Absent: the band of the step function's own table on [floor, 1].
  std::optional<Band> band;
  /// Empty: tuningDatabasePath().
  std::string database;
  /// The floor is the one that `muon-tune --gradients` recorded for this model's `layer`: a parameter's name or its
  /// kind (layerKind).
  std::string model, layer;
};

/// What a table was asked to do: singular values of at least `floor`, as its norm counts them, end in `band`.
struct ServedBand {
  double floor = 0;
  Band band;
};

/// Parameters of one step function.
struct GroupRequest {
  StepOptions step;
  std::vector<std::string> parameters;
  /// The row of scalars they take.
  std::string set = "default";
  /// Absent: the request's.
  std::optional<TuningQuery> tuned;
  /// Where the options came from, for the report, and what they were tuned for; set by resolveTuned.
  std::string tunedBy;
  std::optional<ServedBand> served;
};

/// What to compile, and for which machines.
struct Request {
  /// Empty: that of the muon.program, where `program` has one, else step.
  std::string name = "step";
  /// Empty: those that the modules of `program` were left for, else cpu.
  std::vector<std::string> targets = {"cpu"};
  /// Operand type of the products: auto (what `muon-choose-form` takes), f32, bf16, f16 (GPUs, and processors with
  /// avx512_fp16 and without AMX) or tf32 (GPUs).
  std::string dtype = "auto";
  std::string form = "auto";
  /// auto (the short one), left or right: on which side R stands.
  std::string side = "auto";
  std::optional<std::vector<int64_t>> restarts, pairs;
  /// propagate (where absent), or skip: a matrix whose gradient is not finite keeps its weight and states, and its
  /// status says so.
  std::optional<std::string> nonfinite;
  /// For every group that has none of its own (StepOptions).
  std::vector<int64_t> tile;
  /// GPU targets: parts every product's k is cut into instead of the modelled choice; 0: the model's.
  int64_t parts = 0;
  /// GPU targets: how chains of products of small symmetric matrices are computed: block (one block per matrix,
  /// wherever its memory holds them), launches (one per product), or auto: what is modelled faster. The result is the
  /// same to the bit.
  std::string chain = "auto";
  /// GPU targets: objects and libraries also hold the LLVM IR of the kernels, for the emulator.
  bool embedBitcode = false;
  /// For every group that has none of its own.
  std::optional<TuningQuery> tuned;
  std::vector<GroupRequest> groups;
  /// Instead of groups: the text of a module of step functions in the muon dialect (docs/dialect.md), with a
  /// muon.program, or without one: then every function has one parameter of its own name. Operand types, forms and
  /// tables are those of its ops. Or modules that a walk left in any room (Walk.h), or that Emit::mlir made: they go on
  /// from there, for their own targets, and a request that contradicts theirs is refused.
  std::string program;
};

/// Calls f(name, value) for every override (knownOverrides) that holds for the whole request.
template <class AnyRequest, class F> void forEachOverride(AnyRequest &request, F f) {
  f("form", request.form);
  f("side", request.side);
  f("restarts", request.restarts);
  f("pairs", request.pairs);
  f("nonfinite", request.nonfinite);
  f("tile", request.tile);
  f("parts", request.parts);
  f("chain", request.chain);
}

enum class Emit { object, library, header, assembly, llvm, mlir, report, bitcode, ptx, cubin };
constexpr bool isBinary(Emit emit) {
  return emit == Emit::object || emit == Emit::library || emit == Emit::bitcode || emit == Emit::cubin;
}

/// The request as include/muon-c/Compiler.h writes it. Unknown fields and values are errors that name them.
llvm::Expected<Request> parseRequest(llvm::StringRef json);
llvm::Expected<Emit> parseEmit(llvm::StringRef name);
/// The names between the commas.
std::vector<std::string> splitTargets(llvm::StringRef text);
/// A group's "options" alone, on top of what `step` has.
llvm::Error readStepOptions(llvm::StringRef json, StepOptions &step);

/// The request with every `tuned` replaced by what the database says for its one target, as JSON text:
///   {"request": {...}, "groups": [{"found": true, "device": "...", "dtype": "bf16", "floor": 0.01, "lower": 0.6816,
///                                  "upper": 1.134, "own": [[3.4445, -4.775, 2.0315], ...], "tuned_by": "..."},
///                                 null, ...]}
/// one entry per group, null where it is not tuned; own: the table it has without the database, its safety factor in
/// the first row. What Python makes its cache key from.
llvm::Expected<std::string> resolveTuned(llvm::StringRef json);

/// The request's program as bytes or text; of several targets the report is an array, mlir has a module each. Files
/// that an emission needs are temporary. `report`, where given, takes what Emit::report gives, of the same compilation:
/// no room is walked twice.
llvm::Expected<std::string> compile(const Request &request, Emit emit, std::string *report = nullptr);

/// Writes every kernel of the request's one GPU target into `directory`: NAME.bc (the LLVM IR handed to the backend),
/// NAME.ptx, NAME.cubin and NAME.cubin.json (how it is launched, and with what).
llvm::Error dumpKernels(const Request &request, llvm::StringRef directory);

/// Identifies this build of the compiler.
std::string compilerBuild();
/// This machine's processor and features, as code is generated for it.
std::string hostTarget();

} // namespace muon

#endif // MUON_COMPILER_COMPILER_H
