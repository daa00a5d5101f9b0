//===- Report.cpp - what was chosen and why ---------------------------------------------------===//

#include "Report.h"

#include "GpuCode.h"

#include "muon/CPU/Targets.h"
#include "muon/GPU/Passes.h"
#include "muon/IR/LaunchSizes.h"
#include "muon/IR/Request.h"
#include "muon/IR/StepFunction.h"
#include "muon/Object/HotLoop.h"
#include "muon/Object/PlanIndex.h"
#include "muon/Plan/GpuTiles.h"
#include "muon/Polynomial/Emulate.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/JSON.h"
#include "llvm/TargetParser/Triple.h"

#include <cmath>

using namespace mlir;
using namespace muon;
namespace json = llvm::json;

static json::Value toJson(Attribute attribute);

/// What was asked for, apart from the target, which has a place of its own.
static json::Object describeRequest(RequestAttr request) {
  json::Object object;
  if (request && request.getDtype())
    object["dtype"] = toJson(TypeAttr::get(request.getDtype()));
  if (BandAttr band = request ? request.getBand() : BandAttr())
    object["band"] = json::Array(band.getNumbers().asArrayRef());
  if (request && request.getOverrides())
    object["overrides"] = toJson(request.getOverrides());
  return object;
}

static json::Value toJson(Attribute attribute) {
  if (auto request = dyn_cast<RequestAttr>(attribute))
    return describeRequest(request);
  if (auto text = dyn_cast<StringAttr>(attribute))
    return text.getValue().str();
  if (auto flag = dyn_cast<BoolAttr>(attribute))
    return flag.getValue();
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble();
  if (auto number = dyn_cast<IntegerAttr>(attribute))
    return number.getInt();
  if (auto numbers = dyn_cast<DenseI64ArrayAttr>(attribute))
    return json::Array(numbers.asArrayRef());
  if (auto items = dyn_cast<ArrayAttr>(attribute)) {
    json::Array array;
    for (Attribute item : items)
      array.push_back(toJson(item));
    return array;
  }
  if (auto fields = dyn_cast<DictionaryAttr>(attribute)) {
    json::Object object;
    for (NamedAttribute field : fields)
      object[field.getName().getValue()] = toJson(field.getValue());
    return object;
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  attribute.print(stream);
  return text;
}

static json::Object describeTarget(TargetAttr target) {
  json::Object description{{"cpu", target.getCpu()}, {"isa", target.getIsa()}, {"lanes", target.getLanes()}};
  if (!target.isGpu())
    description["instruction_set"] = instructionSet(target);
  return description;
}

/// Elements of one matrix that a launch reads or writes at an operand's place.
static int64_t elementsAt(LaunchOp launch, KernelOp kernel, unsigned i) {
  auto [rows, columns] = shapeOfOperand(launch, kernel, i);
  return rows * columns;
}

/// Elements of a tensor that belong to one matrix: its leading dimensions may be the weight's.
static int64_t elementsPerMatrix(func::FuncOp function, RankedTensorType tensor) {
  ArrayRef<int64_t> shape = tensor.getShape(), batch;
  if (BlockArgument weight = findWeight(function))
    batch = cast<RankedTensorType>(weight.getType()).getShape();
  batch = batch.drop_back(std::min<size_t>(2, batch.size()));
  if (shape.take_front(batch.size()) == batch)
    shape = shape.drop_front(batch.size());
  return ShapedType::getNumElements(shape);
}

/// How often a step reads and writes each tensor of a group, launches on a part of it counted by their share. The least
/// is G, M, W read once and M, W written once; more where a reduction has to be complete before its operands are used
/// again.
static json::Array describePasses(const PlanIndex &index, func::FuncOp function) {
  json::Array passes;
  int64_t place = 0;
  for (BlockArgument argument : function.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      continue;
    int64_t reads = 0, writes = 0, whole = elementsPerMatrix(function, type);
    for (LaunchOp launch : index.launchesOf(function.getSymName())) {
      KernelOp kernel = index.kernelOf(launch);
      for (auto [i, attribute] : llvm::enumerate(launch.getPlaces()))
        if (cast<PlaceAttr>(attribute).getArgument() == place)
          (kernel.operandAt(i).getDirection() == Direction::in ? reads : writes) += elementsAt(launch, kernel, i);
    }
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kName);
    if (!name)
      name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kArgument);
    passes.push_back(json::Object{
        {"tensor", name.getValue()}, {"reads", double(reads) / whole}, {"writes", double(writes) / whole}});
    ++place;
  }
  return passes;
}

static json::Array describeGroups(const PlanIndex &index) {
  // Parameters of one function are one group, whatever their sets.
  llvm::MapVector<StringRef, int64_t> parameters;
  for (UseOp use : index.uses())
    parameters[use.getFunction()] += use.getParameters().size();
  json::Array groups;
  for (auto [name, count] : parameters) {
    func::FuncOp function = index.function(name);
    json::Object group{{"function", name}, {"parameters", count}, {"passes", describePasses(index, function)}};
    for (NamedAttribute attribute : function->getDiscardableAttrs())
      if (attribute.getName().getValue().starts_with("muon."))
        group[attribute.getName().getValue().drop_front(5)] = toJson(attribute.getValue());
    groups.push_back(std::move(group));
  }
  return groups;
}

static int64_t numProducts(KernelOp kernel) { return llvm::range_size(kernel.getBody().front().getOps<ContractOp>()); }

/// How a GPU multiplies operands of that type.
static StringRef tensorCorePath(Type operands) {
  if (operands.isF32())
    return "f32 operands as two tf32 each, three products on tensor cores (mma.sync), f32 accumulation";
  if (isa<FloatTF32Type>(operands))
    return "operands rounded to tf32 on tensor cores (mma.sync), f32 accumulation";
  return "16-bit operands on tensor cores (mma.sync), f32 accumulation";
}

/// How a CPU multiplies operands of that kernel, and the extension that does it; none for f32 multiply-adds.
static std::pair<std::string, StringRef> cpuPath(KernelOp kernel, TargetAttr target) {
  if (kernel.getOperandType()->isF32())
    return {"f32 multiply-adds", ""};
  if (kernel.operandAt(0).getDtype().isF32())
    return {"bf16 operands widened to f32 when packed, f32 multiply-adds: this processor does not multiply bf16", ""};
  if (kernel.getOperandType()->isF16())
    return {"f16 pairs, f16 sums of " + std::to_string(f16Run) + " terms, f32 accumulation", "avx512fp16"};
  if (target.getIsa() == "amx")
    return {"bf16 tiles, f32 accumulation", "amx-bf16"};
  return {"bf16 pairs, f32 accumulation", "avx512bf16"};
}

/// What a CPU's product is computed with: an extension's own products, or vectors of 16 lanes, which SVE leaves to
/// NEON.
static std::string instructionSetOf(KernelOp kernel, TargetAttr target) {
  StringRef extension = cpuPath(kernel, target).second, vectors = instructionSet(target);
  if (extension.empty() || !hasFeature(target, extension))
    return vectors.starts_with("sve") ? "neon" : vectors.str();
  return llvm::StringSwitch<std::string>(extension)
      .Case("amx-bf16", "amx")
      .Case("avx512bf16", "avx512_bf16")
      .Case("avx512fp16", "avx512_fp16")
      .Default(extension.str());
}

/// How a product is computed, in words: nothing falls back without being said.
static std::string pathOf(KernelOp kernel, TargetAttr target) {
  if (kernel.getKind() == KernelKind::chain)
    return (tensorCorePath(*kernel.getOperandType()) + ", in one block's shared memory").str();
  if (target.isGpu())
    return tensorCorePath(*kernel.getOperandType()).str();
  auto [path, extension] = cpuPath(kernel, target);
  if (extension.empty() || hasFeature(target, extension))
    return path;
  return path + ", emulated: the processor has no " + extension.str();
}

/// Multiplications and additions of one matrix, which may be more than 64 bits count; a symmetric product counts half.
static double flopsOf(LaunchOp launch, KernelOp kernel) {
  if (kernel.getKind() == KernelKind::sweep)
    return 0;
  SmallVector<double> numbers(launch.getSizes());
  if (kernel.getKind() == KernelKind::chain)
    return numProducts(kernel) * numbers[sizes::kRows] * numbers[sizes::kRows] * numbers[sizes::kRows];
  return (kernel.getSymmetric() ? 1 : 2) * numbers[sizes::kM] * numbers[sizes::kN] * numbers[sizes::kK];
}

/// Bytes of the matrices one launch reads and writes, each once: a product's operands may be one matrix.
static int64_t bytesOf(LaunchOp launch, KernelOp kernel) {
  int64_t bytes = 0;
  llvm::SmallDenseSet<std::pair<Attribute, Layout>> read;
  for (unsigned i = 0, e = kernel.getOperands().size(); i < e; ++i) {
    OperandAttr operand = kernel.operandAt(i);
    if (operand.getSpace() != Space::element)
      continue;
    int64_t elements = elementsAt(launch, kernel, i) * partsOfOperand(launch, kernel, i);
    if (operand.getDirection() == Direction::out || read.insert({launch.getPlaces()[i], operand.getLayout()}).second)
      bytes += elements * operand.getDtype().getIntOrFloatBitWidth() / 8;
  }
  return bytes;
}

static muon::gpu::ProductShape shapeOf(const PlanIndex &index, LaunchOp launch, KernelOp kernel) {
  ArrayRef<int64_t> numbers = launch.getSizes();
  return {numbers[sizes::kM],
          numbers[sizes::kN],
          numbers[sizes::kK],
          index.matricesOf(launch.getFunction()),
          muon::gpu::operandKind(*kernel.getOperandType()),
          kernel.getSymmetric(),
          partsOfProduct(launch, kernel)};
}

/// A launch's time on a GPU, by the model.
static muon::gpu::ModelledTime modelOf(const PlanIndex &index, LaunchOp launch, KernelOp kernel, TargetAttr target) {
  if (kernel.getKind() == KernelKind::sweep)
    return muon::gpu::modelSweep(target, double(bytesOf(launch, kernel)) * index.matricesOf(launch.getFunction()));
  if (kernel.getKind() == KernelKind::chain) {
    int64_t side = launch.getSizes()[sizes::kRows], matrices = index.matricesOf(launch.getFunction());
    muon::gpu::OperandKind operands = muon::gpu::operandKind(*kernel.getOperandType());
    int64_t buffers = blockOf(kernel).sharedBytes / muon::gpu::chainMatrixBytes(kernel.getTile()->front(), operands);
    muon::gpu::ChainShape shape{side, numProducts(kernel), buffers, matrices, operands};
    return muon::gpu::modelChain(target, shape, double(bytesOf(launch, kernel)) * matrices);
  }
  return muon::gpu::modelProduct(target, shapeOf(index, launch, kernel), muon::gpu::ProductTile::of(*kernel.getTile()));
}

static double rounded(double value) { return std::round(value * 1000) / 1000; }

/// Adds what the model says to a launch's description; returns its time.
static double describeModel(json::Object &description, const muon::gpu::ModelledTime &time) {
  description["modelled_us"] = rounded(time.microseconds());
  description["modelled_bound"] = time.tensor >= std::max(time.l2, time.memory) ? "tensor cores"
                                  : time.l2 >= time.memory                      ? "L2"
                                                                                : "memory";
  description["modelled_fraction_of_roofline"] = rounded(time.roofline / time.microseconds());
  return time.microseconds();
}

/// Of a product in parts: how many, and the modelled times of product and sum, and of the product as it would be whole.
static void describeParts(json::Object &description, muon::gpu::ProductShape shape, TargetAttr target, double product) {
  description["parts"] = shape.parts;
  description["modelled_us_with_sum"] = rounded(product + muon::gpu::modelSum(target, shape).microseconds());
  shape.parts = 1;
  description["modelled_us_whole"] =
      rounded(muon::gpu::modelProduct(target, shape, muon::gpu::chooseTile(target, shape)).microseconds());
}

static json::Array describeStages(const PlanIndex &index, VariantOp variant) {
  json::Array stages;
  for (auto stage : variant.getBody().getOps<StageOp>()) {
    json::Array launches;
    for (auto launch : stage.getBody().getOps<LaunchOp>()) {
      KernelOp kernel = index.kernelOf(launch);
      json::Object description{{"kernel", launch.getKernel()},
                               {"function", launch.getFunction()},
                               {"tiles_per_matrix", static_cast<int64_t>(launch.getTiles())},
                               {"flops_per_matrix", flopsOf(launch, kernel)},
                               {"bytes_per_matrix", bytesOf(launch, kernel)}};
      if (kernel.getKind() == KernelKind::product && !variant.getTarget().isGpu()) { // as "tile" of a request has it
        ArrayRef<int64_t> numbers = launch.getSizes();
        int64_t chunk = numbers[sizes::kChunk];
        description["tile"] = json::Array{numbers[sizes::kBlockM], chunk < numbers[sizes::kK] ? chunk : 0};
      }
      if (variant.getTarget().isGpu()) {
        double time = describeModel(description, modelOf(index, launch, kernel, variant.getTarget()));
        if (kernel.getKind() == KernelKind::product && partsOfProduct(launch, kernel) > 1)
          describeParts(description, shapeOf(index, launch, kernel), variant.getTarget(), time);
      }
      launches.push_back(std::move(description));
    }
    stages.push_back(std::move(launches));
  }
  return stages;
}

static json::Array describeKernels(ModuleOp planned, TargetAttr target) {
  json::Array kernels;
  for (auto kernel : planned.getOps<KernelOp>()) {
    json::Object description{{"name", kernel.getSymName()}, {"kind", stringifyKernelKind(kernel.getKind())}};
    if (kernel.getKind() != KernelKind::sweep)
      description["path"] = pathOf(kernel, target);
    if (kernel.getKind() == KernelKind::product) {
      description["symmetric"] = kernel.getSymmetric();
      if (!target.isGpu())
        description["instruction_set"] = instructionSetOf(kernel, target);
    }
    if (kernel.getKind() == KernelKind::chain)
      description["products"] = numProducts(kernel);
    kernels.push_back(std::move(description));
  }
  return kernels;
}

static json::Object describeProgram(const PlanIndex &index) {
  ModuleOp planned = index.module();
  VariantOp variant = index.variant();
  return json::Object{{"target", describeTarget(variant.getTarget())},
                      {"request", describeRequest(requestOf(planned))},
                      {"workspace_bytes", static_cast<int64_t>(variant.getWorkspace())},
                      {"kernels", describeKernels(planned, variant.getTarget())},
                      {"groups", describeGroups(index)},
                      {"stages", describeStages(index, variant)}};
}

std::string muon::reportText(ModuleOp planned) {
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(describeProgram(PlanIndex(planned)));
  return text;
}

json::Object muon::describe(ModuleOp planned, StringRef assembly, StringRef kernelPrefix) {
  PlanIndex index(planned);
  json::Object program = describeProgram(index);
  llvm::Triple triple(index.variant().getTarget().getTriple());
  if (!countsHotLoops(triple))
    return program;
  json::Array loops;
  for (auto kernel : planned.getOps<KernelOp>()) {
    if (kernel.getKind() != KernelKind::product)
      continue;
    HotLoop loop = countHotLoop(assembly, (kernelPrefix + kernel.getSymName()).str(), triple);
    loops.push_back(json::Object{{"kernel", kernel.getSymName()},
                                 {"instruction", loop.instruction},
                                 {"registers", static_cast<int64_t>(loop.registers)},
                                 {"vector_loads", loop.vectorLoads},
                                 {"broadcasts", loop.broadcasts},
                                 {"multiply_adds", loop.multiplyAdds},
                                 {"spills", loop.spills},
                                 {"unroll", static_cast<int64_t>(loop.unroll)}});
  }
  program["hot_loops_per_step_of_k"] = std::move(loops);
  return program;
}

json::Object muon::describeGpu(ModuleOp planned, StringRef ptxasMessages) {
  PlanIndex index(planned);
  json::Object program = describeProgram(index);
  llvm::StringMap<KernelResources> resources = parseResources(ptxasMessages);
  json::Array kernels;
  for (auto kernel : planned.getOps<KernelOp>()) {
    KernelBlock block = blockOf(kernel);
    KernelResources used = resources.lookup(kernel.getSymName());
    json::Object description{{"kernel", kernel.getSymName()},
                             {"threads", block.threads},
                             {"dynamic_shared", block.sharedBytes},
                             {"static_shared", used.staticShared},
                             {"registers", used.registers},
                             {"spill_bytes", used.spillStores + used.spillLoads},
                             {"stack", used.stack}};
    if (std::optional<ArrayRef<int64_t>> tile = kernel.getTile())
      description["tile"] = json::Array(*tile);
    kernels.push_back(std::move(description));
  }
  program["resources"] = std::move(kernels);
  VariantOp variant = index.variant();
  double total = 0;
  int64_t stages = llvm::range_size(variant.getBody().getOps<StageOp>());
  variant.walk([&](LaunchOp launch) {
    total += modelOf(index, launch, index.kernelOf(launch), variant.getTarget()).microseconds();
  });
  program["modelled_us_per_step"] = rounded(total);
  program["stages_per_step"] = stages;
  program["modelled"] = "by formula for the chip named; nothing was measured";
  program["chip"] = variant.getTarget().getChip().getName();
  return program;
}
