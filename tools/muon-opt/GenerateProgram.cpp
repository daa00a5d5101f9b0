//===- GenerateProgram.cpp - muon-opt --shape ...: shapes to a program ------------------------===//

#include "GenerateProgram.h"
#include "ProgramOptions.h"

#include "muon/Compiler/Compiler.h"
#include "muon/Compiler/Safetensors.h"
#include "muon/Compiler/TuningDatabase.h"
#include "muon/Object/Files.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"

#include <numeric>

using namespace muon;
using llvm::StringRef;

static llvm::Error refuse(const llvm::Twine &why) { return llvm::createStringError(why); }

/// An option that says one thing, said twice: the first would be dropped.
static llvm::Error checkSaidOnce(const cl::OptionCategory *category) {
  for (auto &[name, option] : cl::getRegisteredOptions())
    if (llvm::is_contained(option->Categories, category) && option->getNumOccurrences() > 1 &&
        !llvm::is_contained({"shape", "shapes-from", "tile"}, name)) // lists
      return refuse("expected -" + llvm::Twine(name.size() > 1 ? "-" : "") + name + " once, got it " +
                    llvm::Twine(option->getNumOccurrences()) + " times");
  return llvm::Error::success();
}

static bool takesVectors(const ProgramOptions &options) { return options.vectors.getNumOccurrences(); }

/// A group that --preset does not take as matrices.
static void becomeVectors(GroupRequest &group) {
  group.step.preset = "rms";
  group.set = "vectors";
}

/// A group of `count` parameters p0, p1, ... of one shape.
static llvm::Error addShape(StringRef text, const ProgramOptions &options, Request &request, unsigned &serial) {
  auto malformed = [&] {
    return refuse("malformed shape '" + text +
                  "', expected ROWSxCOLUMNS or ROWSxCOLUMNS*COUNT, sizes up to 2^31 and counts up to a million");
  };
  auto [sizes, countText] = text.split('*');
  uint64_t count = 1;
  if (text.contains('*') && (countText.getAsInteger(10, count) || count == 0 || count > 1'000'000))
    return malformed();
  GroupRequest group;
  group.step.weight = options.weight;
  llvm::SmallVector<StringRef> parts;
  sizes.split(parts, 'x');
  for (StringRef part : parts) {
    int64_t size;
    if (part.getAsInteger(10, size) || size < 1 || size > (int64_t(1) << 31))
      return malformed();
    group.step.shape.push_back(size);
  }
  if (takesVectors(options) && group.step.shape.size() == 1)
    becomeVectors(group);
  for (uint64_t i = 0; i < count; ++i)
    group.parameters.push_back("p" + std::to_string(serial++));
  request.groups.push_back(std::move(group));
  return llvm::Error::success();
}

namespace {
/// What the tensors of one group have in common.
struct FileGroup {
  std::vector<int64_t> shape;
  std::string weight, kind;
  bool isVector;

  auto operator<=>(const FileGroup &) const = default;
};
using FileGroups = llvm::MapVector<FileGroup, std::vector<std::string>, std::map<FileGroup, unsigned>>;
} // namespace

/// The type of a weight as the file says it, unless --weight-dtype does.
static llvm::Expected<std::string> weightOf(const TensorInfo &tensor, StringRef path, const ProgramOptions &options) {
  if (options.weight.getNumOccurrences())
    return options.weight;
  if (tensor.dtype == "F32" || tensor.dtype == "BF16")
    return StringRef(tensor.dtype).lower();
  return refuse(path + ": " + tensor.name + " has dtype " + tensor.dtype +
                ", expected F32 or BF16, or --weight-dtype f32 or bf16 for what the trainer keeps");
}

/// Says what of a file was taken and what was not, and adds the former to the groups.
static llvm::Error sortTensors(StringRef path, const ProgramOptions &options, FileGroups &groups) {
  auto tensors = readSafetensorsHeader(path);
  if (!tensors)
    return tensors.takeError();
  for (const TensorInfo &tensor : *tensors) {
    std::string why = cantFail(whyExcluded(tensor, options.exclude, takesVectors(options))), shape;
    for (auto [i, size] : llvm::enumerate(tensor.shape))
      shape += (i ? "x" : "") + std::to_string(size);
    FileGroup group{tensor.shape, "", "", tensor.shape.size() != 2};
    if (group.isVector)
      group.shape = {std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t(1), std::multiplies<>())};
    llvm::errs() << (why.empty() ? "took " : "left ");
    llvm::printEscapedString(tensor.name, llvm::errs());
    llvm::errs() << " " << shape << (why.empty() ? " " + tensor.dtype : ": " + why);
    if (why.empty() && group.isVector)
      llvm::errs() << " as a vector of " << group.shape.front();
    llvm::errs() << "\n";
    if (!why.empty())
      continue;
    auto weight = weightOf(tensor, path, options);
    if (!weight)
      return weight.takeError();
    group.weight = *weight;
    if (!options.model.empty() && !group.isVector)
      group.kind = layerKind(tensor.name);
    groups[group].push_back(tensor.name);
  }
  return llvm::Error::success();
}

/// Groups the tensors of all files by shape and weight, with --model by kind of layer too.
static llvm::Error addFiles(const ProgramOptions &options, Request &request) {
  if (llvm::Error error = isExcluded("", options.exclude).takeError())
    return error;
  FileGroups groups;
  for (const std::string &path : options.shapesFrom)
    if (llvm::Error error = sortTensors(path, options, groups))
      return error;
  if (groups.empty())
    return refuse(llvm::join(options.shapesFrom, ", ") + ": expected at least one 2-D weight, found none");
  llvm::StringSet<> taken;
  for (auto &[key, names] : groups) {
    for (const std::string &name : names)
      if (!taken.insert(name).second)
        return refuse("expected each tensor in one of the files of --shapes-from, got " + name + " twice");
    GroupRequest group;
    group.step.shape = key.shape;
    group.step.weight = key.weight;
    group.parameters = std::move(names);
    if (key.isVector)
      becomeVectors(group);
    if (!key.kind.empty()) {
      group.tuned = request.tuned;
      group.tuned->layer = key.kind;
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
static llvm::Error readTuned(const ProgramOptions &options, Request &request) {
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
static llvm::Error checkSource(const ProgramOptions &options) {
  if (llvm::Error error = checkSaidOnce(&options.category))
    return error;
  if (options.shapes.empty() && options.shapesFrom.empty() && options.program.empty())
    return refuse("expected --shape, --shapes-from or --program");
  if (llvm::is_contained(options.shapesFrom, ""))
    return refuse("expected a file for --shapes-from, got ''");
  if (options.exclude.getNumOccurrences() && options.shapesFrom.empty())
    return refuse("--exclude needs --shapes-from");
  if (takesVectors(options) && options.vectors != "rms")
    return refuse("unknown --vectors '" + options.vectors + "', expected rms");
  const cl::Option *const ofPresets[] = {&options.preset, &options.vectors,  &options.earlyStop, &options.stepOptions,
                                         &options.weight, &options.gradient, &options.momentum};
  for (const cl::Option *option : ofPresets)
    if (option->getNumOccurrences() && !options.program.empty())
      return refuse("--" + option->ArgStr + " is for a preset's step function, got it with --program");
  return llvm::Error::success();
}

/// What is said of every step function; what only a preset for matrices has is not for vectors.
static llvm::Error applyOptions(const ProgramOptions &options, GroupRequest &group) {
  group.step.gradient = options.gradient;
  group.step.momentum = options.momentum;
  if (takesVectors(options) && group.step.preset == "rms")
    return llvm::Error::success();
  group.step.preset = options.preset;
  if (options.stepOptions.getNumOccurrences())
    if (llvm::Error error = readStepOptions(options.stepOptions, group.step))
      return error;
  if (options.earlyStop.getNumOccurrences() && group.step.earlyStop)
    return refuse("expected --early-stop or early_stop in --options, got both");
  if (options.earlyStop.getNumOccurrences())
    group.step.earlyStop = options.earlyStop;
  return llvm::Error::success();
}

static llvm::Expected<Request> buildRequest(const ProgramOptions &options) {
  Request request;
  bool own = !options.program.empty(); // and may say itself what is not said here
  if (!own || options.name.getNumOccurrences())
    request.name = options.name;
  else
    request.name.clear();
  request.dtype = options.dtype;
  request.form = options.form;
  request.side = options.side;
  if (options.nonfinite.getNumOccurrences())
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
  request.targets.clear();
  if (!own || options.target.getNumOccurrences())
    request.targets = splitTargets(options.target);
  unsigned serial = 0;
  for (const std::string &shape : options.shapes)
    if (llvm::Error error = addShape(shape, options, request, serial))
      return error;
  if (!options.shapesFrom.empty())
    if (llvm::Error error = addFiles(options, request))
      return error;
  if (!options.program.empty()) {
    auto file = llvm::MemoryBuffer::getFile(options.program, /*IsText=*/true);
    if (!file)
      return refuse("cannot read --program '" + options.program + "': " + file.getError().message());
    request.program = (*file)->getBuffer().str();
    if (request.program.empty())
      return refuse("--program '" + options.program + "': expected step functions, got an empty file");
  }
  for (GroupRequest &group : request.groups)
    if (llvm::Error error = applyOptions(options, group))
      return error;
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
static llvm::Expected<std::optional<Emit>> chooseEmission(const ProgramOptions &options) {
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

static llvm::Error run(const ProgramOptions &options) {
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
  ProgramOptions &options = programOptions();
  cl::HideUnrelatedOptions(options.category);
  std::string trouble;
  llvm::raw_string_ostream says(trouble);
  if (!cl::ParseCommandLineOptions(argc, argv,
                                   "a program for the Muon optimizer from matrix shapes, as in\n"
                                   "  muon-opt --shape 768x3072 --preset keller --target cpu --emit object -o step.o\n"
                                   "or passes over a file, as in\n"
                                   "  muon-opt step.mlir --muon-pipeline=stop-after=plan -o plan.mlir\n"
                                   "Passes and their options: muon-opt --help step.mlir\n",
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
