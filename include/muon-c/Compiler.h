/* The compiler in C: a request goes in as JSON text, a program comes out as a file or as text. For Python and other
 * languages; C++ uses include/muon/Compiler/Compiler.h. Every failing call leaves one line in muon_compiler_error().
 *
 * A request (every field but "groups" has a default):
 *   { "name": "step",                 symbol of the program
 *     "target": "cpu",                this machine; or a processor's name; several separated by commas;
 *                                     "znver4@x86-64-v3": the first one's schedule in instructions of the second;
 *                                     sm_80, ...: a GPU
 *     "dtype": "auto",                operand type of the products: auto, f32, bf16, f16 (GPUs, avx512_fp16 without
 *                                     AMX) and tf32 (GPUs)
 *     "form": "auto",                 auto, standard, gram
 *     "side": "auto",                 of the Gram matrix R: left (R = X Xᵀ), right (R = XᵀX), auto: the short one
 *     "restarts": [3],                with form gram: rebuild R before these steps; absent: chosen
 *     "pairs": [0, 2],                with form standard, or gram and restarts: evaluate each of these rows (quintics)
 *                                     as one with the next; []: none; absent: chosen
 *     "nonfinite": "propagate",       or "skip"
 *     "tile": [128, 128, 32, 4, 2, 2], the block of every product. GPU targets: rows, columns, k per step, steps in
 *                                     flight, warps down and across; absent: the one with the least modelled time. CPU
 *                                     targets, as in [128, 512]: its side, a multiple of 32 up to 512, and elements of
 *                                     k at a time, a multiple of 64 or 0: by operands and cache; absent: by shape
 *     "parts": 4,                     GPU targets: parts the k of every product is cut into; absent: by the model, for
 *                                     the matrix's shape
 *     "chain": "auto",                GPU targets: chains of products of small symmetric matrices (the gram form's, up
 *                                     to 256): block (one block per matrix, where its memory holds them), launches, or
 *                                     auto: what is modelled faster
 *     "embed_bitcode": false,         GPU targets: also keep the kernels' LLVM IR, for the emulator
 *     "tuned": true,                  table, form, restarts and operand type from the tuning database
 *                                     (docs/tuning.md), or { "floor": 0.01, "band": [0.7, 1.3], "database": "file" };
 *                                     with "model": "gpt" and "layer": "h.0.attn.w" the floor is the one that
 *                                     muon-tune --gradients recorded for that parameter or its kind. May be given per
 *                                     group too. The report says under "tuned" which entry was used, or that none was
 *     "groups": [ { "shape": [768, 3072],
 *                   "parameters": ["h.0.w", "h.1.w"],
 *                   "set": "matrices",
 *                   "preset": "keller",   muon_compile lists the known ones when it refuses one
 *                   "dtypes": { "weight": "f32", "gradient": "f32", "momentum": "f32" },
 *                   "options": { "matrices": "flatten_4d", "nesterov": true, "momentum_form": "ema",
 *                                "adjust_lr": "original", "decay": "decoupled", "table": [[3.4445, -4.775, 2.0315]],
 *                                "steps": 5, "eps": 1e-7, "eps_form": "clamp", "clip": 0,
 *                                "stochastic_rounding": false, "safety": 1, "damping": 0, "norm": "frobenius",
 *                                "operands": "bf16", "form": "gram", "restarts": [3], "pairs": [3],
 *                                "tile": [128, 0], "early_stop": 0.3 },
 *                   "tuned_by": "...",    as muon_resolve_tuned writes it, for the report: where the options came from,
 *                   "served": [0.01, 0.7, 1.3] } ] }   and the floor and band they were tuned for
 * Instead of "groups":
 *     "program": "func.func @f(...) ...", the text of step functions in the muon dialect (docs/dialect.md), with a
 *                                     muon.program, or without one: then every function has one parameter of its own
 *                                     name. dtype, form, side, restarts, pairs and tuned are not taken with it: its ops
 *                                     have their own
 * Operands, form, restarts, pairs and tile of a group win over the request's dtype, form, restarts, pairs and tile. An
 * option left out is the preset's own. matrices says what more than two sizes are: "batch", the last two are a matrix;
 * "flatten", the first is the rows of one matrix and all others are its columns, and the program takes tensors of these
 * two sizes; "flatten_4d", that of four sizes and else a batch (include/muon/Form/Presets.h). early_stop (CPUs, chooses
 * form gram): between 0 and 1, absent: off. A matrix whose Gram matrix R of the iterate has ‖I - R/μ‖_F within it for
 * some μ skips the rows of the table that are left, and the step function has the metrics "orthogonality" and "steps"
 * (docs/numerics.md). */
#ifndef MUON_C_COMPILER_H
#define MUON_C_COMPILER_H

#if defined(__GNUC__)
#define MUON_EXPORT __attribute__((visibility("default")))
#else
#define MUON_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Identifies this build of the compiler and its LLVM: part of a cache key. */
MUON_EXPORT const char *muon_compiler_build(void);
/* Name of this machine's target as the compiler sees it (processor and features): part of a cache key. */
MUON_EXPORT const char *muon_compiler_host(void);
/* Writes the program to `path`, all of it or nothing; a link, a device or a pipe stays one. emit: library, object,
 * header, asm, llvm, mlir, report, bitcode, ptx, cubin. 0 on success, 1 where the request is refused, 2 where the file
 * cannot be written. */
MUON_EXPORT int muon_compile(const char *request_json, const char *emit, const char *path);
/* The same of an emission that is text (header, asm, llvm, mlir, report, ptx), to be given to muon_compiler_free; null
 * on failure. */
MUON_EXPORT char *muon_compile_text(const char *request_json, const char *emit);
/* The request with the tuning database's answers for its one target written out, as JSON text
 * (include/muon/Compiler/Compiler.h, resolveTuned), to be given to muon_compiler_free; null on failure. */
MUON_EXPORT char *muon_resolve_tuned(const char *request_json);
/* The rule by which muon-opt --shapes-from leaves out 2-D weights by their name: 1 where `exclude`, a POSIX extended
 * regular expression that is searched anywhere in the name, leaves this one out, 0 where not ("" leaves out none), -1
 * where it is malformed. */
MUON_EXPORT int muon_excludes(const char *exclude, const char *name);
/* What `exclude` is where nobody says: embeddings and output heads. */
MUON_EXPORT const char *muon_default_exclude(void);
MUON_EXPORT void muon_compiler_free(char *text);
/* One line about the calling thread's last failure; "" if there was none. */
MUON_EXPORT const char *muon_compiler_error(void);

#ifdef __cplusplus
}
#endif
#endif
