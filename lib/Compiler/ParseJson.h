//===- ParseJson.h - JSON text that somebody else wrote -----------------------------*- C++ -*-===//

#ifndef MUON_LIB_COMPILER_PARSE_JSON_H
#define MUON_LIB_COMPILER_PARSE_JSON_H

#include "llvm/Support/JSON.h"

namespace muon {

/// llvm::json::parse, which calls itself for every bracket: text that nests deeper than anything we read is refused.
llvm::Expected<llvm::json::Value> parseJson(llvm::StringRef text);

} // namespace muon

#endif // MUON_LIB_COMPILER_PARSE_JSON_H
