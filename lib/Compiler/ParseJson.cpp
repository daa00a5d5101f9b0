//===- ParseJson.cpp --------------------------------------------------------------------------===//

#include "muon/Compiler/ParseJson.h"

#include "llvm/ADT/StringSet.h"

using namespace muon;
using llvm::StringRef;

/// Calls `visit` with every bracket, colon and string, strings in their quotes.
template <typename Visit> static void forEachToken(StringRef text, Visit visit) {
  for (size_t i = 0; i < text.size(); ++i) {
    size_t begin = i;
    if (text[i] == '"')
      for (++i; i < text.size() && text[i] != '"'; ++i)
        i += text[i] == '\\'; // what it escapes ends no string
    else if (!StringRef("[]{}:").contains(text[i]))
      continue;
    visit(text.slice(begin, i + 1));
  }
}

static bool opens(StringRef token) { return token == "[" || token == "{"; }
static bool closes(StringRef token) { return token == "]" || token == "}"; }

/// The most brackets that are open at once.
static int depthOf(StringRef text) {
  int depth = 0, deepest = 0;
  forEachToken(text, [&](StringRef token) {
    depth += opens(token) - closes(token);
    deepest = std::max(deepest, depth);
  });
  return deepest;
}

/// A key that stands twice in one object of the valid text, in its quotes.
static std::optional<StringRef> findRepeatedKey(StringRef text) {
  std::vector<llvm::StringSet<>> keys; // of every bracket that is open
  StringRef last;
  std::optional<StringRef> repeated;
  forEachToken(text, [&](StringRef token) {
    if (opens(token))
      keys.emplace_back();
    else if (closes(token))
      keys.pop_back();
    else if (token == ":" && !keys.back().insert(*cantFail(llvm::json::parse(last)).getAsString()).second)
      repeated = last;
    last = token;
  });
  return repeated;
}

llvm::Expected<llvm::json::Value> muon::parseJson(StringRef text) {
  constexpr int kDeepest = 64;
  if (int depth = depthOf(text); depth > kDeepest)
    return llvm::createStringError("expected brackets at most " + llvm::Twine(kDeepest) + " deep, got " +
                                   llvm::Twine(depth));
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  if (!value)
    return value;
  if (std::optional<StringRef> key = findRepeatedKey(text))
    return llvm::createStringError("expected every key once, got " + *key + " twice");
  return value;
}
