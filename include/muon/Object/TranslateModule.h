//===- TranslateModule.h - llvm dialect to LLVM IR ----------------------------------*- C++ -*-===//
#ifndef MUON_OBJECT_TRANSLATEMODULE_H
#define MUON_OBJECT_TRANSLATEMODULE_H

#include "mlir/IR/BuiltinOps.h"

#include "llvm/IR/Module.h"

#include <memory>

namespace muon {

/// The module's llvm-dialect functions and globals as LLVM IR, not yet optimised; null after a
/// diagnostic. Muon ops and func.funcs beside them are description, not code, and are skipped.
/// The module itself is not changed.
std::unique_ptr<llvm::Module> translate(mlir::ModuleOp module, llvm::LLVMContext &context);

/// The short list of scalar clean-ups the kernels profit from. Vectorisation, unrolling and memcpy
/// recognition are left out: the emission has done the first two, and an object must stay closed.
void optimise(llvm::Module &module);

} // namespace muon

#endif // MUON_OBJECT_TRANSLATEMODULE_H
