#include "StepKernels.h"

void (*tile_hook)(const muon_launch *, void *, uint32_t);

typedef struct tile {
  const muon_item *item;
  const muon_view *views;
  int64_t columns, first_row, end_row, rows;
} tile_t;

static tile_t locate(const muon_launch *launch, const muon_binding *binding, void *scratch, uint32_t tile) {
  if (tile_hook)
    tile_hook(launch, scratch, tile);
  uint32_t matrix = tile / launch->tiles_per_matrix;
  const uint8_t *item = binding->items + launch->item_offset + matrix * launch->item_bytes;
  tile_t found;
  found.item = (const muon_item *)item;
  found.views = (const muon_view *)(item + sizeof(muon_item));
  found.rows = launch->sizes[0];
  found.columns = launch->sizes[1];
  found.first_row = (int64_t)(tile % launch->tiles_per_matrix) * launch->sizes[2];
  found.end_row = found.first_row + launch->sizes[2];
  if (found.end_row > found.rows)
    found.end_row = found.rows;
  return found;
}

static float *at(const muon_view *view, int64_t row, int64_t column) {
  return (float *)view->data + row * view->row_stride + column * view->column_stride;
}

/* operands: gradient, flag (written): 1 for a gradient that is not finite, 2 for one that holds DONE */
void probe_tile(const muon_launch *launch, const muon_binding *binding, void *workspace, void *scratch,
                uint32_t index) {
  tile_t t = locate(launch, binding, scratch, index);
  int32_t bad = 0, done = 0;
  if (t.first_row)
    return;
  for (int64_t i = 0; i < t.rows; ++i)
    for (int64_t j = 0; j < t.columns; ++j) {
      float g = *at(&t.views[0], i, j);
      bad |= g - g != 0.0f;
      done |= g == DONE;
    }
  *(int32_t *)t.views[1].data = bad ? 1 : 2 * done;
  (void)workspace;
}

/* operands: gradient, momentum (written), X (written), flag */
void absorb_tile(const muon_launch *launch, const muon_binding *binding, void *workspace, void *scratch,
                 uint32_t index) {
  tile_t t = locate(launch, binding, scratch, index);
  float mu = (float)t.item->scalars[1].f64;
  for (int64_t i = t.first_row; i < t.end_row; ++i)
    for (int64_t j = 0; j < t.columns; ++j) {
      float m = mu * *at(&t.views[1], i, j) + *at(&t.views[0], i, j);
      *at(&t.views[1], i, j) = m;
      *at(&t.views[2], i, j) = m;
    }
  (void)workspace;
}

/* operands: X, Y (written), flag */
void mix_tile(const muon_launch *launch, const muon_binding *binding, void *workspace, void *scratch, uint32_t index) {
  tile_t t = locate(launch, binding, scratch, index);
  for (int64_t j = 0; j < t.columns; ++j) {
    float sum = 0.0f;
    for (int64_t i = 0; i < t.rows; ++i)
      sum += *at(&t.views[0], i, j);
    for (int64_t i = t.first_row; i < t.end_row; ++i)
      *at(&t.views[1], i, j) = 0.5f * *at(&t.views[0], i, j) + 0.25f * sum / (float)t.rows;
  }
  (void)workspace;
}

/* operands: weight (written), Y, metric (written), flag */
void apply_tile(const muon_launch *launch, const muon_binding *binding, void *workspace, void *scratch,
                uint32_t index) {
  tile_t t = locate(launch, binding, scratch, index);
  float lr = (float)t.item->scalars[0].f64;
  for (int64_t i = t.first_row; i < t.end_row; ++i)
    for (int64_t j = 0; j < t.columns; ++j)
      *at(&t.views[0], i, j) -= lr * *at(&t.views[1], i, j);
  if (t.first_row == 0 && t.views[2].data)
    *at(&t.views[2], 0, 0) = *at(&t.views[1], 0, 0) + (float)t.item->parameter;
  (void)workspace;
}
