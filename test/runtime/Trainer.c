/* A trainer in C: what a user of the runtime writes. Exit code 0 if the step was right. */
#include "muon_runtime.h"

#include <stdio.h>

int main(int argc, char **argv) {
  double weight[5] = {1, 2, 3, 4, 5}, gradient[5] = {1, 1, 2, 2, 4};
  int64_t sizes[] = {5}, strides[] = {1};
  muon_tensor tensors[] = {{weight, MUON_F64, 1, sizes, strides}, {0, MUON_F64, 1, sizes, strides}};
  void *gradients[] = {gradient};
  muon_scalar scalars[1];
  muon_parameter_status status;
  muon_handle *handle;
  struct muon_binding *binding;

  scalars[0].f64 = 0.5;
  if (argc != 2 || muon_load_library(argv[1], "descend", NULL, &handle) ||
      muon_bind(handle, tensors, 2, NULL, 0, &status, &binding) || muon_run(binding, gradients, scalars, NULL)) {
    fprintf(stderr, "%s\n", muon_error_text());
    return 1;
  }
  muon_release(binding);
  muon_unload(handle);
  for (int i = 0; i < 5; ++i)
    if (weight[i] != i + 1 - 0.5 * gradient[i])
      return 2;
  return status.state == 0 ? 0 : 3;
}
