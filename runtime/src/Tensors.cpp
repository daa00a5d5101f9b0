//===- Tensors.cpp ----------------------------------------------------------------------------===//

#include "Tensors.h"

#include "Overlap.h"

namespace muon::runtime {

const char *dtypeName(uint32_t dtype) {
  static const char *const names[] = {"f32", "bf16", "f16", "f64", "i32", "i64"};
  return dtype <= MUON_I64 ? names[dtype] : "an unknown dtype";
}

const char *parameterName(const muon_group &group, uint32_t parameter) {
  const char *name = group.parameters[parameter];
  return name ? name : "(unnamed)";
}

static void appendList(Line &line, const int64_t *values, uint32_t count) {
  line.append("[");
  for (uint32_t i = 0; i < count && i < MUON_MAX_RANK; ++i)
    line.append("%s%lld", i ? ", " : "", static_cast<long long>(values[i]));
  line.append(count > MUON_MAX_RANK ? ", ...]" : "]");
}

static bool sameShape(const muon_argument &argument, const muon_tensor &tensor) {
  if (tensor.dtype != argument.dtype || tensor.rank != argument.rank)
    return false;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis)
    if (tensor.sizes[axis] != argument.sizes[axis])
      return false;
  return true;
}

/// One of the last two dimensions must be walked element by element.
static bool hasUnitStride(const muon_tensor &tensor) {
  for (uint32_t axis = tensor.rank > 2 ? tensor.rank - 2 : 0; axis < tensor.rank; ++axis)
    if (tensor.strides[axis] == 1 || tensor.sizes[axis] == 1)
      return true;
  return tensor.rank == 0;
}

static bool hasNegativeStride(const muon_tensor &tensor) {
  for (uint32_t axis = 0; axis < tensor.rank; ++axis)
    if (tensor.sizes[axis] > 1 && tensor.strides[axis] < 0)
      return true;
  return false;
}

/// Whether the last element's address can be computed at all.
static bool fitsAddressSpace(const muon_tensor &tensor) {
  int64_t total = elementBytes(tensor.dtype);
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    int64_t extent = 0;
    if (tensor.sizes[axis] > 1 && (__builtin_mul_overflow(tensor.strides[axis], tensor.sizes[axis] - 1, &extent) ||
                                   __builtin_mul_overflow(extent, int64_t(elementBytes(tensor.dtype)), &extent) ||
                                   __builtin_add_overflow(total, extent, &total)))
      return false;
  }
  return total <= INT64_MAX / 4;
}

static muon_status checkStrides(const char *parameter, const muon_argument &argument, const muon_tensor &tensor) {
  Line strides;
  appendList(strides, tensor.strides, tensor.rank);
  const char *expected = nullptr;
  if (hasNegativeStride(tensor) || !fitsAddressSpace(tensor))
    expected = "none to be negative or beyond the address space";
  else if (!hasUnitStride(tensor))
    expected = tensor.rank > 1 ? "1 in one of the last two" : "1";
  else if (isWritten(argument.role) && overlapsItself(tensor))
    expected = "no two elements to share memory, because it is written";
  if (!expected)
    return MUON_OK;
  return fail(MUON_ERROR_ARGUMENT, "parameter '%s': %s has strides %s, expected %s", parameter, argument.name,
              strides.text, expected);
}

muon_status checkTensor(const muon_group &group, uint32_t parameter, uint32_t a, const muon_tensor &tensor) {
  const muon_argument &argument = group.arguments[a];
  const char *name = parameterName(group, parameter);
  if (tensor.rank && (!tensor.sizes || !tensor.strides))
    return fail(MUON_ERROR_ARGUMENT, "parameter '%s': %s has null sizes or strides, expected %u of each", name,
                argument.name, tensor.rank);
  Line expected;
  expected.append("%s ", dtypeName(argument.dtype));
  appendList(expected, argument.sizes, argument.rank);
  if (!sameShape(argument, tensor)) {
    Line got;
    got.append("%s ", dtypeName(tensor.dtype));
    appendList(got, tensor.sizes, tensor.rank);
    return fail(MUON_ERROR_ARGUMENT, "parameter '%s': %s expected %s, got %s", name, argument.name, expected.text,
                got.text);
  }
  if (muon_status status = checkStrides(name, argument, tensor))
    return status;
  if (argument.role == MUON_GRADIENT)
    return MUON_OK;
  if (!tensor.data && argument.role != MUON_METRIC)
    return fail(MUON_ERROR_ARGUMENT, "parameter '%s': %s data is null, expected %s", name, argument.name,
                expected.text);
  uint32_t bytes = elementBytes(argument.dtype);
  if (reinterpret_cast<uintptr_t>(tensor.data) % bytes)
    return fail(MUON_ERROR_ARGUMENT, "parameter '%s': %s data %p expected to be aligned to %u bytes", name,
                argument.name, tensor.data, bytes);
  return MUON_OK;
}

} // namespace muon::runtime
