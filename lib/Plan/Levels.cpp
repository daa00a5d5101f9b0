//===- Levels.cpp - which stage a value can be computed in ------------------------------------===//

#include "muon/Plan/Levels.h"

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/StepFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace muon;

bool muon::isElementwise(Operation *op) { return op->hasTrait<OpTrait::Elementwise>() || isa<RoundOp>(op); }

int64_t muon::partsOf(Operation *product) {
  auto parts = product->getAttrOfType<IntegerAttr>(kParts);
  return parts ? parts.getInt() : 1;
}

Reduction muon::reductionOf(linalg::ReduceOp reduce) {
  Operation &combiner = reduce.getCombiner().front().front();
  if (isa<arith::AddFOp>(combiner))
    return Reduction::add;
  return isa<arith::MaximumFOp>(combiner) ? Reduction::max : Reduction::min;
}

static bool isTensor(Value value) { return isa<RankedTensorType>(value.getType()); }

/// Generators and scalar arithmetic: nothing in memory, any stage can compute them.
static bool isGenerator(Operation *op) {
  return isa<arith::ConstantOp, tensor::EmptyOp, tensor::SplatOp, DiagonalOp>(op) ||
         (isElementwise(op) && llvm::none_of(op->getOperands(), isTensor));
}

Level Levels::combine(Operation *op) const {
  Level result;
  result.uniform = true;
  result.symmetric = !isa<RoundOp>(op); // what it adds follows the element's number
  for (Value operand : op->getOperands()) {
    const Level &level = of(operand);
    result.uniform &= level.uniform;
    result.symmetric &= level.symmetric;
    result.stage = std::max(result.stage, level.stage);
  }
  for (Value operand : op->getOperands()) {
    const Level &level = of(operand);
    if (level.stage != result.stage || !level.product)
      continue;
    if (result.product && result.product != level.product) { // one body has one accumulator
      result.product = nullptr;
      ++result.stage;
      break;
    }
    result.product = level.product;
  }
  // The mirrored half of a symmetric product holds the same values only if the body treats rows and columns alike.
  if (result.product && cast<ProductOpInterface>(result.product).symmetricResult() && !result.symmetric) {
    result.product = nullptr;
    ++result.stage;
  }
  return result;
}

bool Levels::reducesColumns(linalg::ReduceOp reduce) const {
  ArrayRef<int64_t> dimensions = reduce.getDimensions();
  int64_t rank = cast<RankedTensorType>(reduce.getInputs()[0].getType()).getRank();
  return rank == batchRank() + 2 && dimensions.size() == 1 && dimensions[0] == rank - 2;
}

LogicalResult Levels::visitReduce(linalg::ReduceOp reduce) {
  if (reduce.getInputs().size() != 1)
    return reduce.emitOpError("expected one input to plan");
  Level source = of(reduce.getInputs()[0]), result;
  ArrayRef<int64_t> dimensions = reduce.getDimensions();
  for (int64_t dimension : dimensions)
    if (dimension < batchRank())
      return reduce.emitOpError() << "reduces batch dimension " << dimension << "; matrices of a batch are independent";
  // An epilogue reduces a symmetric matrix as a whole; else the product's result goes to memory and a sweep of the next
  // stage reduces it.
  bool inEpilogue = source.product && cast<ProductOpInterface>(source.product).symmetricResult() &&
                    dimensions.size() == 2 && !target.isGpu();
  result.stage = source.stage + (source.product && !inEpilogue ? 2 : 1);
  result.symmetric = dimensions.size() == 2;
  levels[reduce.getResult(0)] = result;
  return success();
}

ArrayRef<Operation *> Levels::chainOf(Operation *product) const {
  auto found = chainNumber.find(product);
  return found == chainNumber.end() ? ArrayRef<Operation *>() : ArrayRef<Operation *>(chains[found->second].products);
}

Value Levels::predicateFor(Choices::Demand demand, int64_t stage) const {
  for (int64_t i = demand.from; i-- > 0;) {
    auto word = levels.find(choices[demand.list].settled[i]);
    if (word != levels.end() && word->second.stage < stage)
      return word->first;
  }
  return guard && of(guard).stage < stage ? guard : nullptr;
}

/// The stage in which a product's operand goes to memory.
int64_t Levels::writtenIn(Value operand) const {
  return of(operand).stage - (operand.getDefiningOp<ChooseOp>() ? 1 : 0);
}

Level Levels::visitProduct(ProductOpInterface product) {
  Level result;
  bool inParts = partsOf(product) > 1; // the sweep that adds them comes a stage later
  auto found = chainNumber.find(product);
  Chain *chain = found == chainNumber.end() || inParts ? nullptr : &chains[found->second];
  result.product = inParts ? nullptr : chain ? chain->representative() : product.getOperation();
  result.symmetric = product.symmetricResult();
  for (Value operand : {product.getA(), product.getB()}) {
    const Level &level = of(operand);
    bool inside = chain && level.product == result.product && level.stage == chain->stage;
    result.stage = std::max(result.stage, inside ? level.stage : writtenIn(operand) + (inParts ? 2 : 1));
  }
  Choices::Demand demand = choices.demandOf(product->getResult(0));
  if (demand.from)
    if (auto word = levels.find(choices[demand.list].settled[demand.from - 1]); word != levels.end())
      result.stage = std::max(result.stage, word->second.stage + 1);
  if (chain)
    chain->stage = result.stage = std::max(chain->stage, result.stage);
  return result;
}

Level Levels::ofCandidate(ChooseOp choose, int64_t i) const {
  Level level = of(choose.getCandidates()[i]);
  const Choices::List &list = choices.listOf(choose);
  if (i == static_cast<int64_t>(list.conditions.size()))
    return level;
  level.stage = std::max(level.stage + (level.product ? 1 : 0), of(list.elsewhere[i]).stage + 1);
  level.product = nullptr;
  return level;
}

Level Levels::visitChoose(ChooseOp choose) const {
  Level result;
  result.symmetric = true;
  for (auto [i, candidate] : llvm::enumerate(choose.getCandidates())) {
    result.stage = std::max(result.stage, ofCandidate(choose, i).stage + 1);
    result.symmetric &= of(candidate).symmetric;
  }
  return result;
}

bool Levels::startsWithBatch(RankedTensorType type) const {
  return type.getShape().take_front(batch.size()) == ArrayRef<int64_t>(batch);
}

/// What goes to memory is one matrix after another, each computed by itself.
LogicalResult Levels::checkBatch(Operation *op) const {
  for (Value result : op->getResults())
    if (auto type = dyn_cast<RankedTensorType>(result.getType()); type && type.getRank() > batchRank() + 2)
      return op->emitOpError() << "is a batch of matrices, " << type << ", in a step of "
                               << (batch.empty() ? "single ones" : "a smaller batch")
                               << "; expected every view of it to take one matrix";
  bool slicesStored = isa<tensor::ExtractSliceOp>(op) && !isa<BlockArgument>(op->getOperand(0));
  if (!slicesStored && !isa<ProductOpInterface, linalg::ReduceOp, ChooseOp>(op))
    return success();
  auto reduce = dyn_cast<linalg::ReduceOp>(op);
  for (Value operand : reduce ? ValueRange(reduce.getInputs()) : ValueRange(op->getOperands()))
    if (auto type = dyn_cast<RankedTensorType>(operand.getType()); type && !startsWithBatch(type))
      return op->emitOpError() << "takes " << type << ", which all matrices of the batch [" << batch
                               << "] share; expected one for each";
  if (auto choose = dyn_cast<ChooseOp>(op)) {
    auto condition = cast<RankedTensorType>(choose.getConditions()[0].getType());
    if (condition.getRank() != batchRank())
      return op->emitOpError() << "chooses by " << condition
                               << "; expected one condition for each matrix of the batch [" << batch << "]";
  }
  return success();
}

LogicalResult Levels::visit(Operation *op) {
  if (failed(checkBatch(op)))
    return failure();
  if (auto level = op->getAttrOfType<IntegerAttr>(kGuard)) {
    levels[op->getResult(0)] = Level{level.getInt(), nullptr, false, false};
    return success();
  }
  if (isGenerator(op)) {
    for (Value result : op->getResults())
      levels[result] = Level{0, nullptr, !isa<DiagonalOp>(op), true};
    return success();
  }
  if (auto product = dyn_cast<ProductOpInterface>(op)) {
    levels[op->getResult(0)] = visitProduct(product);
    return success();
  }
  if (auto choose = dyn_cast<ChooseOp>(op)) {
    if (target.isGpu())
      return choose.emitOpError() << "needs a CPU target: launches of a GPU are not skipped by matrix, got "
                                  << target.getCpu();
    levels[choose.getO()] = visitChoose(choose);
    return success();
  }
  if (auto reduce = dyn_cast<linalg::ReduceOp>(op))
    return visitReduce(reduce);
  if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
    Level result = of(broadcast.getInput());
    // A scalar of the matrix is the same at (i, j) and (j, i); a vector is not, nor one that a batch shares.
    int64_t rank = cast<RankedTensorType>(broadcast->getResult(0).getType()).getRank();
    ArrayRef<int64_t> added = broadcast.getDimensions();
    result.symmetric = llvm::is_contained(added, rank - 1) && llvm::is_contained(added, rank - 2);
    levels[op->getResult(0)] = result;
    return success();
  }
  if (isElementwise(op)) {
    levels[op->getResult(0)] = combine(op);
    return success();
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) { // what lies in memory: an argument, or stored a stage before
    const Level &source = of(slice.getSource());
    levels[slice.getResult()] =
        Level{source.stage + (isa<BlockArgument>(slice.getSource()) ? 0 : 1), nullptr, false, false};
    return success();
  }
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) { // a result in pieces
    levels[insert.getResult()] = of(insert.getSource());
    return success();
  }
  if (isa<tensor::TensorDialect>(op->getDialect()))
    return op->emitOpError("is a view: expected muon-split-views before");
  return op->emitOpError("cannot be planned: expected an op of Form's closed list");
}

/// Whether its last two dimensions differ: it is not its own transpose, whatever its elements are.
static bool isOblong(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() > 1 && type.getShape().back() != type.getShape().end()[-2];
}

LogicalResult Levels::computeOnce(func::FuncOp function) {
  for (Operation &op : function.front().without_terminator()) {
    if (failed(visit(&op)))
      return failure();
    for (Value result : op.getResults())
      levels[result].symmetric &= !isOblong(result);
  }
  return success();
}

/// Each pass raises a chain's stage to behind what it reads, until every one was right from its first product on.
/// Returns one that never settles, since it needs itself: no stage is that late. Null: all are settled.
FailureOr<Chain *> Levels::settle(func::FuncOp function) {
  int64_t latest = std::distance(function.front().begin(), function.front().end()) + 2;
  for (;;) {
    SmallVector<int64_t> before = llvm::map_to_vector(chains, [](const Chain &chain) { return chain.stage; });
    if (failed(computeOnce(function)))
      return failure();
    Chain *late = llvm::find_if(chains, [&](const Chain &chain) { return chain.stage > latest; });
    if (late != chains.end())
      return late;
    if (llvm::equal(before, llvm::map_range(chains, [](const Chain &chain) { return chain.stage; })))
      return nullptr;
  }
}

void Levels::placeArguments(func::FuncOp function) {
  for (BlockArgument argument : function.getArguments()) {
    bool scalar = !isTensor(argument);
    levels[argument] = Level{scalar ? 0 : firstStage(), nullptr, scalar, scalar};
  }
  if (BlockArgument weight = findWeight(function)) {
    ArrayRef<int64_t> shape = cast<RankedTensorType>(weight.getType()).getShape();
    batch.assign(shape.begin(), shape.end() - std::min<size_t>(2, shape.size()));
  }
}

/// The word of a guard, which is one i32 per matrix, and made of what is computed before all else. Null without one.
static FailureOr<Value> findGuard(func::FuncOp function) {
  Value word;
  llvm::SetVector<Operation *> made;
  for (Operation &op : function.front()) {
    if (!op.hasAttr(kPredicate))
      continue;
    if (word || !op.hasAttr(kGuard))
      return op.emitOpError() << "expected one " << kPredicate << " in a function, on an op with " << kGuard;
    word = op.getResult(0);
    ArrayRef<int64_t> batch = cast<RankedTensorType>(findWeight(function).getType()).getShape();
    batch = batch.drop_back(std::min<size_t>(2, batch.size()));
    if (cast<RankedTensorType>(word.getType()).getShape() != batch)
      return op.emitOpError() << "expected " << kPredicate << " on one word for each matrix of the batch [" << batch
                              << "], got " << word.getType();
    made.insert(&op);
  }
  for (size_t i = 0; i < made.size(); ++i)
    for (Value operand : made[i]->getOperands())
      if (Operation *op = operand.getDefiningOp())
        made.insert(op);
  for (Operation &op : function.front()) {
    bool guards = op.hasAttr(kGuard);
    if (guards && !made.contains(&op))
      return op.emitOpError() << "expected " << kGuard << " only where the word of " << kPredicate << " is made";
    if (!guards && made.contains(&op) && !isGenerator(&op))
      return op.emitOpError() << "expected " << kGuard << " wherever the word of " << kPredicate << " is made";
  }
  return word;
}

FailureOr<Levels> Levels::compute(func::FuncOp function, TargetAttr target, ArrayRef<Chain> chains) {
  Levels result;
  if (function.isExternal())
    return function.emitOpError("expected a step function with a body");
  result.target = target;
  FailureOr<Value> guard = findGuard(function);
  if (failed(guard))
    return failure();
  result.guard = *guard;
  result.choices = Choices::expand(function, result.guard);
  result.chains.assign(chains.begin(), chains.end());
  for (;;) { // again without a chain that needs itself
    result.levels.clear();
    result.chainNumber.clear();
    result.placeArguments(function);
    for (auto [number, chain] : llvm::enumerate(result.chains)) {
      chain.stage = 0;
      for (Operation *product : chain.products)
        result.chainNumber[product] = number;
    }
    FailureOr<Chain *> endless = result.settle(function);
    if (failed(endless))
      return failure();
    if (!*endless)
      return result;
    result.chains.erase(*endless);
  }
}
