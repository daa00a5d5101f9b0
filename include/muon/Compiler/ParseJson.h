//===- ParseJson.h - JSON text that somebody else wrote -----------------------------*- C++ -*-===//

#ifndef MUON_COMPILER_PARSEJSON_H
#define MUON_COMPILER_PARSEJSON_H

#include "llvm/Support/JSON.h"

namespace muon {

/// llvm::json::parse, which calls itself for every bracket: text that nests deeper than anything we read is refused.
llvm::Expected<llvm::json::Value> parseJson(llvm::StringRef text);

} // namespace muon

#endif // MUON_COMPILER_PARSEJSON_H
