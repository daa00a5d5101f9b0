//===- DumpKernels.cpp - one kernel at a time, for other tools --------------------------------===//
//
// NAME.bc, NAME.ptx, NAME.cubin, and NAME.cubin.json: how the kernel is launched on one matrix, with which buffers, and
// what ptxas said of it. The JSON is what muon-emulate and tools/block_facts.py read.
//
//===----------------------------------------------------------------------------------------------===//

#include "GpuCode.h"

#include "muon/GPU/Passes.h"
#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/LaunchSizes.h"
#include "muon/IR/ProductTile.h"
#include "muon/Object/Files.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace mlir;
using namespace muon;
namespace json = llvm::json;

/// One kernel alone, as it is in the whole module.
static std::unique_ptr<llvm::Module> extract(const llvm::Module &module, StringRef kernel) {
  llvm::ValueToValueMapTy map;
  auto wanted = [&](const llvm::GlobalValue *value) {
    return !isa<llvm::Function>(value) || value->getName() == kernel;
  };
  auto alone = llvm::CloneModule(module, map, wanted);
  for (llvm::Function &function : llvm::make_early_inc_range(*alone))
    if (function.isDeclaration() && function.use_empty())
      function.eraseFromParent();
  alone->setModuleIdentifier(kernel);
  return alone;
}

namespace {
/// The JSON of one kernel and its launch on one matrix.
class KernelDescription {
public:
  KernelDescription(KernelOp kernel, LaunchOp launch, TargetAttr target)
      : kernel(kernel), launch(launch), target(target) {}
  json::Object describe();

private:
  std::pair<int64_t, int64_t> shapeOf(unsigned i);
  json::Object describeView(unsigned i);
  json::Array scalarRow();

  KernelOp kernel;
  LaunchOp launch;
  TargetAttr target;
  json::Array buffers;
  llvm::StringMap<bool> known;
};
} // namespace

/// Rows and columns of an operand in memory.
std::pair<int64_t, int64_t> KernelDescription::shapeOf(unsigned i) {
  OperandAttr operand = kernel.operandAt(i);
  auto [rows, columns] = shapeOfOperand(launch, kernel, i);
  if (operand.getSpace() == Space::scalar && operand.getReduction() != Reduction::none) // a list of partials
    return {1, cast<PlaceAttr>(launch.getPlaces()[i]).getRowStride()};
  return operand.getLayout() == Layout::turned ? std::pair{columns, rows} : std::pair{rows, columns};
}

json::Object KernelDescription::describeView(unsigned i) {
  OperandAttr operand = kernel.operandAt(i);
  auto place = cast<PlaceAttr>(launch.getPlaces()[i]);
  auto [rows, columns] = shapeOf(i);
  bool padded = operand.getLayout() != Layout::plain;
  int64_t stride = place.isArgument() ? columns : operand.getSpace() == Space::element ? place.getRowStride() : 1;
  int64_t height = padded ? llvm::alignTo(rows, muon::gpu::kPadding) : rows;
  std::string name = place.isArgument() ? "argument" + std::to_string(place.getArgument())
                                        : "workspace" + std::to_string(place.getOffset());
  std::string dtype;
  llvm::raw_string_ostream(dtype) << operand.getDtype();
  int64_t bytes = operand.getDtype().getIntOrFloatBitWidth() / 8,
          elements = operand.getSpace() == Space::element ? height * stride : columns;
  elements *= partsOfOperand(launch, kernel, i);
  if (!known.insert({name, true}).second)
    ; // read and written in place
  else
    buffers.push_back(json::Object{{"name", name},
                                   {"bytes", elements * bytes},
                                   {"dtype", dtype},
                                   {"shape", json::Array{rows, columns}},
                                   {"init", operand.getDirection() == Direction::in ? "random" : "poison"}});
  bool isRow = operand.getSpace() == Space::row, isColumn = operand.getSpace() == Space::column;
  json::Array strides = operand.getSpace() == Space::element  ? json::Array{stride, 1}
                        : operand.getSpace() == Space::scalar ? json::Array{columns, 1}
                                                              : json::Array{int64_t(isRow), int64_t(isColumn)};
  return json::Object{{"buffer", name},
                      {"offset", 0},
                      {"strides", std::move(strides)},
                      {"direction", stringifyDirection(operand.getDirection())},
                      {"space", stringifySpace(operand.getSpace())},
                      {"layout", stringifyLayout(operand.getLayout())},
                      {"reduction", stringifyReduction(operand.getReduction())}};
}

json::Array KernelDescription::scalarRow() {
  constexpr double kAny = 0.02;
  auto names = kernel->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>(kScalars);
  json::Array row;
  for (size_t i = 0, n = names ? names.size() : 0; i < n; ++i)
    row.push_back(kAny);
  return row;
}

json::Object KernelDescription::describe() {
  KernelBlock block = blockOf(kernel);
  json::Array views, numbers(launch.getSizes());
  for (unsigned i = 0, n = kernel.getOperands().size(); i < n; ++i)
    views.push_back(describeView(i));
  while (numbers.size() < sizes::kMost)
    numbers.push_back(0);
  json::Object item{{"parameter", 0}, {"matrix", 0}};
  if (std::optional<ArrayRef<int64_t>> gradients = kernel.getGradients())
    item["gradient"] = *views[gradients->front()].getAsObject()->getString("buffer");
  item["views"] = std::move(views);
  json::Object launched{{"first_tile", 0},
                        {"tiles_per_matrix", launch.getTiles()},
                        {"sizes", std::move(numbers)},
                        {"coefficients", json::Array(launch.getCoefficients())},
                        {"predicate", launch.getPredicate()},
                        {"scalars", scalarRow()},
                        {"items", json::Array{std::move(item)}}};
  json::Object description{
      {"name", kernel.getSymName()},
      {"kernel", kernel.getSymName()},
      {"kind", stringifyKernelKind(kernel.getKind())},
      {"chip", target.getCpu()},
      {"grid", launch.getTiles()},
      {"block", block.threads},
      {"threads", block.threads},
      {"shared", block.sharedBytes},
      {"dynamic_shared", block.sharedBytes},
      {"parameters", json::Array{json::Object{{"kind", "const muon_device_launch *"}, {"bytes", 8}},
                                 json::Object{{"kind", "uint32_t"}, {"bytes", 4}}}},
      {"buffers", std::move(buffers)},
      {"launches", json::Array{std::move(launched)}}};
  if (kernel.getKind() == KernelKind::product) {
    auto tile = muon::gpu::ProductTile::of(*kernel.getTile());
    description["tile"] = json::Array{tile.rows, tile.columns, tile.depth};
    description["stages"] = tile.stages;
  }
  return description;
}

/// The advisories of ptxas (C75..): waits it had to add, register requests it ignored.
static json::Array advisories(StringRef messages) {
  json::Array found;
  SmallVector<StringRef> lines;
  messages.split(lines, '\n', -1, false);
  for (StringRef line : lines)
    if (line.contains("C75"))
      found.push_back(line.trim());
  return found;
}

using NamedFile = std::pair<std::string, std::string>;

/// Adds a kernel's files by name.
static llvm::Error addFiles(const llvm::Module &finished, KernelOp kernel, LaunchOp launch, TargetAttr target,
                            std::vector<NamedFile> &files) {
  std::string name = kernel.getSymName().str();
  std::unique_ptr<llvm::Module> alone = extract(finished, name);
  files.push_back({name + ".bc", writeBitcode(*alone)});
  auto ptx = compilePtx(*alone, target);
  if (!ptx)
    return ptx.takeError();
  files.push_back({name + ".ptx", *ptx});
  auto cubin = assemblePtx(*ptx, target.getCpu());
  if (!cubin)
    return cubin.takeError();
  json::Object description = KernelDescription(kernel, launch, target).describe();
  KernelResources resources = parseResources(cubin->messages).lookup(name);
  description["registers"] = resources.registers;
  description["spill_bytes"] = resources.spillStores + resources.spillLoads;
  description["stack"] = resources.stack;
  description["static_shared"] = resources.staticShared;
  description["advisories"] = advisories(cubin->messages);
  files.push_back({name + ".cubin", std::move(cubin->bytes)});
  files.push_back({name + ".cubin.json", llvm::formatv("{0:2}\n", json::Value(std::move(description))).str()});
  return llvm::Error::success();
}

llvm::Error muon::dumpKernels(const llvm::Module &finished, ModuleOp planned, StringRef directory) {
  TargetAttr target = (*planned.getOps<VariantOp>().begin()).getTarget();
  llvm::StringMap<LaunchOp> launches; // of each kernel the first
  planned.walk([&](LaunchOp launch) { launches.insert({launch.getKernel(), launch}); });
  // Everything is made before anything is written: a kernel that fails leaves no part of a set.
  std::vector<NamedFile> files;
  for (auto kernel : planned.getOps<KernelOp>())
    if (llvm::Error error = addFiles(finished, kernel, launches.lookup(kernel.getSymName()), target, files))
      return error;
  if (std::error_code failure = llvm::sys::fs::create_directories(directory))
    return llvm::createStringError("cannot make the directory " + directory.str() + ": " + failure.message());
  for (const auto &[name, bytes] : files) {
    llvm::SmallString<128> path(directory);
    llvm::sys::path::append(path, name);
    if (llvm::Error error = writeFile(path, bytes))
      return error;
  }
  return llvm::Error::success();
}
