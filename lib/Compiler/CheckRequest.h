//===- CheckRequest.h - what no target can make of a request ------------------------*- C++ -*-===//

#ifndef MUON_LIB_COMPILER_CHECK_REQUEST_H
#define MUON_LIB_COMPILER_CHECK_REQUEST_H

#include "muon/Compiler/Compiler.h"

namespace muon {

/// An error that names the value and what was expected: an unknown word, options that exclude each other, a size that
/// the runtime cannot count, a name that C cannot declare.
llvm::Error checkRequest(const Request &request);

/// An error for a program's name that C cannot declare or link.
llvm::Error checkName(llvm::StringRef name);

/// An error for what is asked of the wrong kind of target (`name`: what the request calls it), or of products where no
/// group has one.
llvm::Error checkTarget(const Request &request, TargetAttr target, llvm::StringRef name);

/// An error for the name of a step function, an argument, a parameter or a set that C would cut short.
llvm::Error checkNames(mlir::ModuleOp module);

} // namespace muon

#endif // MUON_LIB_COMPILER_CHECK_REQUEST_H
