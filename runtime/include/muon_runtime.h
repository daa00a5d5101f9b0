/* The Muon runtime ABI: the one contract between generated programs, the executors and trainers.
 * Plain C11, no LLVM, no CUDA headers. A change to a struct here must be reflected in lib/Object/EmitDescription.cpp
 * (which writes these structs) and lib/CPU/LaunchAbi.h (whose kernels read them); test/runtime checks the offsets.
 *   load -> query workspace -> bind -> run(gradients, scalars, stream) -> status
 * The caller owns weights, states, gradients, workspace and stream. muon_run never allocates and never blocks on a
 * lock. A program is immutable and may be shared by threads; one binding is one run at a time. Errors are a code plus
 * one line of text from muon_error_text() (thread-local, valid until the thread's next call). */
#ifndef MUON_RUNTIME_H
#define MUON_RUNTIME_H

#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define MUON_ABI_VERSION 3u
#define MUON_MAX_RANK 8u
#define MUON_MAX_SIZES 8u
typedef enum muon_status {
  MUON_OK = 0,
  MUON_ERROR_ABI = 1,      /* program of another ABI version */
  MUON_ERROR_TARGET = 2,   /* no variant runs on this machine */
  MUON_ERROR_ARGUMENT = 3, /* mismatched tensor, null pointer, aliasing, too small a workspace */
  MUON_ERROR_MEMORY = 4,   /* an allocation failed (load or bind only) */
  MUON_ERROR_BUSY = 5,     /* the binding is already running */
  MUON_ERROR_DEVICE = 6,   /* the device driver reported an error */
  MUON_ERROR_FILE = 7      /* a program library could not be opened or has no such symbol */
} muon_status;

typedef enum muon_dtype {
  MUON_F32 = 0,
  MUON_BF16 = 1,
  MUON_F16 = 2,
  MUON_F64 = 3,
  MUON_I32 = 4,
  MUON_I64 = 5
} muon_dtype;
typedef enum muon_role {
  MUON_WEIGHT = 0,
  MUON_GRADIENT = 1,
  MUON_STATE = 2,
  MUON_INPUT = 3,
  MUON_METRIC = 4
} muon_role;
/* One scalar of a parameter's row: learning rate, decay, momentum (f64), step, seed (i64). */
typedef union muon_scalar {
  double f64;
  int64_t i64;
} muon_scalar;

/* ---- The program: constant data written by the compiler -------------------------------------- */
/* One tensor argument of a group's step function. Leading dimensions beyond the last two are batch. */
typedef struct muon_argument {
  const char *name; /* "weight", "gradient", "momentum", ... */
  uint32_t role;    /* muon_role */
  uint32_t dtype;   /* muon_dtype */
  uint32_t rank;
  uint32_t reserved;
  int64_t sizes[MUON_MAX_RANK];
} muon_argument;

/* A group: parameters of one step function, shape and dtypes. */
typedef struct muon_group {
  const char *function;
  uint32_t num_arguments, num_parameters;
  const muon_argument *arguments;  /* weight, gradient, states, inputs, metrics in the function's order */
  const char *const *parameters;   /* names, [num_parameters] */
  const uint32_t *scalar_sets;     /* scalar row of each parameter, [num_parameters] */
  uint64_t matrices_per_parameter; /* product of the batch dimensions */
  uint64_t first_parameter;        /* index of parameters[0] in the program's parameter order */
} muon_group;

/* Where a launch's operand lives. Strides are in elements of `dtype`. An ARGUMENT's matrices are walked by its leading
 * axes, those before the first axis the operand walks itself; an argument without them is shared by all matrices and
 * only read. WORKSPACE: a launch touches at most matrix_stride bytes from a matrix's offset on; or, if all workspace
 * operands of a group have the same matrix_stride and lie within one of it, each matrix has a slab of its own. Either
 * lets small matrices run without barriers if no two operands share memory across matrices. If every group has slabs,
 * the runtime has only some of them in flight and places these itself: kernels find their memory in the views, never by
 * `offset`. */
typedef enum muon_place { MUON_PLACE_ARGUMENT = 0, MUON_PLACE_WORKSPACE = 1 } muon_place;
typedef struct muon_operand {
  uint32_t place;         /* muon_place */
  uint32_t dtype;         /* muon_dtype */
  uint32_t argument;      /* ARGUMENT: index into the group's arguments */
  int32_t row_axis;       /* ARGUMENT: axis the rows walk, counted from the front of sizes; -1: stride 0 */
  int32_t column_axis;    /* ARGUMENT: same for columns */
  uint32_t written;       /* 1: the launch writes it */
  uint64_t offset;        /* WORKSPACE: bytes from the workspace's start, all matrices in flight; ARGUMENT: row-major
                           * index of the first element in the matrix, whatever the tensor's strides are */
  uint64_t matrix_stride; /* WORKSPACE: bytes from one matrix of the group to the next */
  int64_t row_stride, column_stride; /* WORKSPACE only */
} muon_operand;

struct muon_launch;
struct muon_binding;
/* Computes one tile. tile = matrix * tiles_per_matrix + tile within the matrix. worker_scratch is 64-byte aligned and
 * at least the variant's scratch_per_worker bytes. */
typedef void (*muon_tile_function)(const struct muon_launch *, const struct muon_binding *, void *workspace,
                                   void *worker_scratch, uint32_t tile);

/* One kernel over all matrices of one group. */
typedef struct muon_launch {
  muon_tile_function function; /* CPU variants; null on GPU */
  const char *kernel;          /* name, for reports; on GPU the symbol in the image */
  uint32_t group;
  uint32_t tiles_per_matrix;
  uint32_t num_operands, num_coefficients;
  const muon_operand *operands;
  const double *coefficients;
  int64_t sizes[MUON_MAX_SIZES]; /* meaning by kernel kind: see include/muon/IR/LaunchSizes.h */
  uint64_t item_offset;          /* bytes from the binding's items to the first muon_item of this launch */
  uint64_t item_bytes;           /* sizeof(muon_item) + num_operands * sizeof(muon_view) */
  int32_t predicate; /* operand index of an i32 word per matrix: 0 runs it, 1 skips it as non-finite (state 2), 2 skips
                      * it because it has what this launch computes already (CPU); -1: none */
  uint32_t block_threads, shared_bytes, reserved; /* GPU: threads and dynamic shared memory of a block */
} muon_launch;

/* A CUDA variant's kernels, all of them in each image. BITCODE: the LLVM IR handed to the NVPTX backend, for the
 * emulator. */
typedef enum muon_image_kind { MUON_IMAGE_CUBIN = 0, MUON_IMAGE_PTX = 1, MUON_IMAGE_BITCODE = 2 } muon_image_kind;
typedef struct muon_image {
  uint32_t kind, reserved;
  const char *chip; /* "sm_80" */
  const void *data; /* PTX: ends with a zero byte, which counts */
  uint64_t bytes;
} muon_image;

/* The work between two barriers. */
typedef struct muon_stage {
  uint32_t num_launches, reserved;
  const muon_launch *launches;
} muon_stage;

/* The program compiled for one target. features: comma-separated CPU feature names as in /proc/cpuinfo that must be
 * present. */
typedef struct muon_variant {
  const char *target; /* "znver4", "x86-64-v3", ...; with images it is a CUDA variant and this the chip: "sm_80" */
  const char *features;
  uint64_t workspace_bytes; /* an upper bound: with all matrices in flight */
  uint64_t scratch_per_worker, items_bytes;
  uint32_t num_stages, preference; /* among the variants that run, the highest preference is taken */
  const muon_stage *stages;
  const char *report; /* what was chosen and why, JSON text */
  const muon_image *images;
  uint32_t num_images, reserved;
} muon_variant;

typedef struct muon_scalar_name {
  const char *name;
  uint32_t is_integer, reserved;
} muon_scalar_name;
typedef struct muon_program {
  uint32_t abi_version;
  uint32_t num_groups, num_variants, num_scalars, num_scalar_sets, reserved;
  uint64_t num_parameters;
  const char *name;
  const muon_group *groups;
  const muon_variant *variants;
  const muon_scalar_name *scalars; /* columns of every scalar row */
} muon_program;

/* Every program exports one such function: const muon_program *NAME(uint32_t abi). It returns null for an abi it was
 * not built for. */
typedef const muon_program *(*muon_program_query)(uint32_t abi);

/* ---- What kernels see at run time ------------------------------------------------------------ */
typedef struct muon_view {
  void *data;                        /* null: gradient absent, or optional output not bound */
  int64_t row_stride, column_stride; /* in elements */
} muon_view;

/* One matrix of one launch, resolved at bind: followed by num_operands views. */
typedef struct muon_item {
  const muon_scalar *scalars; /* the parameter's scalar row of this run */
  uint64_t parameter;         /* index in the program's parameter order: part of the random counter */
  uint32_t skipped;           /* the parameter's gradient is null in this run */
  uint32_t matrix;            /* matrix within the parameter */
} muon_item;

/* The public head of a binding; the rest is the runtime's own. */
typedef struct muon_binding {
  uint8_t *items;
} muon_binding;

/* What GPU kernels see: void k(const muon_device_launch *launches, uint32_t num_launches), a 1-D grid of all tiles of
 * the launches of a stage that share the kernel, by ascending first_tile. All pointers are device addresses. */
typedef struct muon_device_item { /* one matrix, followed by num_operands views */
  const muon_scalar *scalars;
  void *const *gradient; /* the parameter's slot: a view of the gradient holds the byte offset from the pointer in it. A
                          * null in it: no gradient in this run, the kernel stores 1 in *status and returns. Null: no
                          * gradient argument */
  uint32_t *status;      /* the parameter's state word, null: nobody looks. A kernel its predicate stops stores 2 */
  uint64_t parameter;
  uint32_t matrix, reserved;
} muon_device_item;

typedef struct muon_device_launch {
  uint32_t first_tile, tiles_per_matrix, num_operands, num_coefficients;
  int64_t sizes[MUON_MAX_SIZES];
  const uint8_t *items; /* muon_device_item of the launch's first matrix */
  uint64_t item_bytes;
  const double *coefficients;
  int32_t predicate; /* as in muon_launch */
  uint32_t reserved;
} muon_device_launch;

/* ---- What trainers call ---------------------------------------------------------------------- */
typedef struct muon_handle muon_handle;
/* A tensor as the trainer holds it: strides in elements, element alignment is enough. */
typedef struct muon_tensor {
  void *data;
  uint32_t dtype, rank;
  const int64_t *sizes, *strides;
} muon_tensor;

/* Runs body(context, worker) once for every worker in [0, workers) and returns when all have. All bodies must be
 * running at the same time: they wait for each other between stages. */
typedef void (*muon_parallel)(void *pool, uint32_t workers, void (*body)(void *context, uint32_t worker),
                              void *context);

typedef struct muon_options {
  uint32_t workers;       /* 0: min(affinity mask, cgroup quota); else taken as it is, up to 2048 */
  uint32_t variant;       /* 0: pick; i: use variant i - 1 or fail */
  muon_parallel parallel; /* null: the runtime's own pool */
  void *pool;             /* passed to `parallel` */
} muon_options;

/* What happened to one parameter in the last run: 0 updated; 1 no gradient: untouched; 2 the gradient of at least one
 * of its matrices was not finite: those are untouched, the others of a batch updated. */
typedef struct muon_parameter_status {
  uint32_t state;
  uint32_t reserved;
} muon_parameter_status;

uint32_t muon_abi_version(void);
/* One line about the calling thread's last failure, "" if it had none. Never null. */
const char *muon_error_text(void);

/* Takes a program linked into the process. options may be null. A CUDA variant is taken if asked for, or if no CPU
 * variant runs; it uses the current CUDA context, else device 0's primary one. The driver is libcuda.so.1 or the
 * library MUON_CUDA_DRIVER names. */
muon_status muon_load(muon_program_query query, const muon_options *options, muon_handle **handle);
/* Opens a shared library and takes its program `symbol`. */
muon_status muon_load_library(const char *path, const char *symbol, const muon_options *options, muon_handle **handle);
void muon_unload(muon_handle *handle); /* its bindings go on; the last of them frees it */

const muon_program *muon_describe(const muon_handle *handle);
const muon_variant *muon_variant_in_use(const muon_handle *handle);
uint32_t muon_workers(const muon_handle *handle); /* CUDA: 0 */
/* Bytes one binding needs; the workspace must be 64-byte aligned. Contents need not be kept between runs. CPU: at most
 * the variant's workspace_bytes; where matrices have slabs, enough for those in flight together, which are as many as
 * give each of the handle's workers 8 tiles, or one more. It depends on the program and the number of workers; matrices
 * beyond those take no more. CUDA: device memory, 256-byte aligned: workspace_bytes, with all matrices in flight, and
 * the binding's tables; it is kept until release. */
uint64_t muon_workspace_size(const muon_handle *handle);

/* tensors: for every group, every parameter, every argument in order (gradients give dtype, sizes and strides; their
 * data is ignored and comes with each run; a metric's data may be null). Refused: wrong dtype, rank or sizes; no
 * dimension of the last two with unit stride (size 1 counts); negative strides; a tensor the program writes, the
 * workspace or status sharing an element with any other. Views that interleave without sharing are fine. status, of
 * num_parameters, may be null: nobody looks. CUDA: all data and status are device memory; bind copies the tables and
 * waits for that. */
muon_status muon_bind(muon_handle *handle, const muon_tensor *tensors, uint64_t num_tensors, void *workspace,
                      uint64_t workspace_bytes, muon_parameter_status *status, struct muon_binding **binding);
void muon_release(struct muon_binding *binding);
/* gradients: one pointer per parameter in program order; null leaves the parameter and its states untouched and says so
 * in its status. scalars: num_scalar_sets rows of num_scalars. A gradient that shares memory with what the program
 * writes is refused before anything is written. Of runs at the same time in a process one has the runtime's workers,
 * the others are done by their callers alone. The child of a fork may run what no other thread was running then.
 * stream: ignored on CPU. CUDA: work is queued on it, nothing is waited for; both tables are host memory and copied in
 * stream order, page-locked ones when their turn comes; in a captured graph at every replay, so they must stay. */
muon_status muon_run(struct muon_binding *binding, void *const *gradients, const muon_scalar *scalars, void *stream);

#ifdef __cplusplus
}
#endif
#endif
