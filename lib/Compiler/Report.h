//===- Report.h - what was chosen and why -----------------------------------------------------===//

#ifndef MUON_LIB_COMPILER_REPORT_H
#define MUON_LIB_COMPILER_REPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace muon {

/// What the program's description carries: JSON of target, groups (form, table, band, error, flops) and stages.
std::string reportText(mlir::ModuleOp planned);

/// The same for a person or a script, with what the hot loops of `assembly` hold where that is x86's.
llvm::json::Object describe(mlir::ModuleOp planned, llvm::StringRef assembly, llvm::StringRef kernelPrefix);

/// The same for a GPU, with what ptxas said of each kernel.
llvm::json::Object describeGpu(mlir::ModuleOp planned, llvm::StringRef ptxasMessages);

} // namespace muon

#endif // MUON_LIB_COMPILER_REPORT_H
