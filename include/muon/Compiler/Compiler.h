//===- Compiler.h - request to program: the one C++ API others use ----------------------*- C++ -*-===//

#ifndef MUON_COMPILER_COMPILER_H
#define MUON_COMPILER_COMPILER_H

#include "muon/Form/Presets.h"
#include "muon/IR/Muon.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace muon {

/// Parameters of one step function.
struct GroupRequest {
  StepOptions step;
  std::vector<std::string> parameters;
  /// The row of scalars they take.
  std::string set = "default";
};

/// What to compile, and for which machines.
struct Request {
  std::string name = "step";
  std::vector<std::string> targets = {"cpu"};
  /// Operand type of the products: auto (bf16 where the processor multiplies it, else f32), f32 or bf16.
  std::string dtype = "auto";
  std::string form = "auto";
  std::optional<std::vector<int64_t>> restarts;
  /// propagate, or skip: a matrix whose gradient is not finite keeps its weight and states, and its status says so.
  std::string nonfinite = "propagate";
  std::vector<GroupRequest> groups;
};

enum class Emit { object, library, header, assembly, llvm, mlir, report, bitcode };

/// The request as include/muon-c/Compiler.h writes it. Unknown fields and values are errors that name them.
llvm::Expected<Request> parseRequest(llvm::StringRef json);
llvm::Expected<Emit> parseEmit(llvm::StringRef name);

/// The request's program as bytes or text. Files that an emission needs are temporary.
llvm::Expected<std::string> compile(const Request &request, Emit emit);

/// Identifies this build of the compiler.
std::string compilerBuild();
/// This machine's processor and features, as code is generated for it.
std::string hostTarget();

} // namespace muon

#endif // MUON_COMPILER_COMPILER_H
