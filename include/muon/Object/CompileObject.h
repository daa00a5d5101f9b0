//===- CompileObject.h - LLVM IR to machine code ------------------------------------*- C++ -*-===//
#ifndef MUON_OBJECT_COMPILEOBJECT_H
#define MUON_OBJECT_COMPILEOBJECT_H

#include "muon/IR/Muon.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

#include <string>

namespace muon {

/// Gives the module the target's triple and data layout, which optimisation goes by.
llvm::Error setTarget(llvm::Module &module, TargetAttr target);

/// A relocatable, position-independent object file for the target's processor and triple. The
/// module's own function attributes (target-cpu) win where they are set, so several targets' kernels
/// may share an object. Each module is compiled once: code generation changes it.
llvm::Expected<llvm::SmallVector<char, 0>> compileObject(llvm::Module &module, TargetAttr target);

/// The same as assembly text.
llvm::Expected<std::string> compileAssembly(llvm::Module &module, TargetAttr target);

} // namespace muon

#endif // MUON_OBJECT_COMPILEOBJECT_H
