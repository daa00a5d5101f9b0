//===- Request.h - what was asked for, as the rooms read it -------------------------*- C++ -*-===//
//
// One place that knows where a request stands: the muon.request of the module, and that of a step function, which wins
// part by part.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_IR_REQUEST_H
#define MUON_IR_REQUEST_H

#include "muon/IR/Muon.h"

namespace muon {

inline constexpr llvm::StringLiteral kRequest = "muon.request";
/// Which meaning of ops and attributes this compiler reads and writes; raised when an older one would be misread.
inline constexpr unsigned kDialectVersion = 1;

/// Null where the operation has none of its own.
RequestAttr requestOf(mlir::Operation *op);
/// The target of the module's request; null where it names none.
TargetAttr askedTarget(mlir::ModuleOp module);
/// The target that the kernels of a module are for: its request's, else its only variant's.
mlir::FailureOr<TargetAttr> findTarget(mlir::ModuleOp module);
/// Says in the module's request which version it is written in.
void stampVersion(mlir::ModuleOp module);

/// A choice of the compiler's that a request may make instead.
struct Override {
  enum Kind { word, list, number };
  llvm::StringRef name;
  Kind kind;
  /// What a word may be; the first means what an absent override does.
  llvm::ArrayRef<llvm::StringRef> words = {};
  bool gpuOnly = false;
  /// Whether it says how products are computed: without one it would have no effect.
  bool ofProducts = true;

  /// As messages say it: "auto, block or launches", "a list of integers", "a positive integer".
  std::string expected() const;
};
/// All of them, by name.
llvm::ArrayRef<Override> knownOverrides();
/// Null where there is none of this name.
const Override *findOverride(llvm::StringRef name);

/// What was asked of one step function. An absent answer leaves the choice to the room.
class Asked {
public:
  explicit Asked(mlir::func::FuncOp function);

  TargetAttr target() const { return module ? module.getTarget() : TargetAttr(); }
  /// Null: open.
  mlir::Type dtype() const;
  BandAttr band() const;
  std::optional<Form> form() const;
  std::optional<Side> side() const;
  std::optional<llvm::SmallVector<int64_t>> restarts() const { return list("restarts"); }
  std::optional<llvm::SmallVector<int64_t>> pairs() const { return list("pairs"); }
  std::optional<llvm::SmallVector<int64_t>> tile() const { return list("tile"); }
  std::optional<int64_t> parts() const;
  /// auto, block or launches.
  llvm::StringRef chain() const;
  bool skipsNonfinite() const;

private:
  mlir::Attribute find(llvm::StringRef name) const;
  std::optional<llvm::SmallVector<int64_t>> list(llvm::StringRef name) const;

  RequestAttr own, module;
};

} // namespace muon

#endif // MUON_IR_REQUEST_H
