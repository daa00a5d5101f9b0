//===- GpuCode.cpp - a GPU variant's kernels as images --------------------------------------------===//

#include "GpuCode.h"

#include "muon/Compiler/Walk.h"
#include "muon/GPU/Passes.h"
#include "muon/Object/TranslateModule.h"
#include "muon_runtime.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace mlir;
using namespace muon;
namespace json = llvm::json;

static TargetAttr targetOf(ModuleOp planned) { return (*planned.getOps<VariantOp>().begin()).getTarget(); }

std::unique_ptr<llvm::Module> muon::generateBlocks(ModuleOp planned, llvm::LLVMContext &context, std::string &error) {
  TargetAttr target = targetOf(planned);
  OwningOpRef<ModuleOp> lowered(cast<ModuleOp>(planned->clone()));
  if (failed(walk(*lowered, Room::gpu)))
    return nullptr;
  std::unique_ptr<llvm::Module> code = translate(*lowered, context);
  if (!code)
    return nullptr;
  if (llvm::Error failure = finishBlocks(*code, target)) {
    error = llvm::toString(std::move(failure));
    return nullptr;
  }
  return code;
}

llvm::Error muon::addImages(llvm::Module &finished, ModuleOp planned, bool embedBitcode, DescribedVariant &variant) {
  TargetAttr target = targetOf(planned);
  std::string bitcode = embedBitcode ? writeBitcode(finished) : "";
  auto ptx = compilePtx(finished, target);
  if (!ptx)
    return ptx.takeError();
  auto cubin = assemblePtx(*ptx, target.getCpu());
  if (!cubin)
    return cubin.takeError();
  variant.images.push_back({MUON_IMAGE_CUBIN, target.getCpu().str(), cubin->bytes});
  variant.images.push_back({MUON_IMAGE_PTX, target.getCpu().str(), *ptx + '\0'});
  if (embedBitcode)
    variant.images.push_back({MUON_IMAGE_BITCODE, target.getCpu().str(), std::move(bitcode)});
  for (auto kernel : planned.getOps<KernelOp>()) {
    KernelBlock block = blockOf(kernel);
    variant.blocks[kernel.getSymName()] = {block.threads, block.sharedBytes};
  }
  return llvm::Error::success();
}

llvm::StringMap<KernelResources> muon::parseResources(StringRef messages) {
  llvm::StringMap<KernelResources> resources;
  llvm::Regex name("Function properties for ([A-Za-z0-9_]+)"), stack("([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads"),
      used("Used ([0-9]+) registers"), shared("([0-9]+) bytes smem");
  KernelResources *current = nullptr;
  SmallVector<StringRef> lines, match;
  messages.split(lines, '\n', -1, false);
  auto number = [](StringRef text) {
    int64_t value = 0;
    text.getAsInteger(10, value);
    return value;
  };
  for (StringRef line : lines) {
    if (name.match(line, &match))
      current = &resources[match[1]];
    if (!current)
      continue;
    if (stack.match(line, &match))
      current->stack = number(match[1]), current->spillStores = number(match[2]), current->spillLoads = number(match[3]);
    if (used.match(line, &match))
      current->registers = number(match[1]);
    if (shared.match(line, &match))
      current->staticShared = number(match[1]);
  }
  return resources;
}

/// One kernel alone, as it is in the whole module.
static std::unique_ptr<llvm::Module> extract(const llvm::Module &module, StringRef kernel) {
  llvm::ValueToValueMapTy map;
  auto wanted = [&](const llvm::GlobalValue *value) { return !isa<llvm::Function>(value) || value->getName() == kernel; };
  auto alone = llvm::CloneModule(module, map, wanted);
  for (llvm::Function &function : llvm::make_early_inc_range(*alone))
    if (function.isDeclaration() && function.use_empty())
      function.eraseFromParent();
  alone->setModuleIdentifier(kernel);
  return alone;
}

static json::Array describeOperands(KernelOp kernel, LaunchOp launch) {
  json::Array operands;
  ArrayRef<int64_t> gradients = kernel.getGradients().value_or(ArrayRef<int64_t>()), sizes = launch.getSizes();
  for (auto [i, place] : llvm::enumerate(launch.getPlaces().getAsRange<PlaceAttr>())) {
    OperandAttr operand = kernel.operandAt(i);
    std::string dtype;
    llvm::raw_string_ostream(dtype) << operand.getDtype();
    json::Object description{{"direction", stringifyDirection(operand.getDirection())}, {"space", stringifySpace(operand.getSpace())},
                             {"layout", stringifyLayout(operand.getLayout())},          {"dtype", dtype},
                             {"reduction", stringifyReduction(operand.getReduction())}, {"row_stride", place.getRowStride()},
                             {"column_stride", place.getColumnStride()}};
    if (operand.getSpace() == Space::element)
      description["shape"] = i < kernel.numPanels() ? json::Array{i ? sizes[2] : sizes[0], i ? sizes[1] : sizes[2]} : json::Array{sizes[0], sizes[1]};
    if (llvm::is_contained(gradients, static_cast<int64_t>(i)))
      description["gradient"] = true;
    operands.push_back(std::move(description));
  }
  return operands;
}

/// What the cubin does not say: how the kernel is launched, and with what.
static json::Object describeKernel(KernelOp kernel, LaunchOp launch, StringRef chip) {
  KernelBlock block = blockOf(kernel);
  json::Object description{{"name", kernel.getSymName()},
                           {"kernel", kernel.getSymName()},
                           {"kind", stringifyKernelKind(kernel.getKind())},
                           {"chip", chip},
                           {"grid", launch.getTiles()},
                           {"block", json::Array{block.threads, 1, 1}},
                           {"threads", block.threads},
                           {"dynamic_shared", block.sharedBytes},
                           {"sizes", json::Array(launch.getSizes())},
                           {"parameters", json::Array{json::Object{{"kind", "muon_device_launch *"}, {"bytes", 8}},
                                                      json::Object{{"kind", "uint32_t"}, {"bytes", 4}}}},
                           {"coefficients", json::Array(launch.getCoefficients())},
                           {"buffers", describeOperands(kernel, launch)}};
  if (std::optional<ArrayRef<int64_t>> tile = kernel.getTile()) {
    description["tile"] = json::Array{(*tile)[0], (*tile)[1], (*tile)[2]};
    description["stages"] = (*tile)[3];
  }
  return description;
}

static llvm::Error writeFile(StringRef directory, const Twine &name, StringRef bytes) {
  llvm::SmallString<128> path(directory);
  llvm::sys::path::append(path, name);
  std::error_code failure;
  llvm::raw_fd_ostream file(path, failure);
  file << bytes;
  file.close();
  if (failure || file.has_error())
    return llvm::createStringError("cannot write " + path.str());
  return llvm::Error::success();
}

static llvm::Error dumpKernel(const llvm::Module &finished, KernelOp kernel, LaunchOp launch, TargetAttr target, StringRef directory) {
  StringRef name = kernel.getSymName();
  std::unique_ptr<llvm::Module> alone = extract(finished, name);
  if (llvm::Error error = writeFile(directory, name + ".bc", writeBitcode(*alone)))
    return error;
  auto ptx = compilePtx(*alone, target);
  if (!ptx)
    return ptx.takeError();
  if (llvm::Error error = writeFile(directory, name + ".ptx", *ptx))
    return error;
  auto cubin = assemblePtx(*ptx, target.getCpu());
  if (!cubin)
    return cubin.takeError();
  json::Object description = describeKernel(kernel, launch, target.getCpu());
  KernelResources resources = parseResources(cubin->messages).lookup(name);
  description["registers"] = resources.registers;
  description["spill_bytes"] = resources.spillStores + resources.spillLoads;
  description["stack"] = resources.stack;
  description["static_shared"] = resources.staticShared;
  if (llvm::Error error = writeFile(directory, name + ".cubin", cubin->bytes))
    return error;
  return writeFile(directory, name + ".cubin.json", llvm::formatv("{0:2}\n", json::Value(std::move(description))).str());
}

llvm::Error muon::dumpKernels(const llvm::Module &finished, ModuleOp planned, StringRef directory) {
  if (std::error_code failure = llvm::sys::fs::create_directories(directory))
    return llvm::createStringError("cannot make the directory " + directory.str() + ": " + failure.message());
  llvm::StringMap<LaunchOp> launches; // of each kernel the first
  planned.walk([&](LaunchOp launch) { launches.insert({launch.getKernel(), launch}); });
  for (auto kernel : planned.getOps<KernelOp>())
    if (llvm::Error error = dumpKernel(finished, kernel, launches.lookup(kernel.getSymName()), targetOf(planned), directory))
      return error;
  return llvm::Error::success();
}
