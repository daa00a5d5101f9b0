/* What a kernel in plain C needs of CUDA: compiled by clang for NVPTX without a toolkit, linked with Intrinsics.ll.
 * MUTANT is 0 for the correct kernels, else one of the numbers below: a fault the emulator must find. */
#ifndef MUON_TEST_EMULATOR_DEVICE_H
#define MUON_TEST_EMULATOR_DEVICE_H

typedef unsigned u32;
typedef unsigned short u16;
typedef unsigned char u8;
typedef unsigned long long u64;
#define SHARED __attribute__((address_space(3)))
#define GLOBAL __attribute__((address_space(1)))
#define KERNEL __attribute__((device_kernel)) void
#define CONVERGENT __attribute__((convergent))

static inline u32 thread(void) { return __nvvm_read_ptx_sreg_tid_x(); }
static inline u32 threads(void) { return __nvvm_read_ptx_sreg_ntid_x(); }
static inline u32 block_x(void) { return __nvvm_read_ptx_sreg_ctaid_x(); }
static inline u32 block_y(void) { return __nvvm_read_ptx_sreg_ctaid_y(); }
static inline void barrier(void) { __nvvm_bar_sync(0); }

CONVERGENT void load_matrix_x4(u32 *out, SHARED void *row);
CONVERGENT void load_matrix_x4_trans(u32 *out, SHARED void *row);
CONVERGENT void load_matrix_x2_trans(u32 *out, SHARED void *row);
CONVERGENT void store_matrix_x2(SHARED void *row, u32 a, u32 b);
CONVERGENT u32 warp_maximum(u32 value);
CONVERGENT void mma_bf16(float *d, const u32 *a, const u32 *b);
CONVERGENT void mma_f16(float *d, const u32 *a, const u32 *b);
CONVERGENT void mma_tf32(float *d, const u32 *a, const u32 *b);

/* Macros, for the preprocessor compares them. */
#define NONE 0
/* matmul_bf16 */
#define NO_WAIT 1           /* the copies of a stage are not waited for */
#define SHORT_WAIT 2        /* one group too few */
#define NO_COMMIT 3         /* all stages are one group that never ends */
#define NO_BARRIER_BEFORE 4 /* between the copies' wait and the first read by other threads */
#define NO_BARRIER_AFTER 5  /* between the last read of a stage and the copies into it */
#define SWAPPED_FRAGMENT 6  /* registers 1 and 2 of A */
#define TRANSPOSED_A 7      /* ldmatrix.trans where none belongs */
#define UNTRANSPOSED_B 8    /* and the reverse */
#define NO_ZERO_FILL 9      /* a ragged edge is copied whole: beyond the matrix */
/* matmul_f32 */
#define NO_BARRIER_STORED 10 /* between storing a tile and reading it */
#define NO_BARRIER_READ 11   /* between reading a tile and storing the next */
#define BEYOND_TILE 12       /* one column too far in shared memory */
#define BEYOND_MATRIX 13     /* no guard at the ragged edge */
/* reduce */
#define NO_BARRIER_WARPS 14  /* warp sums are read before they are stored */
#define WRONG_SHUFFLE 15     /* down by 8 twice instead of by 8 and 4 */
#define UNINITIALISED 16     /* one sum too many is read */
#define MISALIGNED 17        /* a 16-byte load at 4 bytes */
#define DIVERGENT_BARRIER 18 /* only half of the threads arrive */
#define MISSING_LANE 19      /* a shuffle of a whole warp in one half of it */
#define SAME_OUTPUT 20       /* all blocks write one element */
#define UNKNOWN_OPERATION 21
#define TRAP 22
#define ABSENT_LANE 23     /* a shuffle reads a lane that takes no part */
#define FOREIGN_MASK 24    /* lanes that are not in their own mask */
#define PARTIAL_BARRIER 25 /* a barrier of a warp and a half */
#define UNLIKE_BARRIERS 26 /* threads that count differently */
#define CONSTANT_WRITE 27  /* a store to a constant */
#ifndef MUTANT
#define MUTANT NONE
#endif

#endif
