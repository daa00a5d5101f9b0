//===- Compiler.cpp - request to program ------------------------------------------------------===//

#include "muon/Compiler/Compiler.h"

#include "CheckRequest.h"
#include "FirstDiagnostic.h"
#include "GpuCode.h"
#include "LinkLibrary.h"
#include "PlanVariants.h"
#include "Report.h"

#include "muon/CPU/Targets.h"
#include "muon/Compiler/Walk.h"
#include "muon/Object/CompileObject.h"
#include "muon/Object/EmitDescription.h"
#include "muon/Object/TranslateModule.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Linker/Linker.h"

using namespace mlir;
using namespace muon;

namespace {
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
  llvm::Expected<std::unique_ptr<llvm::Module>> generate(ArrayRef<Variant> variants);
  llvm::Expected<std::unique_ptr<llvm::Module>> generateKernels(const Variant &variant, StringRef prefix);
  llvm::Error planAll();
  std::string targetNames() const;
  llvm::Expected<std::unique_ptr<llvm::Module>> translateOnce(bool again, bool blocks);
  llvm::Expected<std::string> emitGpu(const Variant &variant, Emit kind, bool again);
  llvm::Expected<std::string> emitAssembly(bool again);
  llvm::Expected<llvm::json::Object> reportOnGpu(const Variant &variant, bool again);
  llvm::Expected<std::string> emitReport(bool again);
  llvm::Expected<TargetAttr> hostOf(ArrayRef<Variant> variants);

  const Request &request;
  std::string name; ///< the program's, once it is planned
  MLIRContext context;
  llvm::LLVMContext llvmContext;
  std::vector<Variant> variants;
  std::unique_ptr<llvm::Module> translated;
  bool translatedBlocks = false;
};
} // namespace

llvm::Expected<std::unique_ptr<llvm::Module>> Compilation::generateKernels(const Variant &variant, StringRef prefix) {
  OwningOpRef<ModuleOp> lowered(cast<ModuleOp>(variant.code()->clone()));
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
  auto all = std::make_unique<llvm::Module>(name, llvmContext);
  SmallVector<DescribedVariant> described;
  for (auto [i, variant] : llvm::enumerate(variants)) {
    std::string prefix = kernelPrefix(i);
    auto code = variant.target.isGpu() ? generateBlocks(variant.code(), llvmContext) : generateKernels(variant, prefix);
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
  emitDescription(*all, name, described);
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
  auto planned = planVariants(context, request);
  if (!planned)
    return planned.takeError();
  name = std::move(planned->name);
  variants = std::move(planned->variants);
  if (request.embedBitcode && llvm::none_of(variants, isForGpu))
    return llvm::createStringError("expected a GPU among the targets for embed_bitcode, got " + targetNames());
  return llvm::Error::success();
}

/// As the request calls them, or the modules that were left for them.
std::string Compilation::targetNames() const {
  if (!request.targets.empty())
    return llvm::join(request.targets, ",");
  return llvm::join(llvm::map_range(variants, [](const Variant &variant) { return variant.target.getCpu(); }), ",");
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
    auto code = blocks ? generateBlocks(variants.front().code(), llvmContext) : generate(variants);
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
      variants.size() == 1 ? translateOnce(again, /*blocks=*/true) : generateBlocks(variant.code(), llvmContext);
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
    return emitHeader(name, *front.planned);
  if (kind == Emit::report)
    return emitReport(again);
  bool linked = kind == Emit::object || kind == Emit::library;
  bool gpu = llvm::any_of(variants, isForGpu);
  if (!linked && gpu && variants.size() > 1)
    return llvm::createStringError("expected one GPU, or no GPU among the targets of this emission, got " +
                                   targetNames());
  if (!linked && gpu)
    return emitGpu(front, kind, again);
  if (kind == Emit::ptx || kind == Emit::cubin)
    return llvm::createStringError("expected a GPU as the target of this emission, got " + targetNames());
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
    return llvm::createStringError("expected one GPU target to dump kernels of, got " + targetNames());
  auto code = generateBlocks(variants.front().code(), llvmContext);
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
