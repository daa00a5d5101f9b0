//===- Compiler.cpp - the extension muonc._compiler: the compiler's C API ---------------------===//

#include "muon-c/Compiler.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <string>

namespace nb = nanobind;

/// A request the compiler refuses is the caller's: ValueError with the compiler's own line. A file it cannot write is
/// an OSError.
static void compile(const std::string &request, const std::string &emit, const std::string &path) {
  int status;
  {
    nb::gil_scoped_release release;
    status = muon_compile(request.c_str(), emit.c_str(), path.c_str());
  }
  if (!status)
    return;
  PyErr_SetString(status == 2 ? PyExc_OSError : PyExc_ValueError, muon_compiler_error());
  throw nb::python_error();
}

static std::string compileText(const std::string &request, const std::string &emit) {
  char *text;
  {
    nb::gil_scoped_release release;
    text = muon_compile_text(request.c_str(), emit.c_str());
  }
  if (!text)
    throw nb::value_error(muon_compiler_error());
  std::string result = text;
  muon_compiler_free(text);
  return result;
}

static std::string resolveTuned(const std::string &request) {
  char *text;
  {
    nb::gil_scoped_release release;
    text = muon_resolve_tuned(request.c_str());
  }
  if (!text)
    throw nb::value_error(muon_compiler_error());
  std::string result = text;
  muon_compiler_free(text);
  return result;
}

/// exclude: None is the rule of muon-opt where it is not told another.
static bool excludes(const std::optional<std::string> &exclude, const std::string &name) {
  int excluded = muon_excludes(exclude ? exclude->c_str() : muon_default_exclude(), name.c_str());
  if (excluded < 0)
    throw nb::value_error(muon_compiler_error());
  return excluded;
}

NB_MODULE(_compiler, m) {
  nb::set_leak_warnings(false); // an optimizer that a hook of its own parameters holds lives as long as the process
  m.doc() = "Compiles requests (JSON text, see muon-c/Compiler.h) to programs. Loads LLVM.";
  m.def("build", [] { return std::string(muon_compiler_build()); });
  m.def("host", [] { return std::string(muon_compiler_host()); });
  m.def("compile", &compile, nb::arg("request"), nb::arg("emit"), nb::arg("path"));
  m.def("compile_text", &compileText, nb::arg("request"), nb::arg("emit"));
  m.def("resolve_tuned", &resolveTuned, nb::arg("request"));
  m.def("excludes", &excludes, nb::arg("exclude").none(), nb::arg("name"));
}
