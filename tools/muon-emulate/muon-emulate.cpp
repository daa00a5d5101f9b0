//===- muon-emulate.cpp - a kernel or a whole program on the emulator -------------------------===//
//
//   muon-emulate KERNEL.bc                 what muon-opt --dump-kernels wrote; KERNEL.cubin.json beside it
//   muon-emulate PROGRAM.so --symbol step  a program built with --embed-bitcode
//
// The exit code is 1 if a kernel has a fault, 2 if the files are wrong.
//
//===--------------------------------------------------------------------------------------------------===//

#include "RunKernel.h"
#include "RunProgram.h"

#include "muon/Compiler/ParseJson.h"
#include "muon/Emulator/Emulator.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <dlfcn.h>

using namespace llvm;
using namespace muon::emulate;

static cl::OptionCategory category("muon-emulate options");
static cl::opt<std::string> input(cl::Positional, cl::Required, cl::desc("KERNEL.bc or PROGRAM.so"), cl::cat(category));
static cl::opt<std::string> description("description", cl::desc("the kernel's JSON (default: beside the bitcode)"),
                                        cl::cat(category));
static cl::opt<std::string> symbol("symbol", cl::desc("the program's name in the library (default: its file name)"),
                                   cl::cat(category));
static cl::opt<std::string> reference("reference",
                                      cl::desc("a library whose CPU variant does the same steps, to compare with"),
                                      cl::cat(category));
static cl::opt<unsigned> steps("steps", cl::desc("steps of a program"), cl::init(1), cl::cat(category));
static cl::list<std::string> scalars("scalar", cl::desc("a scalar of a program"), cl::value_desc("name=value"),
                                     cl::cat(category));
static cl::opt<muonEmulatorChecks>
    checks("checks", cl::desc("what is looked for"), cl::init(MUON_EMULATOR_ALL), cl::cat(category),
           cl::values(clEnumValN(MUON_EMULATOR_ALL, "all", "bounds, alignment, uninitialised reads, races"),
                      clEnumValN(MUON_EMULATOR_MEMORY, "memory", "without races"),
                      clEnumValN(MUON_EMULATOR_VALUES, "values", "results only")));
static cl::list<uint64_t> seeds("seeds", cl::desc("schedules: 0 is round-robin (default: 0)"), cl::CommaSeparated,
                                cl::cat(category));
static cl::opt<std::string> chip("chip", cl::desc("the emulated chip (default: the kernel's, else sm_80)"),
                                 cl::cat(category));
static cl::opt<Fill> contents("fill", cl::desc("contents of buffers"), cl::init(Fill::random), cl::cat(category),
                              cl::values(clEnumValN(Fill::random, "random", "uniform in [-1, 1)"),
                                         clEnumValN(Fill::integers, "integers", "integers from -4 to 4"),
                                         clEnumValN(Fill::zero, "zero", "zeros")));
static cl::opt<uint64_t> dataSeed("data-seed", cl::desc("seed of the contents"), cl::init(1), cl::cat(category));
static cl::opt<bool> counters("counters", cl::desc("print what was counted"), cl::cat(category));

static Expected<json::Value> readDescription() {
  SmallString<128> path(description.empty() ? StringRef(input) : StringRef(description));
  if (description.empty()) {
    sys::path::replace_extension(path, "cubin.json"); // what muon-opt writes
    if (!sys::fs::exists(path))
      path = (input.substr(0, input.size() - 2) + "json");
  }
  auto file = MemoryBuffer::getFile(path);
  if (!file)
    return createStringError("cannot read '" + path.str() + "': " + file.getError().message());
  Expected<json::Value> value = muon::parseJson((*file)->getBuffer());
  if (!value)
    return createStringError("'" + path.str() + "': " + toString(value.takeError()));
  if (!value->getAsObject())
    return createStringError("'" + path.str() + "': expected a JSON object");
  return value;
}

static Error start(StringRef wanted) {
  if (!wanted.empty())
    setenv("MUON_EMULATE_CHIP", wanted.str().c_str(), 1);
  if (CUresult error = cuInit(0)) {
    const char *name = nullptr;
    cuGetErrorName(error, &name);
    return createStringError("the emulator does not start: " + Twine(name ? name : "an unknown error"));
  }
  muonEmulatorSetChecks(checks);
  return Error::success();
}

static Error runOnce(ProgramOptions &options, bool isProgram, const json::Value *kernel, StringRef bitcode) {
  return isProgram ? runProgram(options) : runKernel(bitcode, *kernel->getAsObject(), contents, dataSeed);
}

static void printCounters() {
  muonEmulatorCounters count;
  muonEmulatorCount(&count);
  outs() << count.launches << " launches, " << count.blocks << " blocks, " << count.multiplyAdds
         << " multiply-adds by mma, " << count.copiedBytes << " bytes by asynchronous copies, " << count.matrixLoads
         << " matrices loaded, " << count.bankConflicts << " bank conflicts\n";
}

static Error parseScalars(ProgramOptions &options) {
  for (const std::string &text : scalars) {
    auto [name, value] = StringRef(text).split('=');
    double number = 0;
    if (value.getAsDouble(number))
      return createStringError("--scalar=" + text + ": expected name=number");
    options.scalars[name] = number;
  }
  return Error::success();
}

/// Whether a schedule showed a fault.
static Expected<bool> run() {
  bool isProgram = !StringRef(input).ends_with(".bc");
  ProgramOptions options;
  // Without a directory the loader would search its own.
  auto asPath = [](const std::string &name) {
    return name.empty() || StringRef(name).contains('/') ? name : "./" + name;
  };
  options.library = asPath(input);
  options.symbol = symbol.empty() ? sys::path::stem(input).str() : symbol.getValue();
  options.referenceLibrary = asPath(reference);
  options.fill = contents;
  options.dataSeed = dataSeed;
  options.steps = steps;
  if (Error error = parseScalars(options))
    return std::move(error);
  json::Value kernel(nullptr);
  std::unique_ptr<MemoryBuffer> bitcode;
  std::string wanted = chip;
  if (!isProgram) {
    auto file = MemoryBuffer::getFile(input, false, false);
    if (!file)
      return createStringError("cannot read '" + input + "': " + file.getError().message());
    bitcode = std::move(*file);
    Expected<json::Value> read = readDescription();
    if (!read)
      return read.takeError();
    kernel = std::move(*read);
    if (wanted.empty())
      wanted = kernel.getAsObject()->getString("chip").value_or("").str();
  }
  if (Error error = start(wanted))
    return std::move(error);
  bool faults = false, first = true;
  for (uint64_t seed : seeds.empty() ? std::vector<uint64_t>{0} : std::vector<uint64_t>(seeds.begin(), seeds.end())) {
    if (!first) // a fault the environment injects is for the first schedule
      muonEmulatorReset();
    first = false;
    muonEmulatorSetSchedule(seed);
    if (Error error = runOnce(options, isProgram, &kernel, bitcode ? bitcode->getBuffer() : ""))
      return std::move(error);
    bool bad = cuCtxSynchronize() || *muonEmulatorReports();
    faults |= bad;
    outs() << "schedule " << seed << ": " << (bad ? "faults" : "clean") << "\n";
    if (counters)
      printCounters();
  }
  return faults;
}

int main(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "muon-emulate: runs GPU kernels on this processor and checks them\n");
  // The runtime shall open the very driver this tool is linked with.
  Dl_info library;
  if (dladdr(reinterpret_cast<void *>(cuInit), &library))
    setenv("MUON_CUDA_DRIVER", library.dli_fname, 1);
  Expected<bool> faults = run();
  if (!faults) {
    errs() << "muon-emulate: " << toString(faults.takeError()) << "\n";
    return 2;
  }
  return *faults;
}
