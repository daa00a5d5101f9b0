//===- Choices.cpp - what muon.choose leaves uncomputed ---------------------------------------===//

#include "muon/Plan/Choices.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace muon;

int64_t Choices::find(ChooseOp choose) const {
  for (auto [i, list] : llvm::enumerate(lists))
    if (llvm::equal(list.conditions, choose.getConditions()))
      return i;
  return -1;
}

const Choices::List &Choices::listOf(ChooseOp choose) const { return lists[find(choose)]; }

/// What two users need is needed where either does.
void Choices::demand(Value value, Demand by) {
  auto [known, isNew] = demands.try_emplace(value, by);
  Demand &demand = known->second;
  if (isNew)
    return;
  demand =
      demand.list == by.list && demand.from && by.from ? Demand{by.list, std::min(demand.from, by.from)} : Demand{};
}

void Choices::demandOperands(Operation *op) {
  Demand own = op->getNumResults() == 1 ? demandOf(op->getResult(0)) : Demand{};
  auto choose = dyn_cast<ChooseOp>(op);
  if (!choose || own.from) { // where a choice is not needed, its candidates are not
    for (Value operand : op->getOperands())
      demand(operand, own);
    return;
  }
  int64_t list = find(choose);
  for (auto [i, condition] : llvm::enumerate(choose.getConditions()))
    demand(condition, {list, static_cast<int64_t>(i)});
  for (auto [i, candidate] : llvm::enumerate(choose.getCandidates()))
    demand(candidate, {list, static_cast<int64_t>(i)});
}

/// The one of two values that is computed later.
static Value laterOf(Value a, Value b) {
  Operation *first = a.getDefiningOp(), *second = b ? b.getDefiningOp() : nullptr;
  return first && second && first->isBeforeInBlock(second) ? b : a;
}

void Choices::addWords(List &list, Value guard) {
  constexpr int32_t kSettled = 2; // the guard's 1 is reported, this is not
  Value before = guard;
  for (Value condition : list.conditions) {
    OpBuilder builder(condition.getContext());
    builder.setInsertionPointAfterValue(laterOf(condition, before));
    Location loc = condition.getLoc();
    auto type = cast<RankedTensorType>(condition.getType()).clone(builder.getI32Type());
    auto constant = [&](int32_t number) -> Value {
      return arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(cast<RankedTensorType>(type), number));
    };
    auto word = [&](int32_t here, int32_t otherwise) -> Value { // where the matrix is not settled before
      Value base = arith::SelectOp::create(builder, loc, condition, constant(here), constant(otherwise));
      if (!before)
        return base;
      Value settled = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, before, constant(0));
      return arith::SelectOp::create(builder, loc, settled, before, base);
    };
    list.elsewhere.push_back(word(0, kSettled));
    list.settled.push_back(word(kSettled, 0));
    before = list.settled.back();
  }
}

/// One number per matrix costs less than a launch: all candidates are there, whatever they hold.
static void selectNumber(ChooseOp choose) {
  OpBuilder builder(choose);
  Value chosen = choose.otherwise();
  for (int64_t i = choose.getConditions().size(); i-- > 0;)
    chosen =
        arith::SelectOp::create(builder, choose.getLoc(), choose.getConditions()[i], choose.getCandidates()[i], chosen);
  choose.getO().replaceAllUsesWith(chosen);
  choose.erase();
}

Choices Choices::expand(func::FuncOp function, Value guard) {
  Choices result;
  SmallVector<ChooseOp> chooses = llvm::to_vector(function.getOps<ChooseOp>());
  for (ChooseOp choose : chooses)
    if (result.find(choose) < 0)
      result.lists.push_back({llvm::to_vector(choose.getConditions()), {}, {}});
  if (chooses.empty())
    return result;
  for (Operation &op : llvm::reverse(function.front()))
    result.demandOperands(&op);
  for (List &list : result.lists)
    result.addWords(list, guard);
  for (ChooseOp choose : chooses)
    if (choose.isNumber())
      selectNumber(choose);
  return result;
}
