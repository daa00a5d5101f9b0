//===- ParseJson.cpp --------------------------------------------------------------------------===//

#include "muon/Compiler/ParseJson.h"

using namespace muon;
using llvm::StringRef;

/// The most brackets that are open at once, outside of strings.
static int depthOf(StringRef text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"')
      quoted = !quoted;
    else if (quoted)
      i += c == '\\'; // what it escapes ends no string
    else if (c == '[' || c == '{')
      deepest = std::max(deepest, ++depth);
    else if (c == ']' || c == '}')
      --depth;
  }
  return deepest;
}

llvm::Expected<llvm::json::Value> muon::parseJson(StringRef text) {
  constexpr int kDeepest = 64;
  if (int depth = depthOf(text); depth > kDeepest)
    return llvm::createStringError("expected brackets at most " + llvm::Twine(kDeepest) + " deep, got " +
                                   llvm::Twine(depth));
  return llvm::json::parse(text);
}
