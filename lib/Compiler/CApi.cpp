//===- CApi.cpp - the compiler in C -----------------------------------------------------------===//

#include "muon-c/Compiler.h"

#include "muon/Compiler/Compiler.h"
#include "muon/Compiler/Safetensors.h"
#include "muon/Object/Files.h"

#include <cstdlib>
#include <cstring>

using namespace muon;

static thread_local std::string lastError;

static std::optional<std::string> take(llvm::Expected<std::string> result) {
  lastError.clear();
  if (result)
    return std::move(*result);
  lastError = llvm::toString(result.takeError());
  return std::nullopt;
}

static llvm::Expected<std::string> compileAs(const char *requestJson, const char *emit, bool asText) {
  llvm::Expected<Request> request = parseRequest(requestJson);
  if (!request)
    return request.takeError();
  llvm::Expected<Emit> kind = parseEmit(emit);
  if (!kind)
    return kind.takeError();
  if (asText && isBinary(*kind))
    return llvm::createStringError("expected an emission of text: header, asm, llvm, mlir, report or ptx, got '" +
                                   llvm::StringRef(emit) + "'");
  return compile(*request, *kind);
}

extern "C" {

const char *muon_compiler_build(void) {
  static const std::string build = compilerBuild();
  return build.c_str();
}

const char *muon_compiler_host(void) {
  static const std::string host = hostTarget();
  return host.c_str();
}

int muon_compile(const char *request_json, const char *emit, const char *path) {
  std::optional<std::string> bytes = take(compileAs(request_json, emit, /*asText=*/false));
  if (!bytes)
    return 1;
  llvm::Error failure = publish(path, *bytes);
  if (!failure)
    return 0;
  lastError = llvm::toString(std::move(failure));
  return 2; // told apart from a refusal: the request is not to blame
}

char *muon_compile_text(const char *request_json, const char *emit) {
  std::optional<std::string> text = take(compileAs(request_json, emit, /*asText=*/true));
  return text ? strdup(text->c_str()) : nullptr;
}

char *muon_resolve_tuned(const char *request_json) {
  std::optional<std::string> text = take(resolveTuned(request_json));
  return text ? strdup(text->c_str()) : nullptr;
}

int muon_excludes(const char *exclude, const char *name) {
  llvm::Expected<bool> excluded = isExcluded(name, exclude);
  lastError.clear();
  if (excluded)
    return *excluded;
  lastError = llvm::toString(excluded.takeError());
  return -1;
}

const char *muon_default_exclude(void) { return kDefaultExclude; }

void muon_compiler_free(char *text) { std::free(text); }

const char *muon_compiler_error(void) { return lastError.c_str(); }

} // extern "C"
