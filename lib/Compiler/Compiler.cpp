//===- Compiler.cpp - request to program ------------------------------------------------------===//

#include "muon/Compiler/Compiler.h"

#include "CheckRequest.h"
#include "FirstDiagnostic.h"
#include "GpuCode.h"
#include "LinkLibrary.h"
#include "OwnProgram.h"
#include "Report.h"
#include "StateRequest.h"
#include "Tuned.h"

#include "muon/CPU/Targets.h"
#include "muon/Compiler/Walk.h"
#include "muon/GPU/Targets.h"
#include "muon/IR/Request.h"
#include "muon/Object/CompileObject.h"
#include "muon/Object/EmitDescription.h"
#include "muon/Object/TranslateModule.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Linker/Linker.h"

using namespace mlir;
using namespace muon;

namespace {
/// One target's program on its way through the rooms.
struct Variant {
  OwningOpRef<ModuleOp> planned;
  TargetAttr target;
};

/// Of the i-th variant's kernels: a dot, so that no program is called like one.
std::string kernelPrefix(size_t i) { return "v" + std::to_string(i) + "."; }

bool isForGpu(const Variant &variant) { return variant.target.isGpu(); }

class Compilation {
public:
  explicit Compilation(const Request &request) : request(request), context(MLIRContext::Threading::DISABLED) {
    DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }
  /// `again`: another emission follows, from the same plan and the same code.
  llvm::Expected<std::string> emit(Emit kind, bool again = false);
  llvm::Error dump(StringRef directory);

private:
  llvm::Expected<Variant> plan(StringRef targetName);
  llvm::Error buildSteps(ModuleOp module, TargetAttr target, StringRef targetName);
  llvm::Expected<GroupRequest> tune(const GroupRequest &group, StringRef targetName);
  std::string stepName(const GroupRequest &group);
  llvm::Expected<std::unique_ptr<llvm::Module>> generate(ArrayRef<Variant> variants);
  llvm::Expected<std::unique_ptr<llvm::Module>> generateKernels(const Variant &variant, StringRef prefix);
  llvm::Error planAll();
  llvm::Expected<std::unique_ptr<llvm::Module>> translateOnce(bool again, bool blocks);
  llvm::Expected<std::string> emitGpu(const Variant &variant, Emit kind, bool again);
  llvm::Expected<std::string> emitAssembly(bool again);
  llvm::Expected<llvm::json::Object> reportOnGpu(const Variant &variant, bool again);
  llvm::Expected<std::string> emitReport(bool again);
  llvm::Expected<TargetAttr> hostOf(ArrayRef<Variant> variants);

  const Request &request;
  MLIRContext context;
  llvm::LLVMContext llvmContext;
  llvm::StringMap<unsigned> names; ///< how many groups are called so
  std::vector<Variant> variants;
  std::unique_ptr<llvm::Module> translated;
  bool translatedBlocks = false;
};
} // namespace

/// preset_rowsxcolumns, made unique: what reports and descriptions call the group.
std::string Compilation::stepName(const GroupRequest &group) {
  std::string name = group.step.preset;
  for (auto [i, size] : llvm::enumerate(group.step.shape))
    name += (i ? "x" : "_") + std::to_string(size);
  unsigned earlier = names[name]++;
  return earlier ? name + "_" + std::to_string(earlier) : name;
}

/// The group with the options that the tuning database has for it on this target.
llvm::Expected<GroupRequest> Compilation::tune(const GroupRequest &group, StringRef targetName) {
  auto answer = lookupTuned(context, request, group, targetName);
  if (!answer)
    return answer.takeError();
  GroupRequest tuned = group;
  if (!*answer)
    return tuned;
  tuned.tunedBy = (*answer)->said;
  if ((*answer)->plan)
    if (llvm::Error error =
            applyPlan(llvm::formatv("{0}", llvm::json::Value(std::move(*(*answer)->plan))).str(), tuned.step))
      return std::move(error);
  tuned.served = servedBand(**answer, tuned.step.norm.value_or(""));
  return tuned;
}

llvm::Error Compilation::buildSteps(ModuleOp module, TargetAttr target, StringRef targetName) {
  OpBuilder builder(&context);
  OwningOpRef<ProgramOp> program = ProgramOp::create(builder, module.getLoc(), request.name);
  OpBuilder uses = OpBuilder::atBlockBegin(&program->getBody().emplaceBlock());
  for (const GroupRequest &asked : request.groups) {
    llvm::Expected<GroupRequest> tuned = tune(asked, targetName);
    if (!tuned)
      return tuned.takeError();
    const GroupRequest &group = *tuned;
    StepOptions step = group.step;
    if (step.earlyStop && target.isGpu())
      return llvm::createStringError("expected a CPU target for early_stop, got " + targetName);
    // Its own restarts or pairs, or an early stop, are of a form it must name.
    if ((step.restarts || step.pairs || step.earlyStop) && !step.form && request.form != "auto")
      step.form = request.form;
    std::string name = stepName(group);
    llvm::Expected<func::FuncOp> function = buildStep(module, name, step);
    if (!function)
      return function.takeError();
    if (RequestAttr own = stateRequest(&context, group))
      (*function)->setAttr(kRequest, own);
    if (!group.tunedBy.empty())
      (*function)->setAttr("muon.tuned", builder.getStringAttr(group.tunedBy));
    SmallVector<StringRef> parameters(group.parameters.begin(), group.parameters.end());
    UseOp::create(uses, module.getLoc(), name, builder.getStrArrayAttr(parameters), group.set);
  }
  // A group may be called what the program is.
  SymbolTable(module).insert(program.release(), module.getBody()->begin());
  return llvm::Error::success();
}

/// A processor's name, or SCHEDULE@PROCESSOR: how one computes, in instructions that the other has.
static llvm::Expected<TargetAttr> parseTarget(MLIRContext *context, StringRef text) {
  if (namesGpu(text))
    return lookupGpuTarget(context, text);
  auto [name, machine] = text.split('@');
  llvm::Expected<TargetAttr> target = lookupTarget(context, name);
  if (!target || !text.contains('@'))
    return target;
  llvm::Expected<TargetAttr> runsOn = lookupTarget(context, machine);
  return runsOn ? scheduleOn(*target, *runsOn) : std::move(runsOn);
}

llvm::Expected<Variant> Compilation::plan(StringRef targetName) {
  llvm::Expected<TargetAttr> target = parseTarget(&context, targetName);
  if (!target)
    return target.takeError();
  if (llvm::Error error = checkTarget(request, *target, targetName))
    return error;
  names.clear();
  FirstDiagnostic diagnostic(&context);
  Variant variant{ModuleOp::create(UnknownLoc::get(&context)), *target};
  bool own = !request.program.empty();
  if (own && !(variant.planned = parseSourceString<ModuleOp>(request.program, &context, "program")))
    return diagnostic.error();
  ModuleOp module = *variant.planned;
  if (own && failed(takeProgram(module, request.name)))
    return diagnostic.error();
  RequestAttr asked = stateRequest(request, *target);
  if (!asked)
    return diagnostic.error();
  module->setAttr(kRequest, asked);
  if (!own)
    if (llvm::Error failure = buildSteps(module, *target, targetName))
      return failure;
  if (failed(verify(module)))
    return diagnostic.error();
  if (llvm::Error error = checkNames(module))
    return error;
  if (failed(walk(module, Room::plan)))
    return diagnostic.error();
  return variant;
}

llvm::Expected<std::unique_ptr<llvm::Module>> Compilation::generateKernels(const Variant &variant, StringRef prefix) {
  OwningOpRef<ModuleOp> lowered(cast<ModuleOp>(variant.planned.get()->clone()));
  FirstDiagnostic diagnostic(&context);
  if (failed(walk(*lowered, Room::cpu)))
    return diagnostic.error();
  std::unique_ptr<llvm::Module> code = translate(*lowered, llvmContext);
  if (!code)
    return diagnostic.error();
  optimise(*code);
  for (llvm::Function &function : *code)
    if (!function.isDeclaration()) {
      function.setName(Twine(prefix) + function.getName());
      function.setLinkage(llvm::GlobalValue::ExternalLinkage); // the linker drops what is internal and not yet used
    }
  return code;
}

llvm::Expected<std::unique_ptr<llvm::Module>> Compilation::generate(ArrayRef<Variant> variants) {
  // Without a CPU variant it only holds the description and the images.
  auto all = std::make_unique<llvm::Module>(request.name, llvmContext);
  SmallVector<DescribedVariant> described;
  for (auto [i, variant] : llvm::enumerate(variants)) {
    std::string prefix = kernelPrefix(i);
    auto code =
        variant.target.isGpu() ? generateBlocks(*variant.planned, llvmContext) : generateKernels(variant, prefix);
    if (!code)
      return code.takeError();
    DescribedVariant description;
    description.planned = *variant.planned;
    description.kernelPrefix = prefix;
    description.features = llvm::join(requiredFeatures(variant.target), ",");
    description.report = reportText(*variant.planned);
    description.preference = variants.size() - i; // as the request lists them
    if (variant.target.isGpu()) {
      if (llvm::Error error = addImages(**code, *variant.planned, request.embedBitcode, description))
        return std::move(error);
    } else if (llvm::Linker::linkModules(*all, std::move(*code))) {
      return llvm::createStringError("the variants could not be linked");
    }
    described.push_back(std::move(description));
  }
  SmallVector<llvm::Function *> kernels;
  for (llvm::Function &function : *all)
    if (!function.isDeclaration())
      kernels.push_back(&function);
  emitDescription(*all, request.name, described);
  // Several programs share a process: only the query function is visible.
  for (llvm::Function *kernel : kernels)
    kernel->setLinkage(llvm::GlobalValue::InternalLinkage);
  return all;
}

static std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  op->print(stream);
  stream << "\n";
  return text;
}

/// One object holds all CPU variants' code, and the GPU variants' as data.
static llvm::Error checkOneSystem(ArrayRef<Variant> variants) {
  std::optional<llvm::Triple> first;
  for (const Variant &variant : variants) { // vendors differ between this machine and a name
    llvm::Triple other(variant.target.getTriple());
    if (variant.target.isGpu())
      continue;
    if (first && (other.getArch() != first->getArch() || other.getOS() != first->getOS()))
      return llvm::createStringError("expected targets of one architecture and system, got " + first->str() + " and " +
                                     other.str());
    first = other;
  }
  return llvm::Error::success();
}

/// What the object is for: the first CPU variant's processor, else this machine.
llvm::Expected<TargetAttr> Compilation::hostOf(ArrayRef<Variant> variants) {
  for (const Variant &variant : variants)
    if (!variant.target.isGpu())
      return variant.target;
  return parseTarget(&context, "native");
}

llvm::Error Compilation::planAll() {
  if (!variants.empty())
    return llvm::Error::success();
  for (const std::string &name : request.targets) {
    auto variant = plan(name);
    if (!variant)
      return variant.takeError();
    variants.push_back(std::move(*variant));
  }
  if (variants.empty())
    return llvm::createStringError("expected at least one target");
  return llvm::Error::success();
}

/// By way of bitcode: CloneModule changes the order of uses, and with it the machine code.
static llvm::Expected<std::unique_ptr<llvm::Module>> copyOf(const llvm::Module &code) {
  SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::WriteBitcodeToFile(code, stream, /*ShouldPreserveUseListOrder=*/true);
  return llvm::parseBitcodeFile({StringRef(bytes.data(), bytes.size()), code.getModuleIdentifier()}, code.getContext());
}

/// The code of all variants, or of a GPU's blocks where the emission is of one GPU. The code generator changes what it
/// is given: another emission to follow needs a copy.
llvm::Expected<std::unique_ptr<llvm::Module>> Compilation::translateOnce(bool again, bool blocks) {
  if (!translated || translatedBlocks != blocks) { // a GPU's object is not its blocks
    auto code = blocks ? generateBlocks(*variants.front().planned, llvmContext) : generate(variants);
    if (!code)
      return code.takeError();
    translated = std::move(*code), translatedBlocks = blocks;
  }
  std::unique_ptr<llvm::Module> code = std::move(translated);
  if (again) {
    auto copy = copyOf(*code);
    if (!copy)
      return copy.takeError();
    translated = std::move(*copy);
  }
  return code;
}

static std::string irText(const llvm::Module &code) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  code.print(stream, nullptr);
  return text;
}

/// A GPU variant's code in one of its forms.
llvm::Expected<std::string> Compilation::emitGpu(const Variant &variant, Emit kind, bool again) {
  auto code = translateOnce(again, /*blocks=*/true);
  if (!code)
    return code.takeError();
  if (kind == Emit::llvm)
    return irText(**code);
  if (kind == Emit::bitcode)
    return writeBitcode(**code);
  if (kind == Emit::ptx || kind == Emit::assembly)
    return compilePtx(**code, variant.target);
  auto cubin = compileCubin(**code, variant.target);
  if (!cubin)
    return cubin.takeError();
  return cubin->bytes;
}

/// All CPU variants' code as text.
llvm::Expected<std::string> Compilation::emitAssembly(bool again) {
  auto code = translateOnce(again, /*blocks=*/false);
  if (!code)
    return code.takeError();
  llvm::Expected<TargetAttr> host = hostOf(variants);
  if (!host)
    return host.takeError();
  return compileAssembly(**code, *host);
}

llvm::Expected<llvm::json::Object> Compilation::reportOnGpu(const Variant &variant, bool again) {
  auto code =
      variants.size() == 1 ? translateOnce(again, /*blocks=*/true) : generateBlocks(*variant.planned, llvmContext);
  if (!code)
    return code.takeError();
  auto cubin = compileCubin(**code, variant.target);
  if (!cubin)
    return cubin.takeError();
  return describeGpu(*variant.planned, cubin->messages);
}

/// One object for one target, an array in the request's order for several.
llvm::Expected<std::string> Compilation::emitReport(bool again) {
  std::string assembly;
  if (!llvm::all_of(variants, isForGpu)) {
    auto text = emitAssembly(again);
    if (!text)
      return text.takeError();
    assembly = std::move(*text);
  }
  llvm::json::Array reports;
  for (auto [i, variant] : llvm::enumerate(variants)) {
    auto report =
        isForGpu(variant) ? reportOnGpu(variant, again) : describe(*variant.planned, assembly, kernelPrefix(i));
    if (!report)
      return report.takeError();
    reports.push_back(std::move(*report));
  }
  return llvm::formatv("{0:2}\n",
                       reports.size() == 1 ? std::move(reports.front()) : llvm::json::Value(std::move(reports)))
      .str();
}

static std::string printAll(ArrayRef<Variant> variants) {
  return llvm::join(llvm::map_range(variants, [](const Variant &variant) { return print(*variant.planned); }),
                    "// -----\n");
}

llvm::Expected<std::string> Compilation::emit(Emit kind, bool again) {
  if (llvm::Error error = planAll())
    return error;
  if (llvm::Error error = checkOneSystem(variants))
    return error;
  const Variant &front = variants.front();
  if (kind == Emit::mlir)
    return printAll(variants);
  if (kind == Emit::header)
    return emitHeader(request.name, *front.planned);
  if (kind == Emit::report)
    return emitReport(again);
  bool linked = kind == Emit::object || kind == Emit::library;
  bool gpu = llvm::any_of(variants, isForGpu);
  if (!linked && gpu && variants.size() > 1)
    return llvm::createStringError("expected one GPU, or no GPU among the targets of this emission, got " +
                                   llvm::join(request.targets, ","));
  if (!linked && gpu)
    return emitGpu(front, kind, again);
  if (kind == Emit::ptx || kind == Emit::cubin)
    return llvm::createStringError("expected a GPU as the target of this emission, got " +
                                   llvm::join(request.targets, ","));
  if (kind == Emit::assembly)
    return emitAssembly(again);
  llvm::Expected<TargetAttr> host = hostOf(variants);
  if (!host)
    return host.takeError();
  if (kind == Emit::library && !llvm::Triple(host->getTriple()).isOSBinFormatELF())
    return llvm::createStringError("expected a target with ELF objects for a library, got " + host->getTriple());
  auto code = translateOnce(again, /*blocks=*/false);
  if (!code)
    return code.takeError();
  if (kind == Emit::llvm || kind == Emit::bitcode)
    return kind == Emit::llvm ? irText(**code) : writeBitcode(**code);
  auto object = compileObject(**code, *host);
  if (!object)
    return object.takeError();
  StringRef bytes(object->data(), object->size());
  return kind == Emit::object ? bytes.str() : linkLibrary(bytes);
}

llvm::Error Compilation::dump(StringRef directory) {
  if (llvm::Error error = planAll())
    return error;
  if (variants.size() != 1 || !variants.front().target.isGpu())
    return llvm::createStringError("expected one GPU target to dump kernels of, got " +
                                   llvm::join(request.targets, ","));
  auto code = generateBlocks(*variants.front().planned, llvmContext);
  if (!code)
    return code.takeError();
  return muon::dumpKernels(**code, *variants.front().planned, directory);
}

llvm::Error muon::dumpKernels(const Request &request, StringRef directory) {
  if (llvm::Error error = checkRequest(request))
    return error;
  return Compilation(request).dump(directory);
}

llvm::Expected<std::string> muon::compile(const Request &request, Emit emit, std::string *report) {
  if (llvm::Error error = checkRequest(request))
    return error;
  Compilation compilation(request);
  auto bytes = compilation.emit(emit, /*again=*/report);
  if (!bytes || !report)
    return bytes;
  auto text = compilation.emit(Emit::report);
  if (!text)
    return text.takeError();
  *report = std::move(*text);
  return bytes;
}

std::string muon::compilerBuild() {
  return std::string("muon " MUON_VERSION " ") + MUON_BUILD_ID + " LLVM " LLVM_VERSION_STRING;
}

std::string muon::hostTarget() {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<MuonDialect>();
  TargetAttr target = cantFail(lookupTarget(&context, "native"));
  return (target.getCpu() + " " + target.getFeatures()).str();
}
