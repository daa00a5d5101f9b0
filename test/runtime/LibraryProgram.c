/* A program as a shared library: W = W - lr G on one vector, written by hand. */
#include "muon_runtime.h"

enum { ELEMENTS = 5 };

static void descend_tile(const muon_launch *launch, const muon_binding *binding, void *workspace, void *scratch,
                         uint32_t tile) {
  const uint8_t *at = binding->items + launch->item_offset + tile * launch->item_bytes;
  const muon_item *item = (const muon_item *)at;
  const muon_view *views = (const muon_view *)(at + sizeof *item);
  double *weight = views[0].data;
  const double *gradient = views[1].data;
  for (int64_t i = 0; i < launch->sizes[0]; ++i)
    weight[i * views[0].column_stride] -= item->scalars[0].f64 * gradient[i * views[1].column_stride];
  (void)workspace;
  (void)scratch;
}

static const muon_argument arguments[] = {
    {"weight", MUON_WEIGHT, MUON_F64, 1, 0, {ELEMENTS}},
    {"gradient", MUON_GRADIENT, MUON_F64, 1, 0, {ELEMENTS}},
};
static const char *const parameters[] = {"bias"};
static const uint32_t scalar_sets[] = {0};
static const muon_group groups[] = {{"descend", 2, 1, arguments, parameters, scalar_sets, 1, 0}};
static const muon_operand operands[] = {
    {MUON_PLACE_ARGUMENT, MUON_F64, 0, -1, 0, 1, 0, 0, 0, 0},
    {MUON_PLACE_ARGUMENT, MUON_F64, 1, -1, 0, 0, 0, 0, 0, 0},
};
static const muon_launch launches[] = {{descend_tile,
                                        "descend",
                                        0,
                                        1,
                                        2,
                                        0,
                                        operands,
                                        0,
                                        {ELEMENTS},
                                        0,
                                        sizeof(muon_item) + 2 * sizeof(muon_view),
                                        -1,
                                        0,
                                        0,
                                        0}};
static const muon_stage stages[] = {{1, 0, launches}};
static const muon_variant variants[] = {
    {"generic", "", 0, 0, sizeof(muon_item) + 2 * sizeof(muon_view), 1, 0, stages, "{}", 0, 0, 0}};
static const muon_scalar_name scalars[] = {{"lr", 0, 0}};
static const muon_program program = {MUON_ABI_VERSION, 1, 1, 1, 1, 0, 1, "descend", groups, variants, scalars};

__attribute__((visibility("default"))) const muon_program *descend(uint32_t abi) {
  return abi == MUON_ABI_VERSION ? &program : 0;
}

__attribute__((visibility("default"))) const muon_program *from_the_future(uint32_t abi) {
  static muon_program newer;
  newer = program;
  newer.abi_version = abi + 1;
  return &newer;
}
