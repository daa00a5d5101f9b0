//===- Runtime.cpp - the extension muonc._runtime: load, bind, run. No LLVM, no torch ---------===//

#include "Runtime.h"

#include <nanobind/stl/string.h>

namespace nb = nanobind;
using namespace muon::python;

void muon::python::check(muon_status status) {
  if (status == MUON_OK)
    return;
  // Taken at once: the text lives until this thread's next call.
  std::string text = muon_error_text();
  PyObject *type = PyExc_RuntimeError;
  if (status == MUON_ERROR_ARGUMENT)
    type = PyExc_ValueError;
  else if (status == MUON_ERROR_MEMORY)
    type = PyExc_MemoryError;
  else if (status == MUON_ERROR_FILE)
    type = PyExc_OSError;
  PyErr_SetString(type, text.c_str());
  throw nb::python_error();
}

static muon_status load(const std::string &path, const std::string &symbol, uint32_t workers, uint32_t variant,
                        muon_handle **handle) {
  muon_options options = {};
  options.workers = workers;
  options.variant = variant;
  return muon_load_library(path.c_str(), symbol.c_str(), &options, handle);
}

Handle::Handle(const std::string &path, const std::string &symbol, uint32_t workers, uint32_t atMost,
               uint32_t variant) {
  muon_status status;
  {
    nb::gil_scoped_release release;
    status = load(path, symbol, workers, variant, &handle);
    // Only the runtime knows its default (affinity and quota), so it is asked for and then lowered.
    if (status == MUON_OK && !workers && atMost && muon_workers(handle) > atMost) {
      muon_unload(handle);
      handle = nullptr;
      status = load(path, symbol, atMost, variant, &handle);
    }
  }
  check(status);
}

Handle::~Handle() {
  if (handle)
    muon_unload(handle);
}

NB_MODULE(_runtime, m) {
  nb::set_leak_warnings(false); // an optimizer that a hook of its own parameters holds lives as long as the process
  m.doc() = "Loads compiled Muon programs and steps them on a trainer's own memory.";
  m.attr("ABI_VERSION") = muon_abi_version();
  nb::class_<Handle>(m, "Handle", "A loaded program; immutable, shared by bindings.")
      .def(nb::init<const std::string &, const std::string &, uint32_t, uint32_t, uint32_t>(), nb::arg("path"),
           nb::arg("symbol"), nb::arg("workers") = 0, nb::arg("at_most") = 0, nb::arg("variant") = 0)
      .def(
          "workspace_bytes", [](const Handle &handle) { return muon_workspace_size(handle.raw()); },
          "Bytes a binding needs on the program's device.")
      .def("describe", &describe, "Groups, scalars, the variant in use and the number of workers.");
  nb::class_<Binding>(m, "Binding", "A program bound to tensors; one run at a time.")
      .def(nb::init<const Handle &, nb::sequence, uintptr_t, uintptr_t>(), nb::arg("handle"), nb::arg("tensors"),
           nb::arg("workspace") = 0, nb::arg("status") = 0, nb::keep_alive<1, 2>())
      .def("run", &Binding::run, nb::arg("gradients").none(), nb::arg("scalars").none(), nb::arg("stream") = 0)
      .def("status", &Binding::status, "Per parameter: 0 updated, 1 no gradient, 2 not finite.");
}
