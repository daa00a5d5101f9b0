//===- ParseJson.h - JSON text that somebody else wrote -----------------------------*- C++ -*-===//

#ifndef MUON_COMPILER_PARSEJSON_H
#define MUON_COMPILER_PARSEJSON_H

#include "llvm/Support/JSON.h"

namespace muon {

/// llvm::json::parse and what it takes without a word: text that nests deeper than anything we read, which it would
/// call itself for, and a key twice in an object, of which it keeps one. Both are refused.
llvm::Expected<llvm::json::Value> parseJson(llvm::StringRef text);

} // namespace muon

#endif // MUON_COMPILER_PARSEJSON_H
