/* Trains with a compiled program and no LLVM: see README.md beside this file for the three commands
 * that build it.
 *
 * The "model" is every matrix pulled towards a target, so its gradient is W - T. Nothing here knows
 * the shapes: they come from the program's description. It takes matrices in f32 and refuses
 * batches and bf16. */
#include "step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 100 };

/* The trainer's own memory, one entry per parameter of the program. */
struct model {
  uint64_t parameters;
  float **weights, **targets;
  void **gradients;
  uint64_t *counts;
};

static void fail(const char *call) {
  fprintf(stderr, "%s: %s\n", call, muon_error_text());
  exit(1);
}

static void *zeros(uint64_t count, size_t size) {
  void *data = calloc(count ? count : 1, size);
  if (!data)
    exit(1);
  return data;
}

/* One allocation per tensor, row after row; `table` lists them as muon_bind wants them. */
static muon_tensor *allocate(const muon_program *program, struct model *model, uint64_t *tensors) {
  *tensors = 0;
  for (uint32_t g = 0; g < program->num_groups; ++g)
    *tensors += (uint64_t)program->groups[g].num_parameters * program->groups[g].num_arguments;
  muon_tensor *table = zeros(*tensors, sizeof *table), *next = table;
  int64_t *strides = zeros(2 * *tensors, sizeof *strides);
  for (uint32_t g = 0; g < program->num_groups; ++g) {
    const muon_group *group = &program->groups[g];
    for (uint32_t i = 0; i < group->num_parameters * group->num_arguments; ++i, ++next) {
      uint64_t parameter = group->first_parameter + i / group->num_arguments;
      const muon_argument *argument = &group->arguments[i % group->num_arguments];
      if (argument->rank != 2 || argument->dtype != MUON_F32) {
        fprintf(stderr, "train: expected matrices in f32, got '%s' of rank %u and dtype %u\n", argument->name,
                argument->rank, argument->dtype);
        exit(1);
      }
      uint64_t count = (uint64_t)(argument->sizes[0] * argument->sizes[1]);
      float *data = zeros(count, sizeof *data);
      strides[0] = argument->sizes[1];
      strides[1] = 1;
      *next = (muon_tensor){data, argument->dtype, argument->rank, argument->sizes, strides};
      strides += 2;
      if (argument->role == MUON_GRADIENT)
        model->gradients[parameter] = data;
      if (argument->role == MUON_WEIGHT) {
        model->weights[parameter] = data;
        model->counts[parameter] = count;
      }
    }
  }
  return table;
}

static void set_targets(struct model *model) {
  for (uint64_t p = 0; p < model->parameters; ++p) {
    model->targets[p] = zeros(model->counts[p], sizeof(float));
    for (uint64_t i = 0; i < model->counts[p]; ++i)
      model->targets[p][i] = (float)((i + 1) * (i + p + 7) * 2654435761u % 2003u) / 20030.0f - 0.05f;
  }
}

/* Writes all gradients; returns the root mean square distance of the farthest matrix. */
static double differentiate(struct model *model) {
  double farthest = 0;
  for (uint64_t p = 0; p < model->parameters; ++p) {
    double sum = 0;
    float *gradient = model->gradients[p];
    for (uint64_t i = 0; i < model->counts[p]; ++i) {
      gradient[i] = model->weights[p][i] - model->targets[p][i];
      sum += gradient[i] * gradient[i];
    }
    double distance = sqrt(sum / (double)model->counts[p]);
    farthest = distance > farthest ? distance : farthest;
  }
  return farthest;
}

/* One row per scalar set, columns by name. A schedule is nothing but other numbers. */
static void set_scalars(const muon_program *program, muon_scalar *scalars, double rate) {
  for (uint32_t i = 0; i < program->num_scalar_sets * program->num_scalars; ++i) {
    const char *name = program->scalars[i % program->num_scalars].name;
    scalars[i].f64 = strcmp(name, "lr") == 0 ? rate : strcmp(name, "mu") == 0 ? 0.9 : 0.0;
  }
}

int main(void) {
  muon_handle *handle;
  if (muon_load(step, NULL, &handle))
    fail("muon_load");
  const muon_program *program = muon_describe(handle);
  uint64_t parameters = program->num_parameters, tensors;
  printf("%llu matrices, target %s, %u workers\n", (unsigned long long)parameters, muon_variant_in_use(handle)->target,
         muon_workers(handle));

  struct model model = {parameters, zeros(parameters, sizeof(float *)), zeros(parameters, sizeof(float *)),
                        zeros(parameters, sizeof(void *)), zeros(parameters, sizeof(uint64_t))};
  muon_tensor *table = allocate(program, &model, &tensors);
  set_targets(&model);

  uint64_t bytes = muon_workspace_size(handle);
  void *workspace = aligned_alloc(64, (bytes / 64 + 1) * 64);
  muon_parameter_status *status = zeros(parameters, sizeof *status);
  struct muon_binding *binding;
  if (muon_bind(handle, table, tensors, workspace, bytes, status, &binding))
    fail("muon_bind");

  muon_scalar *scalars = zeros(program->num_scalar_sets * program->num_scalars, sizeof *scalars);
  for (int at = 0; at <= STEPS; ++at) {
    double farthest = differentiate(&model);
    if (at % 25 == 0)
      printf("step %3d: farthest matrix at %.5f\n", at, farthest);
    set_scalars(program, scalars, 0.02 * (1.0 - at / (STEPS + 1.0)));
    if (muon_run(binding, model.gradients, scalars, NULL))
      fail("muon_run");
  }
  muon_release(binding);
  muon_unload(handle);
  return 0;
}
