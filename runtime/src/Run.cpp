//===- Run.cpp - one optimizer step -----------------------------------------------------------===//

#include "Binding.h"
#include "CpuExecutor.h"
#include "CudaExecutor.h"
#include "Schedule.h"
#include "Tensors.h"

using namespace muon::runtime;

/// A gradient comes with the run, so its memory is checked here: alignment, and that the program
/// writes none of it. An address that passed last time is not looked at again.
static muon_status checkGradient(const Binding &binding, const Parameter &parameter, void *gradient) {
  if (!gradient || gradient == parameter.gradient)
    return MUON_OK;
  const char *name = parameterName(binding.program().groups[parameter.group], parameter.index);
  if (reinterpret_cast<uintptr_t>(gradient) % parameter.gradientElement)
    return fail(MUON_ERROR_ARGUMENT, "parameter '%s': gradient at %p, expected to be aligned to %u bytes", name,
                gradient, parameter.gradientElement);
  Footprint print = parameter.gradientPrint;
  print.low = reinterpret_cast<uintptr_t>(gradient);
  const Span *written = findWritten(binding.spans, print);
  if (!written)
    return MUON_OK;
  Line text;
  written->describe(text);
  return fail(MUON_ERROR_ARGUMENT, "parameter '%s': gradient at %p shares memory with %s, which the program writes",
              name, gradient, text.text);
}

static muon_status checkInputs(const Binding &binding, void *const *gradients, const muon_scalar *scalars) {
  if (!scalars && binding.program().num_scalars && binding.program().num_scalar_sets)
    return fail(MUON_ERROR_ARGUMENT, "scalars is null, expected %u rows of %u", binding.program().num_scalar_sets,
                binding.program().num_scalars);
  for (size_t p = 0; p < binding.parameters.size(); ++p) {
    if (!binding.parameters[p].hasGradient)
      continue;
    if (!gradients)
      return fail(MUON_ERROR_ARGUMENT, "gradients is null, expected %llu pointers",
                  static_cast<unsigned long long>(binding.program().num_parameters));
    if (muon_status status = checkGradient(binding, binding.parameters[p], gradients[p]))
      return status;
  }
  return MUON_OK;
}

/// Calls visit(item) for the parameter's items in all launches.
template <typename Visitor> static void eachItem(Binding &binding, const Parameter &parameter, Visitor visit) {
  const WavePlan &plan = binding.plan();
  uint64_t matrices = binding.program().groups[parameter.group].matrices_per_parameter;
  for (uint64_t l = 0; l < plan.groups[parameter.group].numLaunches; ++l)
    for (uint64_t m = 0; m < matrices; ++m)
      visit(*binding.item(plan.launch(parameter.group, l), parameter.index * matrices + m));
}

/// Points views and items at this run's gradients and scalars. Only what changed since the last run
/// is written: most trainers keep both in place.
static void takeInputs(Binding &binding, void *const *gradients, const muon_scalar *scalars) {
  const muon_program &program = binding.program();
  bool moved = scalars != binding.scalars;
  binding.scalars = scalars;
  for (size_t p = 0; p < binding.parameters.size(); ++p) {
    Parameter &parameter = binding.parameters[p];
    const muon_group &group = program.groups[parameter.group];
    void *gradient = parameter.hasGradient ? gradients[p] : nullptr;
    uint32_t skipped = parameter.hasGradient && !gradient;
    if (moved && program.num_scalars) {
      const muon_scalar *row = scalars + uint64_t(group.scalar_sets[parameter.index]) * program.num_scalars;
      eachItem(binding, parameter, [&](muon_item &item) { item.scalars = row; });
    }
    if (gradient == parameter.gradient)
      continue;
    if (!gradient != !parameter.gradient)
      eachItem(binding, parameter, [&](muon_item &item) { item.skipped = skipped; });
    parameter.gradient = gradient;
    for (uint64_t v = 0; v < parameter.numViews; ++v) {
      const GradientView &view = binding.gradientViews[parameter.firstView + v];
      view.view->data = gradient ? static_cast<uint8_t *>(gradient) + view.offset : nullptr;
    }
  }
}

extern "C" muon_status muon_run(muon_binding *head, void *const *gradients, const muon_scalar *scalars, void *stream) {
  if (!head)
    return fail(MUON_ERROR_ARGUMENT, "muon_run: binding must not be null");
  Binding &binding = *reinterpret_cast<Binding *>(head);
  if (binding.busy.exchange(true, std::memory_order_acquire))
    return fail(MUON_ERROR_BUSY, "the binding of program '%s' is already running", binding.program().name);
  muon_status status = checkInputs(binding, gradients, scalars);
  if (!status && binding.handle->cuda) {
    status = executeOnCuda(binding, gradients, scalars, stream);
    for (size_t p = 0; !status && p < binding.parameters.size(); ++p)
      binding.parameters[p].gradient = binding.parameters[p].hasGradient ? gradients[p] : nullptr;
  } else if (!status) {
    takeInputs(binding, gradients, scalars);
    scheduleRun(binding);
    executeOnCpu(binding); // the call returns when the step is done
  }
  binding.busy.store(false, std::memory_order_release);
  return status;
}
