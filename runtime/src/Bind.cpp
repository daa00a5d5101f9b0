//===- Bind.cpp - a program meets the trainer's memory ----------------------------------------===//

#include "Binding.h"
#include "CudaExecutor.h"
#include "Items.h"
#include "Schedule.h"
#include "Tensors.h"
#include "WorkerCount.h"

#include <new>

using namespace muon::runtime;

/// What the driver's allocator gives, and kernels' vector accesses and bulk copies count on.
static constexpr uintptr_t kDeviceAlignment = 256;

static muon_status checkArguments(const muon_handle &handle, const muon_tensor *tensors, uint64_t count,
                                  const void *workspace, uint64_t workspaceBytes, const muon_parameter_status *status) {
  uint64_t expected = 0, needed = muon_workspace_size(&handle);
  uintptr_t alignment = handle.cuda ? kDeviceAlignment : kCacheLine;
  for (uint32_t g = 0; g < handle.program->num_groups; ++g) {
    const muon_group &group = handle.program->groups[g];
    expected += uint64_t(group.num_parameters) * group.num_arguments;
  }
  if (!tensors || count != expected)
    return fail(MUON_ERROR_ARGUMENT, "program '%s' expected %llu tensors (every argument of every parameter), got %llu",
                handle.program->name, static_cast<unsigned long long>(expected),
                static_cast<unsigned long long>(tensors ? count : 0));
  if (needed && (!workspace || workspaceBytes < needed))
    return fail(MUON_ERROR_ARGUMENT, "workspace of %llu bytes, expected at least %llu",
                static_cast<unsigned long long>(workspace ? workspaceBytes : 0),
                static_cast<unsigned long long>(needed));
  if (reinterpret_cast<uintptr_t>(workspace) % alignment)
    return fail(MUON_ERROR_ARGUMENT, "workspace at %p, expected to be aligned to %u bytes", workspace,
                static_cast<unsigned>(alignment));
  if (reinterpret_cast<uintptr_t>(status) % alignof(muon_parameter_status))
    return fail(MUON_ERROR_ARGUMENT, "status at %p, expected to be aligned to %zu bytes",
                static_cast<const void *>(status), alignof(muon_parameter_status));
  return MUON_OK;
}

static Span writtenSpan(const char *name, const void *data, uint64_t bytes) {
  Span span;
  span.name = name;
  span.print = contiguousFootprint(data, data ? bytes : 0);
  span.written = true;
  return span;
}

/// Checks every tensor by itself, then all of them, the workspace and the status array against each other.
static muon_status checkTensors(Binding &binding, const muon_tensor *tensors, uint64_t count) {
  if (!binding.spans.allocate(count + 2))
    return fail(MUON_ERROR_MEMORY, "no memory for %llu tensors", static_cast<unsigned long long>(count));
  Span *span = binding.spans.data();
  *span++ = writtenSpan("the workspace", binding.workspace, muon_workspace_size(binding.handle));
  *span++ =
      writtenSpan("the status array", binding.status, binding.program().num_parameters * sizeof(muon_parameter_status));
  for (uint32_t g = 0; g < binding.program().num_groups; ++g) {
    const muon_group &group = binding.program().groups[g];
    for (uint32_t p = 0; p < group.num_parameters; ++p)
      for (uint32_t a = 0; a < group.num_arguments; ++a, ++tensors, ++span) {
        if (muon_status status = checkTensor(group, p, a, *tensors))
          return status;
        uint32_t role = group.arguments[a].role;
        if (role == MUON_GRADIENT || !tensors->data)
          continue; // an empty span
        span->print = footprintOf(*tensors);
        span->parameter = parameterName(group, p);
        span->name = group.arguments[a].name;
        span->written = isWritten(role);
      }
  }
  return checkAliasing(binding.spans);
}

/// Gradient operands of a group's launches: the views each of its matrices has of the gradient.
static uint64_t gradientOperands(const Binding &binding, uint32_t g) {
  uint64_t count = 0;
  for (uint64_t l = 0; l < binding.plan().groups[g].numLaunches; ++l) {
    const muon_launch &launch = binding.plan().launch(g, l);
    for (uint32_t o = 0; o < launch.num_operands; ++o)
      count += launch.operands[o].place == MUON_PLACE_ARGUMENT &&
               binding.program().groups[g].arguments[launch.operands[o].argument].role == MUON_GRADIENT;
  }
  return count;
}

static bool listParameters(Binding &binding, const muon_tensor *tensors) {
  if (!binding.parameters.allocate(binding.program().num_parameters))
    return false;
  uint64_t views = 0;
  for (uint32_t g = 0; g < binding.program().num_groups; ++g) {
    const muon_group &group = binding.program().groups[g];
    uint64_t perParameter = gradientOperands(binding, g) * group.matrices_per_parameter;
    for (uint32_t p = 0; p < group.num_parameters; ++p, tensors += group.num_arguments) {
      Parameter &parameter = binding.parameters[group.first_parameter + p];
      parameter.group = g;
      parameter.index = p;
      parameter.firstView = views;
      views += perParameter;
      for (uint32_t a = 0; a < group.num_arguments; ++a)
        if (group.arguments[a].role == MUON_GRADIENT) {
          parameter.hasGradient = true;
          parameter.gradientElement = elementBytes(group.arguments[a].dtype);
          parameter.gradientPrint = footprintOf(tensors[a]);
          parameter.gradientPrint.low = 0;
        }
    }
  }
  return binding.gradientViews.allocate(views);
}

static muon_status fillBinding(Binding &binding, const muon_tensor *tensors, uint64_t count) {
  if (muon_status status = checkTensors(binding, tensors, count))
    return status;
  const muon_variant &variant = binding.variant();
  uint32_t workers = binding.handle->workers;
  binding.scratchPerWorker = (variant.scratch_per_worker + kCacheLine - 1) & ~(kCacheLine - 1);
  if (!listStageRuns(binding) || !listParameters(binding, tensors) || !binding.items.allocate(variant.items_bytes) ||
      !binding.scratch.allocate(workers * binding.scratchPerWorker))
    return fail(MUON_ERROR_MEMORY, "no memory for a binding: %llu bytes of items, %u workers with %llu bytes each",
                static_cast<unsigned long long>(variant.items_bytes), workers,
                static_cast<unsigned long long>(binding.scratchPerWorker));
  if (!binding.status && !binding.handle->cuda) {
    if (!binding.ownStatus.allocate(binding.program().num_parameters))
      return fail(MUON_ERROR_MEMORY, "no memory for the status of the parameters");
    binding.status = binding.ownStatus.data();
  }
  binding.head.items = binding.items.data();
  binding.oversubscribed = workers > affinityCount();
  resolveItems(binding, tensors);
  return binding.handle->cuda ? uploadTables(binding) : MUON_OK;
}

static void destroy(Binding *binding) {
  binding->~Binding();
  free(binding);
}

extern "C" {

muon_status muon_bind(muon_handle *handle, const muon_tensor *tensors, uint64_t num_tensors, void *workspace,
                      uint64_t workspace_bytes, muon_parameter_status *status, muon_binding **binding) {
  if (!handle || !binding)
    return fail(MUON_ERROR_ARGUMENT, "muon_bind: handle and binding must not be null");
  *binding = nullptr;
  if (muon_status refused = checkArguments(*handle, tensors, num_tensors, workspace, workspace_bytes, status))
    return refused;
  void *memory = nullptr;
  if (posix_memalign(&memory, alignof(Binding), sizeof(Binding)))
    return fail(MUON_ERROR_MEMORY, "no memory for a binding");
  Binding *made = new (memory) Binding;
  made->handle = handle;
  made->workspace = static_cast<uint8_t *>(workspace);
  made->status = status;
  if (muon_status refused = fillBinding(*made, tensors, num_tensors)) {
    destroy(made);
    return refused;
  }
  retainHandle(handle);
  *binding = &made->head;
  return MUON_OK;
}

void muon_release(muon_binding *binding) {
  if (!binding)
    return;
  Binding *made = reinterpret_cast<Binding *>(binding);
  muon_handle *handle = made->handle;
  destroy(made);
  releaseHandle(handle);
}
}
