/* A program written by hand: W -= lr (G + shift), on two matrices of 3 x 4 f32, each with its own
 * row of scalars. */
#include "muon_runtime.h"

static void descend(const muon_launch *launch, const muon_binding *binding, void *workspace, void *scratch,
                    uint32_t tile) {
  const uint8_t *at = binding->items + launch->item_offset + tile * launch->item_bytes;
  const muon_item *item = (const muon_item *)at;
  const muon_view *view = (const muon_view *)(at + sizeof *item);
  float rate = (float)item->scalars[0].f64, shift = (float)item->scalars[1].i64;
  for (int64_t i = 0; i < launch->sizes[0]; ++i)
    for (int64_t j = 0; j < launch->sizes[1]; ++j) {
      float *weight = (float *)view[0].data + i * view[0].row_stride + j * view[0].column_stride;
      const float *gradient = (float *)view[1].data + i * view[1].row_stride + j * view[1].column_stride;
      *weight -= rate * (*gradient + shift);
    }
  (void)workspace;
  (void)scratch;
}

#define ITEM (sizeof(muon_item) + 2 * sizeof(muon_view))
static const muon_argument arguments[] = {{"weight", MUON_WEIGHT, MUON_F32, 2, 0, {3, 4}},
                                          {"gradient", MUON_GRADIENT, MUON_F32, 2, 0, {3, 4}}};
static const char *const parameters[] = {"a", "b"};
static const uint32_t sets[] = {0, 1};
static const muon_group groups[] = {{"descend", 2, 2, arguments, parameters, sets, 1, 0}};
static const muon_operand operands[] = {{MUON_PLACE_ARGUMENT, MUON_F32, 0, 0, 1, 1, 0, 0, 0, 0},
                                        {MUON_PLACE_ARGUMENT, MUON_F32, 1, 0, 1, 0, 0, 0, 0, 0}};
static const muon_launch launches[] = {{descend, "descend", 0, 1, 2, 0, operands, 0, {3, 4}, 0, ITEM, -1, 0, 0, 0}};
static const muon_stage stages[] = {{1, 0, launches}};
static const muon_variant variants[] = {
    {"generic", "", 64, 64, 2 * ITEM, 1, 0, stages, "{\"form\": \"none\"}", 0, 0, 0}};
static const muon_scalar_name scalars[] = {{"lr", 0, 0}, {"shift", 1, 0}};
static const muon_program program = {MUON_ABI_VERSION, 1, 1, 2, 2, 0, 2, "descend", groups, variants, scalars};

const muon_program *descend_program(uint32_t abi) { return abi == MUON_ABI_VERSION ? &program : 0; }

const muon_program *from_the_future(uint32_t abi) {
  static muon_program newer;
  newer = program;
  newer.abi_version = abi + 1;
  return &newer;
}
