//===- Runtime.h - the runtime's handles as Python objects --------------------------*- C++ -*-===//

#ifndef MUON_PYTHON_RUNTIME_H
#define MUON_PYTHON_RUNTIME_H

#include "muon_runtime.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <string>
#include <vector>

namespace muon::python {

/// Throws the Python exception of a failed call: ValueError for what the caller passed,
/// MemoryError, RuntimeError for the rest, with the runtime's own line.
void check(muon_status status);

/// A loaded program. Bindings keep it alive.
class Handle {
public:
  /// workers 0: the runtime's default, but not more than `atMost` (0: no limit).
  Handle(const std::string &path, const std::string &symbol, uint32_t workers, uint32_t atMost, uint32_t variant);
  ~Handle();
  Handle(const Handle &) = delete;
  Handle &operator=(const Handle &) = delete;

  muon_handle *raw() const { return handle; }
  const muon_program &program() const { return *muon_describe(handle); }
  const muon_variant &variant() const { return *muon_variant_in_use(handle); }

private:
  muon_handle *handle = nullptr;
};

/// The description of a program and of the variant in use, as a dict.
nanobind::dict describe(const Handle &handle);

/// An array that is only read.
using Readable = nanobind::ndarray<nanobind::ro, nanobind::device::cpu>;

/// What a gradient of one parameter has to look like, taken at bind.
struct GradientLayout {
  uint32_t dtype;
  std::vector<int64_t> sizes, strides;
};

/// A program bound to a trainer's tensors, with its workspace: of its own in the processor's memory, or the caller's.
/// One run at a time.
class Binding {
public:
  /// tensors: for every group, parameter and argument in order, either (address, dtype, sizes, strides) with strides in
  /// elements, or an array that speaks DLPack, which is kept alive unless it is a gradient's.
  /// workspace: address of as many bytes as the handle asks for, on the program's device, and status: of a
  /// muon_parameter_status per parameter there, or 0; both live as long as the binding. workspace 0: the processor's
  /// memory, and `status()` answers.
  Binding(const Handle &handle, nanobind::sequence tensors, uintptr_t workspace, uintptr_t status);
  ~Binding();
  Binding(const Binding &) = delete;
  Binding &operator=(const Binding &) = delete;

  /// gradients: per parameter an address, a DLPack array of the layout bound, or None. scalars:
  /// rows flattened, an int for integer columns, a number for the others. stream: a CUDA stream, 0 its default one.
  void run(nanobind::object gradients, nanobind::object scalars, uintptr_t stream);
  /// State of every parameter after the last run.
  nanobind::list status() const;

private:
  void readGradient(size_t index, nanobind::handle value, std::vector<Readable> &held);

  const Handle &handle;
  muon_binding *binding = nullptr;
  std::unique_ptr<void, void (*)(void *)> workspace;
  std::vector<muon_parameter_status> states;
  std::vector<nanobind::ndarray<nanobind::device::cpu>> kept; ///< arrays whose memory the program writes or reads
  std::vector<GradientLayout> layouts;
  std::vector<void *> gradients;
  std::vector<muon_scalar> scalars;
  bool running = false;
};

} // namespace muon::python

#endif // MUON_PYTHON_RUNTIME_H
