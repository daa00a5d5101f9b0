//===- ChooseChains.cpp - which chains of products are computed in one block ------------------===//
//
// A chain is planned in one block first; its kernel then says how many matrices that block keeps, and the model whether
// it pays.
//
//===----------------------------------------------------------------------------------------------===//

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/Request.h"
#include "muon/Plan/BuildKernel.h"

#include <cmath>

using namespace mlir;
using namespace muon;

namespace {
/// What is known of one chain, and what was chosen.
struct Choice {
  Chain chain;
  int64_t side = 0, matrices = 0, shared = 0;
  double block = 0, launches = 0; ///< modelled microseconds
  std::string why;                ///< of launches
};
} // namespace

static gpu::OperandKind operandsOf(const Chain &chain) {
  return gpu::operandKind(getElementTypeOrSelf(chain.products.front()->getOperand(0).getType()));
}

/// The kernel of the chain in a plan, in a block of its own.
static KernelOp buildAlone(OpBuilder &builder, const StepPlan &plan, const Chain &chain) {
  for (const Draft &draft : plan.drafts) {
    LaunchData launch;
    if (draft.product == chain.representative())
      return buildKernel(builder, "chain", plan, draft, 0, launch);
  }
  return nullptr;
}

static double launchesTime(TargetAttr target, const Choice &choice, int64_t matrices) {
  gpu::ProductShape shape{choice.side, choice.side, choice.side, matrices, operandsOf(choice.chain), true};
  return gpu::modelProduct(target, shape, gpu::chooseTile(target, shape)).microseconds() * choice.chain.products.size();
}

/// Fills in what a plan with the chain in one block says of it.
static void examine(Choice &choice, const StepPlan &plan, StringRef asked) {
  if (plan.levels.chainOf(choice.chain.representative()).empty()) {
    choice.why = "it needs what is computed behind it";
    return;
  }
  Block scratch;
  OpBuilder builder(plan.target.getContext());
  builder.setInsertionPointToStart(&scratch);
  KernelOp kernel = buildAlone(builder, plan, choice.chain);
  if (!kernel) {
    choice.why = "nothing of it is used";
    return;
  }
  std::optional<ChainLayout> layout = ChainLayout::of(kernel, choice.why);
  if (!layout)
    return;
  ChipAttr chip = plan.target.getChip();
  choice.matrices = layout->buffers;
  gpu::OperandKind operands = operandsOf(choice.chain);
  choice.shared = layout->buffers * gpu::chainMatrixBytes(gpu::chainSide(choice.side), operands);
  if (choice.shared > chip.getBlockShared()) {
    choice.why = std::to_string(choice.matrices) + " matrices take " + std::to_string(choice.shared) +
                 " bytes of shared memory, a block has " + std::to_string(chip.getBlockShared());
    return;
  }
  int64_t touched = llvm::count_if(kernel.getOperands().getAsRange<OperandAttr>(),
                                   [](OperandAttr operand) { return operand.getSpace() == Space::element; });
  double bytes = double(gpu::bytesOf(operands)) * choice.side * choice.side * touched * plan.matrices;
  gpu::ChainShape shape{choice.side, static_cast<int64_t>(choice.chain.products.size()), choice.matrices, plan.matrices,
                        operands};
  choice.block = gpu::modelChain(plan.target, shape, bytes).microseconds();
  if (asked != "block" && choice.launches < choice.block)
    choice.why = "launches are modelled faster";
}

/// The value of kChains.
static ArrayAttr describe(ArrayRef<Choice> choices, Builder builder) {
  SmallVector<Attribute> described;
  auto time = [&](double microseconds) { return builder.getF64FloatAttr(std::round(microseconds * 1000) / 1000); };
  for (const Choice &choice : choices) {
    NamedAttrList fields;
    fields.append("products", builder.getI64IntegerAttr(choice.chain.products.size()));
    fields.append("side", builder.getI64IntegerAttr(choice.side));
    fields.append("taken", builder.getStringAttr(choice.why.empty() ? "block" : "launches"));
    fields.append("modelled_launches_us", time(choice.launches));
    if (choice.matrices) {
      fields.append("matrices", builder.getI64IntegerAttr(choice.matrices));
      fields.append("shared_bytes", builder.getI64IntegerAttr(choice.shared));
    }
    if (choice.block > 0)
      fields.append("modelled_block_us", time(choice.block));
    if (!choice.why.empty())
      fields.append("why", builder.getStringAttr(choice.why));
    described.push_back(fields.getDictionary(builder.getContext()));
  }
  return builder.getArrayAttr(described);
}

FailureOr<StepPlan> StepPlan::create(func::FuncOp function, TargetAttr target, int64_t matrices) {
  SmallVector<Choice> choices;
  if (!target.isGpu() || function.isExternal())
    return create(function, target, matrices, ArrayRef<Chain>());
  StringRef asked = Asked(function).chain();
  for (Chain &chain : findChains(function)) {
    Choice choice;
    choice.side = cast<RankedTensorType>(chain.products.front()->getResult(0).getType()).getShape().back();
    choice.chain = chain;
    choice.launches = launchesTime(target, choice, matrices);
    if (asked == "launches")
      choice.why = "asked for";
    else if (choice.side > gpu::kMostChainSide)
      choice.why = "one block computes sides up to " + std::to_string(gpu::kMostChainSide);
    choices.push_back(std::move(choice));
  }
  for (;;) { // again without those that one block cannot or should not compute
    SmallVector<Chain> chains;
    for (const Choice &choice : choices)
      if (choice.why.empty())
        chains.push_back(choice.chain);
    FailureOr<StepPlan> plan = create(function, target, matrices, chains);
    if (failed(plan))
      return failure();
    size_t before = chains.size(), after = 0;
    for (Choice &choice : choices)
      if (choice.why.empty()) {
        examine(choice, *plan, asked);
        after += choice.why.empty();
      }
    if (after != before)
      continue;
    if (!choices.empty())
      plan->chosenChains = describe(choices, Builder(function.getContext()));
    return plan;
  }
}
