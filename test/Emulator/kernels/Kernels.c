/* The emulator's own test kernels. */
#include "Device.h"

/* A mutant has the kernel it changes only. */
#define IN(first, last) (MUTANT == NONE || (MUTANT >= first && MUTANT <= last))

#if IN(NO_BARRIER_STORED, BEYOND_MATRIX)
/* ---- C = A B in f32, 16 x 16 tiles, one thread per element. A: m x k, B: k x n, row-major. ---- */
enum { TILE = 16 };
static SHARED float tile_a[TILE * TILE], tile_b[TILE * TILE];

KERNEL matmul_f32(const float *a, const float *b, float *c, u32 m, u32 n, u32 k) {
  u32 x = thread() % TILE, y = thread() / TILE;
  u32 row = block_y() * TILE + y, column = block_x() * TILE + x;
  float sum = 0;
  for (u32 k0 = 0; k0 < k; k0 += TILE) {
    tile_a[y * TILE + x] = row < m && k0 + x < k ? a[row * k + k0 + x] : 0;
#if MUTANT == BEYOND_MATRIX
    tile_b[y * TILE + x] = b[(k0 + y) * n + column];
#else
    tile_b[y * TILE + x] = k0 + y < k && column < n ? b[(k0 + y) * n + column] : 0;
#endif
#if MUTANT != NO_BARRIER_STORED
    barrier();
#endif
    for (u32 i = 0; i < TILE; ++i)
      sum += tile_a[y * TILE + i] * tile_b[(i + (MUTANT == BEYOND_TILE)) * TILE + x];
#if MUTANT != NO_BARRIER_READ
    barrier();
#endif
  }
  if (row < m && column < n)
    c[row * n + column] = sum;
}
#endif

#if IN(NO_BARRIER_WARPS, CONSTANT_WRITE)
/* ---- out[block] = sum of the block's n elements: shuffles within a warp, shared memory between warps. ---- */
static SHARED float warp_sums[33];

static float warp_sum(float value) {
  value += __nvvm_shfl_sync_down_f32(~0u, value, 16, 31);
  value += __nvvm_shfl_sync_down_f32(~0u, value, 8, 31);
  value += __nvvm_shfl_sync_down_f32(~0u, value, MUTANT == WRONG_SHUFFLE ? 8 : 4, 31);
  value += __nvvm_shfl_sync_down_f32(~0u, value, 2, 31);
  value += __nvvm_shfl_sync_down_f32(~0u, value, 1, 31);
  return value;
}

KERNEL reduce(const float *in, float *out, u32 n) {
  const float *mine = in + block_x() * n;
  float sum = 0;
#if MUTANT == MISALIGNED
  typedef float vector __attribute__((ext_vector_type(4)));
  sum += 0 * (*(const vector *)(mine + 1)).x;
#endif
  for (u32 i = thread(); i < n; i += threads())
    sum += mine[i];
#if MUTANT == MISSING_LANE
  if (thread() % 32 < 16)
#endif
    sum = warp_sum(sum);
#if MUTANT == ABSENT_LANE
  if (thread() % 32 < 16)
    sum += __nvvm_shfl_sync_down_f32(0xffff, sum, 16, 31);
#elif MUTANT == FOREIGN_MASK
  sum += __nvvm_shfl_sync_down_f32(1, sum, 16, 31);
#elif MUTANT == PARTIAL_BARRIER
  __nvvm_barrier_sync_cnt(1, 48);
#elif MUTANT == CONSTANT_WRITE
  static const volatile float one = 1;
  *(volatile float *)&one = sum * one;
#elif MUTANT == UNLIKE_BARRIERS
  __nvvm_barrier_sync_cnt(1, thread() < 32 ? 64 : 128);
#endif
  if (thread() % 32 == 0)
    warp_sums[thread() / 32] = sum;
#if MUTANT == DIVERGENT_BARRIER
  if (thread() < threads() / 2)
    barrier();
#elif MUTANT != NO_BARRIER_WARPS
  barrier();
#endif
  if (thread() != 0)
    return;
  float total = 0;
  for (u32 w = 0; w < threads() / 32 + (MUTANT == UNINITIALISED); ++w)
    total += warp_sums[w];
#if MUTANT == UNKNOWN_OPERATION
  total += __nvvm_read_ptx_sreg_clock();
#endif
#if MUTANT == TRAP
  __builtin_trap();
#endif
  out[MUTANT == SAME_OUTPUT ? 0 : block_x()] = total;
}
#endif

#if IN(NO_WAIT, NO_ZERO_FILL)
/* ---- C = A B in bf16 with f32 sums, 64 x 32 tiles, 4 warps of 16 rows, multistage cp.async, ldmatrix, mma.sync.
 * A: m x k, B: k x n, row-major, m, n and k multiples of 8 (16 bytes). Shared memory is dynamic. ---- */
enum { ROWS = 64, COLUMNS = 32, DEPTH = 16, STAGES = 3, STAGE_BYTES = (ROWS + COLUMNS) * DEPTH * 2 };
extern SHARED u8 dynamic[] __attribute__((aligned(16)));

static void copy_chunk(SHARED u8 *to, const u16 *from, u32 inside) {
  __nvvm_cp_async_cg_shared_global_16((SHARED void *)to, (GLOBAL const void *)from,
                                      inside || MUTANT == NO_ZERO_FILL ? 16 : 0);
}

/* One stage: A as 64 rows of 32 bytes, then B as 16 rows of 64 bytes. */
static void copy_stage(u32 stage, const u16 *a, const u16 *b, u32 m, u32 n, u32 k, u32 k0) {
  SHARED u8 *to = dynamic + stage * STAGE_BYTES;
  u32 row = block_y() * ROWS + thread() / 2, column = k0 + thread() % 2 * 8;
  u32 inside = row < m && column < k;
  copy_chunk(to + thread() * 16, inside || MUTANT == NO_ZERO_FILL ? a + row * k + column : a, inside);
  if (thread() < 64) {
    row = k0 + thread() / 4, column = block_x() * COLUMNS + thread() % 4 * 8;
    inside = row < k && column < n;
    copy_chunk(to + ROWS * DEPTH * 2 + thread() * 16, inside || MUTANT == NO_ZERO_FILL ? b + row * n + column : b,
               inside);
  }
}

static void commit(void) {
#if MUTANT != NO_COMMIT
  __nvvm_cp_async_commit_group();
#endif
}

static void multiply_stage(u32 stage, float (*sums)[4]) {
  SHARED u8 *at = dynamic + stage * STAGE_BYTES;
  u32 lane = thread() % 32, warp = thread() / 32, a[4], b[2];
  SHARED u8 *row = at + (warp * 16 + lane % 16) * 32 + lane / 16 * 16;
#if MUTANT == TRANSPOSED_A
  load_matrix_x4_trans(a, row);
#else
  load_matrix_x4(a, row);
#endif
#if MUTANT == SWAPPED_FRAGMENT
  u32 swapped = a[1];
  a[1] = a[2], a[2] = swapped;
#endif
  for (u32 j = 0; j < 4; ++j) {
    SHARED u8 *row_b = at + ROWS * DEPTH * 2 + lane % 16 * 64 + j * 16;
#if MUTANT == UNTRANSPOSED_B
    u32 four[4];
    load_matrix_x4(four, row_b);
    b[0] = four[0], b[1] = four[1];
#else
    load_matrix_x2_trans(b, row_b);
#endif
    mma_bf16(sums[j], a, b);
  }
}

KERNEL matmul_bf16(const u16 *a, const u16 *b, float *c, u32 m, u32 n, u32 k) {
  float sums[4][4] = {};
  u32 steps = (k + DEPTH - 1) / DEPTH;
  for (u32 s = 0; s < STAGES; ++s) {
    if (s < steps)
      copy_stage(s, a, b, m, n, k, s * DEPTH);
    commit();
  }
  for (u32 s = 0; s < steps; ++s) {
#if MUTANT == SHORT_WAIT
    __nvvm_cp_async_wait_group(STAGES);
#elif MUTANT != NO_WAIT
    __nvvm_cp_async_wait_group(STAGES - 1);
#endif
#if MUTANT != NO_BARRIER_BEFORE
    barrier();
#endif
    multiply_stage(s % STAGES, sums);
#if MUTANT != NO_BARRIER_AFTER
    barrier();
#endif
    if (s + STAGES < steps)
      copy_stage(s % STAGES, a, b, m, n, k, (s + STAGES) * DEPTH);
    commit();
  }
  u32 lane = thread() % 32, row = block_y() * ROWS + thread() / 32 * 16 + lane / 4;
  for (u32 j = 0; j < 4; ++j)
    for (u32 i = 0; i < 4; ++i) {
      u32 r = row + i / 2 * 8, column = block_x() * COLUMNS + j * 8 + lane % 4 * 2 + i % 2;
      if (r < m && column < n)
        c[r * n + column] = sums[j][i];
    }
}
#endif

#if MUTANT == NONE
/* ---- One mma each, fragments gathered element by element as the PTX manual lists them. A: 16 x depth, B: depth x 8.
 * ---- */
KERNEL fragments_f16(const u16 *a, const u16 *b, float *c) {
  u32 lane = thread(), group = lane / 4, pair = lane % 4 * 2, fa[4], fb[2];
  for (u32 i = 0; i < 4; ++i) {
    u32 at = (group + i % 2 * 8) * 16 + i / 2 * 8 + pair;
    fa[i] = a[at] | (u32)a[at + 1] << 16;
  }
  for (u32 i = 0; i < 2; ++i)
    fb[i] = b[(i * 8 + pair) * 8 + group] | (u32)b[(i * 8 + pair + 1) * 8 + group] << 16;
  float d[4] = {};
  mma_f16(d, fa, fb);
  for (u32 i = 0; i < 4; ++i)
    c[(group + i / 2 * 8) * 8 + pair + i % 2] = d[i];
}

KERNEL fragments_tf32(const u32 *a, const u32 *b, float *c) {
  u32 lane = thread(), group = lane / 4, at = lane % 4;
  u32 fa[4] = {a[group * 8 + at], a[(group + 8) * 8 + at], a[group * 8 + at + 4], a[(group + 8) * 8 + at + 4]};
  u32 fb[2] = {b[at * 8 + group], b[(at + 4) * 8 + group]};
  float d[4] = {};
  mma_tf32(d, fa, fb);
  for (u32 i = 0; i < 4; ++i)
    c[(group + i / 2 * 8) * 8 + at * 2 + i % 2] = d[i];
}

/* ---- Votes, shuffles, redux and stmatrix of one warp; named barriers of two halves of a block. ---- */
static SHARED u16 stored[128] __attribute__((aligned(16)));

KERNEL warp_operations(u32 *out) {
  u32 lane = thread();
  out[lane] = __nvvm_vote_ballot_sync(~0u, lane % 3 == 0);
  out[32 + lane] = warp_maximum((lane * 7) % 32);
  out[64 + lane] = (u32)__nvvm_shfl_sync_bfly_i32(~0u, (int)lane, 5, 31);
  out[96 + lane] = (u32)__nvvm_shfl_sync_idx_i32(~0u, (int)lane, 3, 0x181f); /* segments of 8 */
  store_matrix_x2(stored + lane % 16 * 8, lane << 16 | lane, (lane + 100) << 16 | (lane + 100));
  __nvvm_bar_warp_sync(~0u);
  for (u32 i = 0; i < 4; ++i)
    out[128 + lane * 4 + i] = stored[lane * 4 + i];
}

static SHARED u32 passed[64];
KERNEL named_barriers(u32 *out) {
  u32 half = thread() / 32, lane = thread() % 32;
  if (half == 0) {
    passed[lane] = lane + 1;
    __nvvm_barrier_sync_cnt(1, 64);
    __nvvm_barrier_sync_cnt(2, 64);
    out[lane] = passed[32 + 31 - lane];
  } else {
    __nvvm_barrier_sync_cnt(1, 64);
    passed[32 + lane] = 10 * passed[31 - lane];
    __nvvm_barrier_sync_cnt(2, 64);
  }
}

/* ---- Arithmetic of one thread that the host must not do in its own way. ---- */
KERNEL scalar_operations(const float *in, u32 *out) {
  u32 i = thread();
  __bf16 narrow = (__bf16)in[i]; /* in IR an fptrunc */
  out[4 * i] = __builtin_bit_cast(u16, narrow);
  _Float16 half = (_Float16)in[i];
  out[4 * i + 1] = __builtin_bit_cast(u16, half);
  out[4 * i + 2] = __builtin_bit_cast(u32, __nvvm_rsqrt_approx_f(in[i]));
  out[4 * i + 3] = __builtin_bit_cast(u32, __nvvm_fma_rn_f(in[i], in[i], -1.0f));
}
#endif
