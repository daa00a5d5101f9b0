/* The step of test/runtime/StepKernels.h as a CUDA program's kernels: the device side of muon_runtime.h. */
#include "Device.h"
#include "muon_runtime.h"

typedef struct {
  const muon_device_launch *launch;
  const muon_device_item *item;
  const muon_view *views;
  const u8 *gradient;
  long long columns, first_row, end_row, rows;
  int stopped;
} tile_t;

/* Which launch, matrix and rows the block has, and whether it has anything to do. */
static tile_t locate(const muon_device_launch *launches, u32 num_launches) {
  tile_t t;
  u32 l = num_launches - 1;
  while (launches[l].first_tile > block_x())
    --l;
  t.launch = launches + l;
  u32 matrix = (block_x() - t.launch->first_tile) / t.launch->tiles_per_matrix;
  u32 tile = (block_x() - t.launch->first_tile) % t.launch->tiles_per_matrix;
  t.item = (const muon_device_item *)(t.launch->items + matrix * t.launch->item_bytes);
  t.views = (const muon_view *)(t.item + 1);
  t.gradient = t.item->gradient ? *(const u8 *const *)t.item->gradient : 0;
  t.rows = t.launch->sizes[0];
  t.columns = t.launch->sizes[1];
  t.first_row = tile * t.launch->sizes[2];
  t.end_row = t.first_row + t.launch->sizes[2] < t.rows ? t.first_row + t.launch->sizes[2] : t.rows;
  u32 state = t.item->gradient && !t.gradient                                                    ? 1
              : t.launch->predicate >= 0 && *(const int *)t.views[t.launch->predicate].data != 0 ? 2
                                                                                                 : 0;
  t.stopped = state != 0;
  if (state && t.item->status && tile == 0 && thread() == 0)
    *t.item->status = state;
  return t;
}

static float *at(const tile_t *t, u32 view, long long row, long long column) {
  const muon_view *v = t->views + view;
  return (float *)v->data + row * v->row_stride + column * v->column_stride;
}

static float gradient(const tile_t *t, long long row, long long column) {
  const muon_view *v = t->views;
  return ((const float *)(t->gradient + (u64)v->data))[row * v->row_stride + column * v->column_stride];
}

KERNEL probe(const muon_device_launch *launches, u32 num_launches) {
  tile_t t = locate(launches, num_launches);
  if (t.stopped || t.first_row)
    return;
  int bad = 0;
  for (long long e = thread(); e < t.rows * t.columns; e += threads()) {
    float g = gradient(&t, e / t.columns, e % t.columns);
    bad |= g - g != 0.0f;
  }
  bad = __nvvm_bar0_or(bad);
  if (thread() == 0)
    *(int *)t.views[1].data = bad;
}

KERNEL absorb(const muon_device_launch *launches, u32 num_launches) {
  tile_t t = locate(launches, num_launches);
  if (t.stopped)
    return;
  float mu = (float)t.item->scalars[1].f64;
  for (long long i = t.first_row; i < t.end_row; ++i)
    for (long long j = thread(); j < t.columns; j += threads()) {
      float m = mu * *at(&t, 1, i, j) + gradient(&t, i, j);
      *at(&t, 1, i, j) = m;
      *at(&t, 2, i, j) = m;
    }
}

KERNEL mix(const muon_device_launch *launches, u32 num_launches) {
  tile_t t = locate(launches, num_launches);
  if (t.stopped)
    return;
  for (long long j = thread(); j < t.columns; j += threads()) {
    float sum = 0.0f;
    for (long long i = 0; i < t.rows; ++i)
      sum += *at(&t, 0, i, j);
    for (long long i = t.first_row; i < t.end_row; ++i)
      *at(&t, 1, i, j) = 0.5f * *at(&t, 0, i, j) + 0.25f * sum / (float)t.rows;
  }
}

KERNEL apply(const muon_device_launch *launches, u32 num_launches) {
  tile_t t = locate(launches, num_launches);
  if (t.stopped)
    return;
  float lr = (float)t.item->scalars[0].f64;
  for (long long i = t.first_row; i < t.end_row; ++i)
    for (long long j = thread(); j < t.columns; j += threads())
      *at(&t, 0, i, j) -= lr * *at(&t, 1, i, j);
  if (t.first_row == 0 && thread() == 0 && t.views[2].data)
    *at(&t, 2, 0, 0) = *at(&t, 1, 0, 0) + (float)t.item->parameter;
}
