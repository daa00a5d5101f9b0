//===- ProgramOptions.h - the command line of muon-opt --shape ... ----------------------------===//

#ifndef MUON_TOOLS_PROGRAM_OPTIONS_H
#define MUON_TOOLS_PROGRAM_OPTIONS_H

#include "muon/Compiler/Safetensors.h"

#include "llvm/Support/CommandLine.h"

namespace cl = llvm::cl;

/// What options take, in words.
llvm::StringRef targetHelp();
llvm::StringRef excludeHelp();

/// Registered only in this mode: muon-opt's pass driver has options of the same names.
struct ProgramOptions {
  cl::OptionCategory category{"Program options"};
  cl::list<std::string> shapes{"shape",
                               cl::desc("ROWSxCOLUMNS, or ROWSxCOLUMNS*COUNT for COUNT parameters; may be repeated"),
                               cl::cat(category)};
  cl::list<std::string> shapesFrom{
      "shapes-from", cl::desc("take the 2-D weights of a .safetensors file (only its header is read); may be repeated"),
      cl::cat(category)};
  cl::opt<std::string> program{
      "program", cl::desc("compile the step functions of a file in the muon dialect instead of a preset's"),
      cl::cat(category)};
  cl::opt<std::string> exclude{"exclude", cl::desc(excludeHelp()), cl::init(muon::kDefaultExclude), cl::cat(category)};
  cl::opt<std::string> preset{"preset", cl::desc("which Muon (default keller)"), cl::init("keller"), cl::cat(category)};
  cl::opt<std::string> vectors{
      "vectors",
      cl::desc("rms: vectors of --shape (as in 768), and what is not 2-D of --shapes-from, bound as vectors, take the "
               "preset rms in the same program, with scalars of their own (set vectors)"),
      cl::cat(category)};
  cl::opt<std::string> dtype{
      "dtype",
      cl::desc("operand type of the products: auto, f32, bf16, f16 (GPUs, avx512_fp16 without AMX), tf32 (GPUs); "
               "default auto"),
      cl::init("auto"), cl::cat(category)};
  cl::opt<std::string> form{"form", cl::desc("auto, standard or gram (default auto)"), cl::init("auto"),
                            cl::cat(category)};
  cl::opt<std::string> side{
      "side",
      cl::desc("of the Gram matrix R: left (X times its transpose), right, or auto: the short one (default auto)"),
      cl::init("auto"), cl::cat(category)};
  cl::opt<std::string> restarts{"restarts",
                                cl::desc("with form gram: rebuild R before these rows of the table, as in 3 or 2,4"),
                                cl::cat(category)};
  cl::opt<std::string> pairs{
      "pairs",
      cl::desc("with a form: evaluate each of these rows of the table as one with the next, as in 0,2; empty: none"),
      cl::cat(category)};
  cl::opt<double> earlyStop{"early-stop",
                            cl::desc("between 0 and 1: a matrix skips the rows of the table that are left once its "
                                     "Gram matrix is this close to the identity (CPUs; chooses form gram)"),
                            cl::cat(category)};
  cl::opt<std::string> nonfinite{"nonfinite",
                                 cl::desc("gradients with infinities or NaNs: propagate, or skip the matrix "
                                          "(default propagate)"),
                                 cl::init("propagate"), cl::cat(category)};
  cl::opt<std::string> stepOptions{"options",
                                   cl::desc("further options of the step function as JSON (include/muon-c/Compiler.h), "
                                            "as in '{\"table\": [[1.5, -0.5], [1.5, -0.5]]}'"),
                                   cl::cat(category)};
  cl::opt<bool> tuned{"tuned", cl::desc("table, form, restarts and operand type from the tuning database (muon-tune)"),
                      cl::cat(category)};
  cl::opt<double> floor{"floor",
                        cl::desc("with --tuned: smallest singular value served, relative to the Frobenius norm "
                                 "(default 1e-2; with --dtype f32 1e-3)"),
                        cl::cat(category)};
  cl::opt<std::string> band{
      "band", cl::desc("with --tuned: LOWER:UPPER, where singular values end (default: the preset's own band)"),
      cl::cat(category)};
  cl::opt<std::string> database{
      "database",
      cl::desc("with --tuned: the tuning database (default: $MUON_TUNING_DB, or tuning.sqlite in the cache)"),
      cl::cat(category)};
  cl::opt<std::string> model{"model",
                             cl::desc("with --tuned and --shapes-from: every parameter's floor as muon-tune "
                                      "--gradients recorded it under this name"),
                             cl::cat(category)};
  cl::opt<std::string> weight{"weight-dtype",
                              cl::desc("f32 or bf16 (default: with --shapes-from what the file has, else f32)"),
                              cl::init("f32"), cl::cat(category)};
  cl::opt<std::string> gradient{"gradient-dtype", cl::desc("f32 or bf16 (default f32)"), cl::init("f32"),
                                cl::cat(category)};
  cl::opt<std::string> momentum{"momentum-dtype", cl::desc("f32 or bf16 (default f32)"), cl::init("f32"),
                                cl::cat(category)};
  cl::opt<std::string> target{"target", cl::desc(targetHelp()), cl::init("cpu"), cl::cat(category)};
  cl::opt<std::string> emit{
      "emit", cl::desc("object, library, header, asm, llvm, mlir, bitcode, report, ptx or cubin (default object)"),
      cl::init("object"), cl::cat(category)};
  cl::opt<std::string> name{"name", cl::desc("symbol of the program (default step)"), cl::init("step"),
                            cl::cat(category)};
  cl::list<int64_t> tile{
      "tile", cl::CommaSeparated, cl::value_desc("sizes"),
      cl::desc("every product's block. GPU target: rows, columns, k per step, steps in flight, warps down and across; "
               "CPU target: side, elements of k at a time (0: by operands and cache)"),
      cl::cat(category)};
  cl::opt<int64_t> parts{
      "parts", cl::value_desc("count"),
      cl::desc("GPU target: parts the k of every product is cut into (default: by the model, for the matrix's shape)"),
      cl::init(0), cl::cat(category)};
  cl::opt<std::string> chain{"chain",
                             cl::desc("GPU target: chains of products of small symmetric matrices in one block per "
                                      "matrix, in launches, or auto: what is modelled faster (default auto)"),
                             cl::init("auto"), cl::cat(category)};
  cl::opt<bool> embedBitcode{
      "embed-bitcode",
      cl::desc("GPU targets: also keep the kernels' LLVM IR in objects and libraries, for the emulator"),
      cl::cat(category)};
  cl::opt<std::string> dumpKernels{
      "dump-kernels",
      cl::desc("GPU target: write bitcode, PTX, cubin and launch facts of every kernel into this directory"),
      cl::cat(category)};
  cl::opt<bool> report{"report", cl::desc("also print the report"), cl::cat(category)};
  cl::opt<std::string> output{"o", cl::desc("file to write (default: standard output for text)"), cl::cat(category)};
};

/// All of them, made at the first call.
ProgramOptions &programOptions();
/// Whether there is one of them, or nothing but a call for help. Else they make room for those of the pass driver.
bool takeProgramOptions(int argc, char **argv);

#endif // MUON_TOOLS_PROGRAM_OPTIONS_H
