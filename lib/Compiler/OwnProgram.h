//===- OwnProgram.h - step functions that somebody wrote ----------------------------*- C++ -*-===//

#ifndef MUON_LIB_COMPILER_OWNPROGRAM_H
#define MUON_LIB_COMPILER_OWNPROGRAM_H

#include "mlir/IR/BuiltinOps.h"

namespace muon {

/// Checks that the module holds step functions that have asked for nothing themselves and that no room but Form has
/// seen, else one diagnostic. Where it does not say which parameters there are, each function gets one of its name. A
/// function that has the program's own name, by which C finds it, is called otherwise from here on.
mlir::LogicalResult takeProgram(mlir::ModuleOp module, llvm::StringRef name);

} // namespace muon

#endif // MUON_LIB_COMPILER_OWNPROGRAM_H
