//===- CheckRequest.h - what no target can make of a request ------------------------*- C++ -*-===//

#ifndef MUON_LIB_COMPILER_CHECK_REQUEST_H
#define MUON_LIB_COMPILER_CHECK_REQUEST_H

#include "muon/Compiler/Compiler.h"

namespace muon {

/// An error that names the value and what was expected: an unknown word, options that exclude each other, a size that
/// the runtime cannot count, a name that C cannot declare.
llvm::Error checkRequest(const Request &request);

} // namespace muon

#endif // MUON_LIB_COMPILER_CHECK_REQUEST_H
