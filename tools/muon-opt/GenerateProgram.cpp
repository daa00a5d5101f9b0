//===- GenerateProgram.cpp - muon-opt --shape ...: shapes to a program ------------------------===//

#include "GenerateProgram.h"

#include "muon/CPU/Targets.h"
#include "muon/Compiler/Compiler.h"
#include "muon/Compiler/Safetensors.h"
#include "muon/Compiler/TuningDatabase.h"
#include "muon/GPU/Targets.h"
#include "muon/Object/Files.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"

using namespace muon;
using llvm::StringRef;
namespace cl = llvm::cl;

/// The names that --target takes.
static StringRef targetHelp() {
  static const std::string text =
      "cpu (this machine), processors or GPUs, comma-separated: one variant each; SCHEDULE@PROCESSOR runs the schedule "
      "of one on another. Known: " +
      llvm::join(knownTargets(), ", ") + ", " + llvm::join(knownGpuTargets(), ", ") + " (default cpu)";
  return text;
}

static StringRef excludeHelp() {
  static const std::string text =
      std::string("names that --shapes-from leaves out (regular expression; empty: none; default ") + kDefaultExclude +
      ")";
  return text;
}

namespace {
/// Registered only in this mode: muon-opt's pass driver has options of the same names.
struct Options {
  cl::OptionCategory category{"Program options"};
  cl::list<std::string> shapes{"shape",
                               cl::desc("ROWSxCOLUMNS, or ROWSxCOLUMNS*COUNT for COUNT parameters; may be repeated"),
                               cl::cat(category)};
  cl::opt<std::string> shapesFrom{"shapes-from",
                                  cl::desc("take the 2-D weights of a .safetensors file (only its header is read)"),
                                  cl::cat(category)};
  cl::opt<std::string> program{
      "program", cl::desc("compile the step functions of a file in the muon dialect instead of a preset's"),
      cl::cat(category)};
  cl::opt<std::string> exclude{"exclude", cl::desc(excludeHelp()), cl::init(kDefaultExclude), cl::cat(category)};
  cl::opt<std::string> preset{"preset", cl::desc("which Muon (default keller)"), cl::init("keller"), cl::cat(category)};
  cl::opt<std::string> dtype{
      "dtype",
      cl::desc("operand type of the products: auto, f32, bf16, f16 (GPUs, avx512_fp16 without AMX), tf32 (GPUs); "
               "default auto"),
      cl::init("auto"), cl::cat(category)};
  cl::opt<std::string> form{"form", cl::desc("auto, standard or gram (default auto)"), cl::init("auto"),
                            cl::cat(category)};
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
  cl::opt<std::string> weight{"weight-dtype", cl::desc("f32 or bf16"), cl::init("f32"), cl::cat(category)};
  cl::opt<std::string> gradient{"gradient-dtype", cl::desc("f32 or bf16"), cl::init("f32"), cl::cat(category)};
  cl::opt<std::string> momentum{"momentum-dtype", cl::desc("f32 or bf16"), cl::init("f32"), cl::cat(category)};
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
} // namespace

static Options &registeredOptions() {
  static Options options;
  return options;
}

/// Whether there is an option of ours. Those of the pass driver's are not among them: where there is none they make
/// room.
bool asksForProgram(int argc, char **argv) {
  const cl::OptionCategory *category = &registeredOptions().category;
  llvm::StringMap<cl::Option *> ours;
  for (auto &[name, option] : cl::getRegisteredOptions())
    if (llvm::is_contained(option->Categories, category))
      ours[name] = option;
  bool asks = llvm::any_of(llvm::ArrayRef(argv + 1, argv + argc), [&](const char *argument) {
    StringRef flag = StringRef(argument).split('=').first;
    return flag.consume_front("-") && flag != "o" && ours.contains(flag.ltrim('-'));
  });
  for (auto &option : ours)
    if (!asks)
      option.second->removeArgument();
  return asks;
}

static llvm::Error refuse(const llvm::Twine &why) { return llvm::createStringError(why); }

/// A group of `count` parameters p0, p1, ... of one shape.
static llvm::Error addShape(StringRef text, Request &request, unsigned &serial) {
  auto malformed = [&] {
    return refuse("malformed shape '" + text +
                  "', expected ROWSxCOLUMNS or ROWSxCOLUMNS*COUNT, sizes up to 2^31 and counts up to a million");
  };
  auto [sizes, countText] = text.split('*');
  uint64_t count = 1;
  if (text.contains('*') && (countText.getAsInteger(10, count) || count == 0 || count > 1'000'000))
    return malformed();
  GroupRequest group;
  llvm::SmallVector<StringRef> parts;
  sizes.split(parts, 'x');
  for (StringRef part : parts) {
    int64_t size;
    if (part.getAsInteger(10, size) || size < 1 || size > (int64_t(1) << 31))
      return malformed();
    group.step.shape.push_back(size);
  }
  for (uint64_t i = 0; i < count; ++i)
    group.parameters.push_back("p" + std::to_string(serial++));
  request.groups.push_back(std::move(group));
  return llvm::Error::success();
}

/// Groups the tensors of a file by shape, with `byKind` by kind of layer too, and says what was taken and what was not.
static llvm::Error addFile(StringRef path, StringRef exclude, bool byKind, Request &request) {
  if (llvm::Error error = isExcluded("", exclude).takeError())
    return error;
  auto tensors = readSafetensorsHeader(path);
  if (!tensors)
    return tensors.takeError();
  using Key = std::pair<std::vector<int64_t>, std::string>;
  llvm::MapVector<Key, std::vector<std::string>, std::map<Key, unsigned>> groups;
  for (const TensorInfo &tensor : *tensors) {
    std::string why = cantFail(whyExcluded(tensor, exclude)), shape;
    for (auto [i, size] : llvm::enumerate(tensor.shape))
      shape += (i ? "x" : "") + std::to_string(size);
    llvm::errs() << (why.empty() ? "took " : "left ");
    llvm::printEscapedString(tensor.name, llvm::errs());
    llvm::errs() << " " << shape << (why.empty() ? " " + tensor.dtype : ": " + why) << "\n";
    if (why.empty())
      groups[{tensor.shape, byKind ? layerKind(tensor.name) : ""}].push_back(tensor.name);
  }
  if (groups.empty())
    return refuse(path + ": expected at least one 2-D weight, found none");
  for (auto &[key, names] : groups) {
    GroupRequest group;
    group.step.shape = key.first;
    group.parameters = std::move(names);
    if (byKind) {
      group.tuned = request.tuned;
      group.tuned->layer = key.second;
    }
    request.groups.push_back(std::move(group));
  }
  return llvm::Error::success();
}

/// Row numbers; an option that was not given stays open.
static llvm::Error readRows(const cl::opt<std::string> &option, std::optional<std::vector<int64_t>> &asked) {
  if (!option.getNumOccurrences())
    return llvm::Error::success();
  asked.emplace();
  StringRef text = option;
  llvm::SmallVector<StringRef> rows;
  text.split(rows, ',', -1, !text.empty());
  for (StringRef row : rows)
    if (row.getAsInteger(10, asked->emplace_back()))
      return refuse("malformed --" + option.ArgStr + " '" + text + "', expected row numbers as in 3 or 2,4");
  return llvm::Error::success();
}

/// --tuned with what goes with it.
static llvm::Error readTuned(const Options &options, Request &request) {
  if (!options.tuned) {
    for (const cl::Option *option :
         {static_cast<const cl::Option *>(&options.floor), static_cast<const cl::Option *>(&options.band),
          static_cast<const cl::Option *>(&options.database), static_cast<const cl::Option *>(&options.model)})
      if (option->getNumOccurrences())
        return refuse("--" + option->ArgStr + " needs --tuned");
    return llvm::Error::success();
  }
  TuningQuery &query = request.tuned.emplace();
  query.database = options.database;
  query.model = options.model;
  if (!query.model.empty() && options.shapesFrom.empty())
    return refuse("--model needs --shapes-from: floors are found by the parameters' names");
  if (options.floor.getNumOccurrences())
    query.floor = options.floor;
  if (!options.band.getNumOccurrences())
    return llvm::Error::success();
  auto [lower, upper] = StringRef(options.band).split(':');
  query.band.emplace();
  if (lower.getAsDouble(query.band->lower) || upper.getAsDouble(query.band->upper))
    return refuse("malformed --band '" + options.band + "', expected LOWER:UPPER as in 0.7:1.3");
  return llvm::Error::success();
}

/// What to compile, and nothing that would be left aside.
static llvm::Error checkSource(const Options &options) {
  if (options.shapes.empty() && options.shapesFrom.empty() && options.program.empty())
    return refuse("expected --shape, --shapes-from or --program");
  if (options.exclude.getNumOccurrences() && options.shapesFrom.empty())
    return refuse("--exclude needs --shapes-from");
  const cl::Option *const ofPresets[] = {&options.preset, &options.earlyStop, &options.stepOptions,
                                         &options.weight, &options.gradient,  &options.momentum};
  for (const cl::Option *option : ofPresets)
    if (option->getNumOccurrences() && !options.program.empty())
      return refuse("--" + option->ArgStr + " is for a preset's step function, got it with --program");
  return llvm::Error::success();
}

static llvm::Expected<Request> buildRequest(const Options &options) {
  Request request;
  request.name = options.name;
  request.dtype = options.dtype;
  request.form = options.form;
  request.nonfinite = options.nonfinite;
  request.embedBitcode = options.embedBitcode;
  request.chain = options.chain;
  request.tile.assign(options.tile.begin(), options.tile.end());
  request.parts = options.parts;
  if (llvm::Error error = readRows(options.restarts, request.restarts))
    return error;
  if (llvm::Error error = readRows(options.pairs, request.pairs))
    return error;
  if (llvm::Error error = readTuned(options, request))
    return error;
  request.targets = splitTargets(options.target);
  unsigned serial = 0;
  for (const std::string &shape : options.shapes)
    if (llvm::Error error = addShape(shape, request, serial))
      return error;
  if (!options.shapesFrom.empty())
    if (llvm::Error error = addFile(options.shapesFrom, options.exclude, !options.model.empty(), request))
      return error;
  if (!options.program.empty()) {
    auto file = llvm::MemoryBuffer::getFile(options.program, /*IsText=*/true);
    if (!file)
      return refuse("cannot read --program '" + options.program + "': " + file.getError().message());
    request.program = (*file)->getBuffer().str();
    if (request.program.empty())
      return refuse("--program '" + options.program + "': expected step functions, got an empty file");
  }
  for (GroupRequest &group : request.groups) {
    group.step.preset = options.preset;
    group.step.weight = options.weight;
    group.step.gradient = options.gradient;
    group.step.momentum = options.momentum;
    if (options.stepOptions.getNumOccurrences())
      if (llvm::Error error = readStepOptions(options.stepOptions, group.step))
        return error;
    if (options.earlyStop.getNumOccurrences() && group.step.earlyStop)
      return refuse("expected --early-stop or early_stop in --options, got both");
    if (options.earlyStop.getNumOccurrences())
      group.step.earlyStop = options.earlyStop;
  }
  return request;
}

static llvm::Error print(StringRef bytes) {
  llvm::outs() << bytes;
  llvm::outs().flush();
  std::error_code failure = llvm::outs().error();
  llvm::outs().clear_error();
  return failure ? refuse("cannot write the standard output: " + failure.message()) : llvm::Error::success();
}

/// What to write, before anything is compiled for it; nothing where kernels are dumped and no file was asked for.
static llvm::Expected<std::optional<Emit>> chooseEmission(const Options &options) {
  auto emit = parseEmit(options.emit);
  if (!emit)
    return emit.takeError();
  if (!options.dumpKernels.empty() && !options.emit.getNumOccurrences() && options.output.empty())
    return options.report ? std::optional(Emit::report) : std::nullopt;
  if (options.output.empty() && isBinary(*emit))
    return refuse("expected -o FILE for the emission '" + options.emit + "'");
  if (llvm::sys::fs::is_directory(options.output))
    return refuse("expected a file to write, got the directory '" + options.output + "'");
  return *emit;
}

static llvm::Error run(const Options &options) {
  if (llvm::Error error = checkSource(options))
    return error;
  auto emit = chooseEmission(options);
  if (!emit)
    return emit.takeError();
  auto request = buildRequest(options);
  if (!request)
    return request.takeError();
  if (!options.dumpKernels.empty())
    if (llvm::Error error = dumpKernels(*request, options.dumpKernels))
      return error;
  if (!*emit)
    return llvm::Error::success();
  std::string report;
  bool reports = options.report && **emit != Emit::report, prints = options.output.empty() || options.output == "-";
  auto bytes = compile(*request, **emit, reports ? &report : nullptr);
  if (!bytes)
    return bytes.takeError();
  if (llvm::Error error = prints ? print(*bytes) : publish(options.output, *bytes))
    return error;
  return print(report);
}

int generateProgram(int argc, char **argv) {
  Options &options = registeredOptions();
  cl::HideUnrelatedOptions(options.category);
  std::string trouble;
  llvm::raw_string_ostream says(trouble);
  if (!cl::ParseCommandLineOptions(argc, argv, "muon-opt: a program for the Muon optimizer from matrix shapes\n",
                                   &says)) {
    if (!trouble.empty()) // else said already. One line: what follows the first are guesses
      llvm::WithColor::error(llvm::errs(), "muon-opt")
          << StringRef(trouble).split('\n').first.split(": ").second << "\n";
    return 1;
  }
  llvm::Error error = run(options);
  if (!error)
    return 0;
  llvm::WithColor::error(llvm::errs(), "muon-opt") << llvm::toString(std::move(error)) << "\n";
  return 1;
}
