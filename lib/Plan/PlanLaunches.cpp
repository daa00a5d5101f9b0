//===- PlanLaunches.cpp - step functions to kernels, stages and launches ----------------------===//

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/LaunchSizes.h"
#include "muon/IR/Request.h"
#include "muon/IR/StepFunction.h"
#include "muon/Plan/BuildKernel.h"
#include "muon/Plan/CpuTiles.h"
#include "muon/Plan/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringMap.h"

#include <limits>
#include <map>

namespace muon {
#define GEN_PASS_DEF_PLANLAUNCHESPASS
#include "muon/Plan/Passes.h.inc"
} // namespace muon

using namespace mlir;
using namespace muon;

namespace {
/// One step function's plan and where its matrices' regions begin in the workspace.
struct Group {
  StepPlan plan;
  int64_t regionOffset;
};

/// The kernels that launches share.
class Kernels {
public:
  Kernels(OpBuilder &builder, SymbolTable &symbols) : builder(builder), symbols(symbols) {}
  StringAttr kernelFor(const StepPlan &plan, const Draft &draft, int64_t regionOffset, LaunchData &launch);
  size_t size() const { return known.size(); }

private:
  OpBuilder &builder;
  SymbolTable &symbols;              ///< step functions may be called anything
  llvm::StringMap<StringAttr> known; ///< printed kernel, without its name -> symbol
};

struct PlanLaunches : muon::impl::PlanLaunchesPassBase<PlanLaunches> {
  void runOnOperation() override;
};
} // namespace

/// The tile asked for, by what the target's tiles are (GPU: C5 of muon.kernel; its room checks the rest).
static LogicalResult checkTile(func::FuncOp function, TargetAttr target) {
  std::optional<SmallVector<int64_t>> asked = Asked(function).tile();
  constexpr int64_t kMostSide = 512;
  if (!asked)
    return success();
  ArrayRef<int64_t> tile = *asked;
  if (target.isGpu()) {
    if (!gpu::ProductTile::areValid(tile))
      return function.emitOpError() << "expected the request's tile to be six positive numbers, got [" << tile << "]";
    return success();
  }
  bool fits = tile.size() == 2 && tile[0] >= cpu::kGrain && tile[0] <= kMostSide && tile[0] % cpu::kGrain == 0 &&
              tile[1] >= 0 && tile[1] % (2 * cpu::kGrain) == 0;
  if (!fits)
    return function.emitOpError() << "expected the request's tile for a CPU to be a side of 32 to 512, a multiple of "
                                     "32, and 0 or a multiple of 64 "
                                     "elements of k, got ["
                                  << tile << "]";
  return success();
}

/// The runtime counts matrices of a group, and tiles of a launch, in 32 bits.
static LogicalResult checkCounts(const StepPlan &plan) {
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  int64_t tiles = 1;
  for (const Draft &draft : plan.drafts)
    tiles = std::max(tiles, plan.numTiles(draft));
  func::FuncOp function = plan.function;
  if (plan.matrices > kMost / tiles)
    return function.emitOpError() << "expected at most 2^32 - 1 tiles in a launch, got " << plan.matrices
                                  << " matrices of " << tiles;
  return success();
}

/// Adds to `workspace` what the groups take of it.
static FailureOr<std::vector<Group>> planGroups(ModuleOp module, TargetAttr target, int64_t &workspace) {
  llvm::StringMap<int64_t> parameters;
  auto programs = llvm::to_vector(module.getOps<ProgramOp>());
  if (programs.size() > 1)
    return programs[1].emitOpError("expected at most one muon.program in a module, got a second");
  bool hasProgram = !programs.empty();
  module.walk([&](UseOp use) { parameters[use.getFunction()] += use.getParameters().size(); });
  std::vector<Group> groups;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (hasProgram && !parameters.count(function.getName()))
      continue;
    if (!isStepFunction(function))
      return function.emitOpError("expected a step function, a function with a weight");
    if (failed(checkTile(function, target)))
      return failure();
    int64_t count = (hasProgram ? parameters[function.getName()] : 1) * matricesPerParameter(function);
    FailureOr<StepPlan> plan = StepPlan::create(function, target, count);
    if (failed(plan) || failed(checkCounts(*plan)))
      return failure();
    if (plan->chosenChains)
      function->setAttr(kChains, plan->chosenChains); // for the report
    int64_t bytes = plan->bytesPerMatrix * count;
    groups.push_back({std::move(*plan), workspace});
    workspace += bytes;
  }
  return groups;
}

StringAttr Kernels::kernelFor(const StepPlan &plan, const Draft &draft, int64_t regionOffset, LaunchData &launch) {
  KernelOp kernel = buildKernel(builder, "kernel", plan, draft, regionOffset, launch);
  std::string text;
  llvm::raw_string_ostream stream(text);
  // The text, since OperationEquivalence compares a symbol's name too, and has no hash of regions to find kernels by.
  kernel.print(stream, OpPrintingFlags().useLocalScope());
  StringAttr &symbol = known[text];
  if (symbol) {
    kernel.erase();
    return symbol;
  }
  kernel.setSymName((stringifyKernelKind(kernel.getKind()) + "_" + Twine(known.size() - 1)).str());
  return symbol = symbols.insert(kernel);
}

/// The program's scalars by name: the columns of every parameter's scalar row.
static LogicalResult nameScalars(ModuleOp module, ArrayRef<Group> groups) {
  std::map<StringRef, bool> integer;
  for (const Group &group : groups) {
    func::FuncOp function = group.plan.function;
    for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
      if (!isa<RankedTensorType>(type)) {
        StringAttr name = nameOf(function, i);
        if (bool known = integer.try_emplace(name.getValue(), type.isInteger()).first->second;
            known != type.isInteger())
          return function.emitOpError() << "expected scalar " << name << " to be " << (known ? "an integer" : "a float")
                                        << " as in another step function, got " << type;
      }
  }
  Builder builder(module.getContext());
  SmallVector<Attribute> names;
  SmallVector<bool> kinds;
  for (auto [name, isInteger] : integer) {
    names.push_back(builder.getStringAttr(name));
    kinds.push_back(isInteger);
  }
  module->setAttr(kScalars, builder.getArrayAttr(names));
  module->setAttr(kIntegerScalars, builder.getDenseBoolArrayAttr(kinds));
  return success();
}

/// A launch's sizes are as many as the runtime's struct holds.
static LogicalResult checkSizes(func::FuncOp function, const LaunchData &launch) {
  if (launch.sizes.size() > sizes::kMost)
    return function.emitOpError() << "expected at most " << sizes::kMostInParts
                                  << " products in parts that one sweep reads, got "
                                  << launch.sizes.size() - sizes::kCommon;
  return success();
}

void PlanLaunches::runOnOperation() {
  TargetAttr target = askedTarget(getOperation());
  if (!target) {
    getOperation().emitOpError("expected a muon.request with a target");
    return signalPassFailure();
  }
  int64_t workspace = 0;
  FailureOr<std::vector<Group>> groups = planGroups(getOperation(), target, workspace);
  if (failed(groups) || failed(nameScalars(getOperation(), *groups)))
    return signalPassFailure();

  OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
  Location loc = getOperation().getLoc();
  SymbolTable symbols(getOperation());
  auto variant = VariantOp::create(builder, loc, "variant", target, workspace, 0, DictionaryAttr());
  symbols.insert(variant);
  OpBuilder stages = OpBuilder::atBlockBegin(&variant.getBody().emplaceBlock());
  builder.setInsertionPoint(variant);
  std::map<int64_t, SmallVector<std::pair<const Group *, const Draft *>>> byStage;
  for (const Group &group : *groups)
    for (const Draft &draft : group.plan.drafts)
      byStage[draft.stage].push_back({&group, &draft});
  Kernels kernels(builder, symbols);
  int64_t scratch = 0;
  for (auto &[number, drafts] : byStage) {
    auto stage = StageOp::create(stages, loc);
    OpBuilder launches = OpBuilder::atBlockBegin(&stage.getBody().emplaceBlock());
    for (auto [group, draft] : drafts) {
      LaunchData data;
      StringAttr kernel = kernels.kernelFor(group->plan, *draft, group->regionOffset, data);
      func::FuncOp function = group->plan.function;
      if (failed(checkSizes(function, data)))
        return signalPassFailure();
      if (draft->product && !target.isGpu())
        scratch = std::max(scratch, cpu::blockBufferBytes(data.sizes[sizes::kBlockM], data.sizes[sizes::kBlockN]));
      LaunchOp::create(launches, loc, kernel, function.getSymName(), data.tiles, data.sizes,
                       builder.getArrayAttr(data.places), data.coefficients, data.predicate);
    }
  }
  variant.setScratch(scratch);
  numKernels = kernels.size();
  numStages = byStage.size();
}
