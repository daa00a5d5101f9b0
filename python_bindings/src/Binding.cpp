//===- Binding.cpp - tensors of Python, bound and stepped -------------------------------------===//

#include "Runtime.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <sys/mman.h>

namespace nb = nanobind;
using namespace muon::python;

namespace {

using Writable = nb::ndarray<nb::device::cpu>;

/// One tensor as muon_bind takes it; the vectors own the extents, and `array` the memory, if it was given as one.
struct Tensor {
  Writable array;
  void *data = nullptr;
  uint32_t dtype = 0;
  std::vector<int64_t> sizes, strides;
};

/// Set for as long as a run lasts. The GIL guards it.
class Running {
public:
  explicit Running(bool &flag) : flag(flag) { flag = true; }
  ~Running() { flag = false; }
  Running(const Running &) = delete;

private:
  bool &flag;
};

constexpr uint64_t kHugePage = 2u << 20;

} // namespace

/// The element type of an array as numpy would write it: float16, uint8, complex64.
static std::string nameOf(nb::dlpack::dtype type) {
  const char *const kinds[] = {"int", "uint", "float", "opaque", "bfloat", "complex", "bool"};
  std::string name =
      type.code < std::size(kinds) ? kinds[type.code] : "DLPack code " + std::to_string(type.code) + " of ";
  name += std::to_string(type.bits);
  return type.lanes == 1 ? name : name + " x " + std::to_string(type.lanes);
}

/// what: "tensor 2", as a refusal begins.
static uint32_t dtypeOf(nb::dlpack::dtype type, const std::string &what) {
  auto is = [&](nb::dlpack::dtype_code code, unsigned bits) {
    return type.code == static_cast<uint8_t>(code) && type.bits == bits && type.lanes == 1;
  };
  if (is(nb::dlpack::dtype_code::Float, 32))
    return MUON_F32;
  if (is(nb::dlpack::dtype_code::Bfloat, 16))
    return MUON_BF16;
  if (is(nb::dlpack::dtype_code::Float, 16))
    return MUON_F16;
  if (is(nb::dlpack::dtype_code::Float, 64))
    return MUON_F64;
  if (is(nb::dlpack::dtype_code::Int, 32))
    return MUON_I32;
  if (is(nb::dlpack::dtype_code::Int, 64))
    return MUON_I64;
  std::string text = what + ": expected elements of f32, bf16, f16, f64, i32 or i64, got " + nameOf(type);
  throw nb::value_error(text.c_str());
}

static std::string listOf(const std::vector<int64_t> &values) {
  std::string text = "(";
  for (size_t d = 0; d < values.size(); ++d)
    text += (d ? ", " : "") + std::to_string(values[d]);
  return text + ")";
}

/// "f32 of sizes (3, 4), strides (4, 1)".
static std::string describeLayout(uint32_t dtype, const std::vector<int64_t> &sizes,
                                  const std::vector<int64_t> &strides) {
  const char *const names[] = {"f32", "bf16", "f16", "f64", "i32", "i64"};
  std::string name = dtype < std::size(names) ? names[dtype] : "dtype " + std::to_string(dtype);
  return name + " of sizes " + listOf(sizes) + ", strides " + listOf(strides);
}

/// Whether strides walk the same elements: a dimension of one element may carry any.
static bool sameStrides(const std::vector<int64_t> &sizes, const std::vector<int64_t> &left,
                        const std::vector<int64_t> &right) {
  for (size_t d = 0; d < sizes.size(); ++d)
    if (sizes[d] != 1 && left[d] != right[d])
      return false;
  return true;
}

template <typename Array> static Tensor fromArray(const Array &array, const std::string &what) {
  Tensor tensor;
  tensor.data = const_cast<void *>(static_cast<const void *>(array.data()));
  tensor.dtype = dtypeOf(array.dtype(), what);
  for (size_t d = 0; d < array.ndim(); ++d) {
    tensor.sizes.push_back(static_cast<int64_t>(array.shape(d)));
    tensor.strides.push_back(array.stride(d));
  }
  return tensor;
}

static Tensor readTensor(nb::handle value, size_t index) {
  Tensor tensor;
  std::string what = "tensor " + std::to_string(index), refusal;
  if (nb::isinstance<nb::tuple>(value)) {
    auto fields = nb::cast<nb::tuple>(value);
    uintptr_t address;
    if (fields.size() != 4 || !nb::try_cast(fields[0], address) || !nb::try_cast(fields[1], tensor.dtype) ||
        !nb::try_cast(fields[2], tensor.sizes) || !nb::try_cast(fields[3], tensor.strides))
      refusal = what + ": expected (address, dtype, sizes, strides) in integers, got " + nb::repr(value).c_str();
    else if (tensor.sizes.size() != tensor.strides.size())
      refusal =
          what + ": expected as many strides as sizes, got " + listOf(tensor.strides) + " for " + listOf(tensor.sizes);
    else
      tensor.data = reinterpret_cast<void *>(address);
  } else if (Writable array; nb::try_cast<Writable>(value, array)) {
    tensor = fromArray(array, what);
    tensor.array = std::move(array);
  } else {
    refusal = what + ": expected a writable array in the processor's memory that speaks DLPack, "
                     "or (address, dtype, sizes, strides)";
  }
  if (!refusal.empty())
    throw nb::value_error(refusal.c_str());
  return tensor;
}

/// A copy of a sequence: asking its members for their values runs Python, which may change the sequence itself.
static nb::tuple copySequence(nb::handle sequence, const char *what) {
  PyObject *copy = PySequence_Check(sequence.ptr()) ? PySequence_Tuple(sequence.ptr()) : nullptr;
  if (copy)
    return nb::steal<nb::tuple>(copy);
  if (PyErr_Occurred())
    throw nb::python_error();
  std::string text =
      std::string("run: expected a sequence of ") + what + ", got " + nb::str(nb::type_name(sequence.type())).c_str();
  throw nb::type_error(text.c_str());
}

/// 64-byte aligned; on huge pages where it is large, since panels are walked with large strides.
static void *allocateWorkspace(uint64_t bytes) {
  bool large = bytes >= kHugePage;
  uint64_t alignment = large ? kHugePage : 64;
  uint64_t rounded = (std::max<uint64_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void *memory = std::aligned_alloc(alignment, rounded);
  if (!memory)
    throw std::bad_alloc();
  if (large)
    madvise(memory, rounded, MADV_HUGEPAGE);
  return memory;
}

Binding::Binding(const Handle &handle, nb::sequence tensors, uintptr_t callersWorkspace, uintptr_t callersStatus)
    : handle(handle), workspace(nullptr, std::free) {
  std::vector<Tensor> owned;
  for (nb::handle value : tensors)
    owned.push_back(readTensor(value, owned.size()));
  std::vector<muon_tensor> views;
  for (const Tensor &tensor : owned)
    views.push_back({tensor.data, tensor.dtype, static_cast<uint32_t>(tensor.sizes.size()), tensor.sizes.data(),
                     tensor.strides.data()});

  const muon_program &program = handle.program();
  layouts.resize(program.num_parameters);
  size_t next = 0;
  for (uint32_t g = 0; g < program.num_groups; ++g) {
    const muon_group &group = program.groups[g];
    for (uint32_t p = 0; p < group.num_parameters; ++p)
      for (uint32_t a = 0; a < group.num_arguments && next < owned.size(); ++a) {
        Tensor &tensor = owned[next++];
        if (group.arguments[a].role == MUON_GRADIENT)
          layouts.at(group.first_parameter + p) = {tensor.dtype, tensor.sizes, tensor.strides};
        else if (tensor.array.is_valid())
          kept.push_back(tensor.array);
      }
  }
  gradients.resize(program.num_parameters);
  scalars.resize(size_t(program.num_scalar_sets) * program.num_scalars);
  uint64_t bytes = muon_workspace_size(handle.raw());
  void *memory = reinterpret_cast<void *>(callersWorkspace);
  auto *status = reinterpret_cast<muon_parameter_status *>(callersStatus);
  std::string refusal;
  if (!memory && handle.variant().num_images)
    refusal = "bind: workspace is 0, expected the address of " + std::to_string(bytes) + " bytes on the device";
  else if (!memory && status)
    refusal = "bind: status is " + std::to_string(callersStatus) + ", expected 0 where workspace is 0";
  if (!refusal.empty())
    throw nb::value_error(refusal.c_str());
  if (!memory) {
    workspace.reset(memory = allocateWorkspace(bytes));
    states.resize(program.num_parameters);
    status = states.data();
  }
  check(muon_bind(handle.raw(), views.data(), views.size(), memory, bytes, status, &binding));
}

Binding::~Binding() {
  if (binding)
    muon_release(binding);
}

void Binding::readGradient(size_t index, nb::handle value, std::vector<Readable> &held) {
  if (value.is_none()) {
    gradients[index] = nullptr;
    return;
  }
  bool isInteger = PyLong_Check(value.ptr()) && !PyBool_Check(value.ptr());
  if (uintptr_t address; isInteger && nb::try_cast(value, address)) {
    gradients[index] = reinterpret_cast<void *>(address);
    return;
  }
  Readable array;
  if (!nb::try_cast<Readable>(value, array)) {
    nb::object got = PyLong_Check(value.ptr()) ? nb::repr(value) : nb::type_name(value.type()); // of one line
    std::string text = "gradient " + std::to_string(index) +
                       ": expected an address, None or an array that speaks DLPack, got " + nb::str(got).c_str();
    throw nb::value_error(text.c_str());
  }
  std::string what = "gradient " + std::to_string(index);
  Tensor tensor = fromArray(array, what);
  const GradientLayout &layout = layouts.at(index);
  if (tensor.dtype != layout.dtype || tensor.sizes != layout.sizes ||
      !sameStrides(tensor.sizes, tensor.strides, layout.strides)) {
    std::string text = what + ": expected " + describeLayout(layout.dtype, layout.sizes, layout.strides) +
                       ", as it was bound, got " + describeLayout(tensor.dtype, tensor.sizes, tensor.strides);
    throw nb::value_error(text.c_str());
  }
  gradients[index] = tensor.data;
  held.push_back(std::move(array));
}

void Binding::run(nb::object givenGradients, nb::object givenScalars, uintptr_t stream) {
  if (running)
    throw std::runtime_error("the binding is already running");
  Running guard(running); // from here: asking an array for its memory runs Python, and may let another thread in
  nb::tuple newGradients = copySequence(givenGradients, "gradients");
  nb::tuple newScalars = copySequence(givenScalars, "scalars");
  if (newGradients.size() != gradients.size() || newScalars.size() != scalars.size()) {
    std::string text = "run takes " + std::to_string(gradients.size()) + " gradients and " +
                       std::to_string(scalars.size()) + " scalars, got " + std::to_string(newGradients.size()) +
                       " and " + std::to_string(newScalars.size());
    throw nb::value_error(text.c_str());
  }
  std::vector<Readable> held; // until the step has read them: an array may have been made for this call
  size_t index = 0;
  for (nb::handle value : newGradients)
    readGradient(index++, value, held);
  const muon_program &program = handle.program();
  index = 0;
  for (nb::handle value : newScalars) {
    const muon_scalar_name &scalar = program.scalars[index % program.num_scalars];
    auto &to = scalars[index++];
    if (!(scalar.is_integer ? nb::try_cast(value, to.i64) : nb::try_cast(value, to.f64))) {
      std::string text = std::string("scalar '") + scalar.name + "': expected " +
                         (scalar.is_integer ? "an integer" : "a number") + ", got " + nb::repr(value).c_str();
      throw nb::type_error(text.c_str());
    }
  }
  muon_status status;
  {
    nb::gil_scoped_release release;
    status = muon_run(binding, gradients.data(), scalars.data(), reinterpret_cast<void *>(stream));
  }
  check(status);
}

nb::list Binding::status() const {
  nb::list result;
  for (const muon_parameter_status &state : states)
    result.append(state.state);
  return result;
}
