//===- SplitViews.cpp - views become boxes of what lies in memory -----------------------------===//
//
// What a view takes is computed for that box alone: slices move up through elementwise operations, broadcasts and
// reductions to arguments, products and what is stored for products anyway; what is put together is written piece by
// piece.
//
//===----------------------------------------------------------------------------------------------===//

#include "muon/IR/StepFunction.h"
#include "muon/Plan/Boxes.h"
#include "muon/Plan/Levels.h"
#include "muon/Plan/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/DenseSet.h"

#include <map>

namespace muon {
#define GEN_PASS_DEF_SPLITVIEWSPASS
#include "muon/Plan/Passes.h.inc"
} // namespace muon

using namespace mlir;
using namespace muon;

static RankedTensorType tensorType(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

namespace {
class ViewSplitter {
public:
  explicit ViewSplitter(func::FuncOp function) : function(function), builder(function.getContext()) {
    int64_t rank = tensorType(findWeight(function)).getRank();
    batch = rank > 2 ? rank - 2 : 0;
  }
  LogicalResult run();

private:
  LogicalResult findCuts(Operation *op);
  void findDemand(Operation *op);
  bool isKept(Value value) const;
  LogicalResult splitResults(func::ReturnOp terminator);
  void eraseUnused();

  /// This box of a value; null after an error was reported.
  Value piece(Value value, const Box &box);
  Value build(Value value, const Box &box);
  Value slice(Value value, const Box &box);
  Value buildElementwise(Value value, const Box &box);
  Value buildBroadcast(linalg::BroadcastOp broadcast, const Box &box);
  Value buildReduce(linalg::ReduceOp reduce, const Box &box);
  Value reducePiece(linalg::ReduceOp reduce, const Box &box, const Box &ofInput);
  Value buildProduct(ProductOpInterface product, const Box &box);
  Value buildConstant(arith::ConstantOp constant, const Box &box);

  func::FuncOp function;
  OpBuilder builder;
  int64_t batch;
  llvm::DenseMap<Value, Cuts> cuts;  ///< of values that are put together from pieces
  llvm::DenseMap<Value, Cuts> asked; ///< what is taken of a value
  llvm::DenseSet<Value> wanted;      ///< something needs all of it at once
  llvm::DenseSet<Value> late;        ///< behind a product or a reduction
  std::map<std::pair<void *, std::vector<int64_t>>, Value> known;
};
} // namespace

//===----------------------------------------------------------------------------------------------===//
// What is put together, and what is taken apart
//===----------------------------------------------------------------------------------------------===//

LogicalResult ViewSplitter::findCuts(Operation *op) {
  if (op->getNumResults() != 1 || !tensorType(op->getResult(0)))
    return success();
  Value result = op->getResult(0);
  Cuts own(tensorType(result).getRank());
  auto cutsOf = [&](Value value) { return cuts.lookup(value); };
  for (Value operand : op->getOperands())
    if (late.contains(operand))
      late.insert(result);
  if (isView(op)) {
    own = cutsOfView(op, cutsOf);
  } else if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
    Cuts input = cutsOf(broadcast.getInput());
    int64_t next = 0;
    for (int64_t i = 0, e = own.at.size(); i < e; ++i)
      if (!llvm::is_contained(broadcast.getDimensions(), i))
        own.addRange(i, input, next++, 0, tensorType(result).getDimSize(i));
  } else if (auto reduce = dyn_cast<linalg::ReduceOp>(op)) {
    late.insert(result);
    Cuts input = cutsOf(reduce.getInputs()[0]);
    int64_t next = 0;
    for (int64_t i = 0, e = tensorType(reduce.getInputs()[0]).getRank(); i < e; ++i)
      if (!llvm::is_contained(reduce.getDimensions(), i))
        own.addRange(next, input, i, 0, tensorType(result).getDimSize(next)), ++next;
  } else if (auto product = dyn_cast<ProductOpInterface>(op)) {
    late.insert(result);
    for (Value operand : {product.getA(), product.getB()}) {
      Cuts input = cutsOf(operand);
      for (int64_t i = 0, rank = input.at.size(); i < rank; ++i) {
        if (i + 2 < rank)
          own.addRange(i, input, i, 0, tensorType(result).getDimSize(i));
        else if (!input.at[i].empty() || input.dropped[i])
          return op->emitOpError(
              "takes a matrix that is put together from parts; expected the parts to be multiplied each by itself");
      }
    }
  } else {
    for (Value operand : op->getOperands())
      if (tensorType(operand) && tensorType(operand).getShape() == tensorType(result).getShape() && cuts.count(operand))
        own.add(cutsOf(operand));
  }
  if (!own.empty())
    cuts[result] = own;
  return success();
}

/// Backwards: what needs all of a value, and where others take part of one.
void ViewSplitter::findDemand(Operation *op) {
  for (Value operand : op->getOperands()) {
    bool whole = op->getNumResults() == 0 || isa<ProductOpInterface, linalg::ReduceOp>(op);
    if (!isView(op) && op->getNumResults() == 1)
      whole |= wanted.contains(op->getResult(0));
    if (whole && !cuts.count(operand))
      wanted.insert(operand);
  }
  if (op->getNumResults() != 1 || !tensorType(op->getResult(0)))
    return;
  Value result = op->getResult(0);
  Cuts ofResult(tensorType(result).getRank());
  for (const auto *known : {&cuts, &asked})
    if (auto found = known->find(result); found != known->end())
      ofResult.add(found->second);
  if (isView(op))
    asked.try_emplace(op->getOperand(0), tensorType(op->getOperand(0)).getRank())
        .first->second.add(cutsAskedBy(op, ofResult));
  if (!isElementwise(op) || ofResult.empty())
    return;
  ofResult.dropped.reset();
  for (Value operand : op->getOperands())
    if (tensorType(operand))
      asked.try_emplace(operand, tensorType(operand).getRank()).first->second.add(ofResult);
}

/// Whether pieces of it are read from memory: what is computed behind products and needed as a whole too.
bool ViewSplitter::isKept(Value value) const {
  bool matrix = tensorType(value).getRank() >= batch + 2;
  return matrix && late.contains(value) && wanted.contains(value) && !cuts.count(value) &&
         isElementwise(value.getDefiningOp());
}

//===----------------------------------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------------------------------===//

Value ViewSplitter::piece(Value value, const Box &box) {
  if (box.isWhole(tensorType(value)) && !cuts.count(value) && !isView(value.getDefiningOp()))
    return value;
  std::vector<int64_t> key(box.offsets.begin(), box.offsets.end());
  for (auto [i, size] : llvm::enumerate(box.sizes))
    key.push_back(box.dropped[i] ? 0 : size);
  auto [found, isNew] = known.try_emplace({value.getAsOpaquePointer(), key});
  if (isNew) {
    Value built = build(value, box);
    known[{value.getAsOpaquePointer(), key}] = built;
    return built;
  }
  return found->second;
}

Value ViewSplitter::build(Value value, const Box &box) {
  Operation *op = value.getDefiningOp();
  if (!op || isKept(value))
    return slice(value, box);
  if (isView(op)) {
    auto [source, below] = boxBelow(op, box);
    return piece(source, below);
  }
  RankedTensorType type = tensorType(value);
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return buildConstant(constant, box);
  if (isa<tensor::EmptyOp>(op))
    return tensor::EmptyOp::create(builder, op->getLoc(), box.shape(), type.getElementType());
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return tensor::SplatOp::create(builder, op->getLoc(), splat.getInput(),
                                   RankedTensorType::get(box.shape(), type.getElementType()));
  if (auto diagonal = dyn_cast<DiagonalOp>(op)) {
    SmallVector<int64_t> matrix = box.without([&](int64_t i) { return i + 2 < type.getRank(); }).shape();
    if (ArrayRef<int64_t>(matrix) == type.getShape().take_back(2))
      return DiagonalOp::create(builder, op->getLoc(), RankedTensorType::get(box.shape(), type.getElementType()),
                                diagonal->getOperand(0));
  }
  if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op))
    return buildBroadcast(broadcast, box);
  if (auto reduce = dyn_cast<linalg::ReduceOp>(op))
    return buildReduce(reduce, box);
  if (auto product = dyn_cast<ProductOpInterface>(op))
    return buildProduct(product, box);
  if (isElementwise(op) || isa<ChooseOp>(op))
    return buildElementwise(value, box);
  op->emitOpError(
      "cannot be taken apart: expected elementwise operations, broadcasts, reductions and products between views");
  return nullptr;
}

Value ViewSplitter::slice(Value value, const Box &box) {
  RankedTensorType type = tensorType(value);
  if (box.isWhole(type))
    return value;
  for (int64_t i = 0; i < batch && i < type.getRank(); ++i)
    if (isa<BlockArgument>(value) && (box.dropped[i] || box.sizes[i] != type.getDimSize(i))) {
      function.emitOpError() << "takes apart dimension " << i << " of " << type
                             << ", whose matrices are a batch; expected a weight of rank 2";
      return nullptr;
    }
  SmallVector<int64_t> ones(type.getRank(), 1);
  auto ofPiece = RankedTensorType::get(box.shape(), type.getElementType());
  return tensor::ExtractSliceOp::create(builder, value.getLoc(), ofPiece, value, ValueRange(), ValueRange(),
                                        ValueRange(), box.offsets, box.sizes, ones);
}

/// Where the elements of a piece are in the tensor that is rounded: the number of the first, and those from row to row
/// and column to column. What is rounded may be a piece itself.
static SmallVector<int64_t> numbering(RoundOp round, const Box &box, int64_t batch) {
  RankedTensorType type = round.getY().getType();
  std::optional<ArrayRef<int64_t>> own = round.getNumbering();
  int64_t first = own ? own->front() : 0, rowMajor = 1;
  SmallVector<int64_t> strides;
  for (int64_t i = type.getRank(), fromBack = 1; i-- > batch; ++fromBack) {
    int64_t stride = !own ? rowMajor : fromBack > 2 ? 0 : (*own)[3 - fromBack];
    first += box.offsets[i] * stride;
    if (!box.dropped[i])
      strides.push_back(stride);
    rowMajor *= type.getDimSize(i);
  }
  strides.resize(2, 0);
  return {first, strides[1], strides[0]};
}

Value ViewSplitter::buildElementwise(Value value, const Box &box) {
  Operation *op = value.getDefiningOp();
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    if (!tensorType(operand))
      continue;
    int64_t rank = tensorType(operand).getRank(); // a choice's conditions have the batch's dimensions only
    Value part = piece(operand, box.without([&](int64_t i) { return i >= rank; }));
    if (!part)
      return nullptr;
    mapping.map(operand, part);
  }
  Operation *clone = builder.clone(*op, mapping);
  for (OpResult result : clone->getResults())
    result.setType(RankedTensorType::get(box.shape(), tensorType(result).getElementType()));
  if (auto round = dyn_cast<RoundOp>(clone))
    round.setNumbering(numbering(cast<RoundOp>(op), box, batch));
  return clone->getResult(cast<OpResult>(value).getResultNumber());
}

Value ViewSplitter::buildBroadcast(linalg::BroadcastOp broadcast, const Box &box) {
  SmallVector<int64_t> added = box.positionsOf(broadcast.getDimensions());
  Value input = piece(broadcast.getInput(),
                      box.without([&](int64_t i) { return llvm::is_contained(broadcast.getDimensions(), i); }));
  if (!input || added.empty())
    return input;
  Value init = tensor::EmptyOp::create(builder, broadcast.getLoc(), box.shape(), tensorType(input).getElementType());
  return linalg::BroadcastOp::create(builder, broadcast.getLoc(), input, init, added)->getResult(0);
}

/// One piece of the input reduced to `box` of the result.
Value ViewSplitter::reducePiece(linalg::ReduceOp reduce, const Box &box, const Box &ofInput) {
  Value input = piece(reduce.getInputs()[0], ofInput), init = piece(reduce.getInits()[0], box);
  SmallVector<int64_t> dimensions = ofInput.positionsOf(reduce.getDimensions());
  if (!input || !init || dimensions.empty())
    return init ? input : nullptr;
  IRMapping mapping;
  mapping.map(reduce.getInputs()[0], input);
  mapping.map(reduce.getInits()[0], init);
  auto clone = cast<linalg::ReduceOp>(builder.clone(*reduce, mapping));
  clone.setDimensions(dimensions);
  clone->getResult(0).setType(cast<RankedTensorType>(init.getType()));
  return clone->getResult(0);
}

Value ViewSplitter::buildReduce(linalg::ReduceOp reduce, const Box &box) {
  RankedTensorType type = tensorType(reduce.getInputs()[0]);
  // Dimensions that are kept are as the result has them; of the others every piece is reduced by itself.
  Cuts reduced = cuts.lookup(reduce.getInputs()[0]);
  if (reduced.at.empty())
    reduced = Cuts(type.getRank());
  Box kept = Box::whole(type);
  int64_t next = 0;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (llvm::is_contained(reduce.getDimensions(), i))
      continue;
    kept.copy(i, box, next++);
    reduced.at[i].clear();
    reduced.dropped.reset(i);
  }
  Value total;
  for (Box part : reduced.pieces(type)) {
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (!llvm::is_contained(reduce.getDimensions(), i))
        part.copy(i, kept, i);
    Value own = reducePiece(reduce, box, part);
    if (!own)
      return nullptr;
    Operation &combiner = reduce.getCombiner().front().front();
    if (total) {
      OperationState state(reduce.getLoc(), combiner.getName().getStringRef(), {total, own}, {own.getType()});
      total = builder.create(state)->getResult(0);
    } else {
      total = own;
    }
  }
  return total;
}

Value ViewSplitter::buildProduct(ProductOpInterface product, const Box &box) {
  Value result = product->getResult(0);
  int64_t matrix = box.sizes.size() - 2;
  Box ofBatch = Box::whole(tensorType(result));
  for (int64_t i = 0; i < matrix; ++i)
    ofBatch.copy(i, box, i);
  if (ofBatch.isWhole(tensorType(result)) && !cuts.count(result))
    return slice(result, box);
  if (!box.without([&](int64_t i) { return i < matrix; })
           .isWhole(RankedTensorType::get(tensorType(result).getShape().take_back(2), builder.getF32Type()))) {
    Value all = piece(result, ofBatch);
    return all ? slice(all, box.without([&](int64_t i) { return box.dropped[i] && i < matrix; })) : nullptr;
  }
  IRMapping mapping;
  for (Value operand : {product.getA(), product.getB()}) {
    Box own = Box::whole(tensorType(operand));
    for (int64_t i = 0; i < matrix; ++i)
      own.copy(i, box, i);
    Value part = piece(operand, own);
    if (!part)
      return nullptr;
    mapping.map(operand, part);
  }
  Operation *clone = builder.clone(*product, mapping);
  clone->getResult(0).setType(RankedTensorType::get(box.shape(), builder.getF32Type()));
  return clone->getResult(0);
}

Value ViewSplitter::buildConstant(arith::ConstantOp constant, const Box &box) {
  auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
  if (!dense || !dense.isSplat()) {
    constant.emitOpError("cannot be taken apart: expected one number for all elements");
    return nullptr;
  }
  auto type = RankedTensorType::get(box.shape(), dense.getElementType());
  return arith::ConstantOp::create(builder, constant.getLoc(), dense.resizeSplat(type));
}

//===----------------------------------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------------------------------===//

/// Results in pieces: each is put into the argument it replaces (a metric: into nothing).
LogicalResult ViewSplitter::splitResults(func::ReturnOp terminator) {
  constexpr size_t kMost = 256;
  SmallVector<BlockArgument> donated = donatedArguments(function);
  for (OpOperand &operand : terminator->getOpOperands()) {
    Value value = operand.get();
    RankedTensorType type = tensorType(value);
    Cuts own(type.getRank());
    own.add(cuts.count(value) ? cuts[value] : Cuts(type.getRank()));
    if (!late.contains(value) && value.getDefiningOp() && asked.count(value))
      own.add(asked[value]);
    if (own.empty())
      continue;
    SmallVector<Box> pieces = own.pieces(type);
    if (pieces.size() > kMost)
      return terminator.emitOpError() << "result " << operand.getOperandNumber() << " is put together from "
                                      << pieces.size() << " pieces; expected at most " << kMost
                                      << ", or a weight whose first dimension counts them";
    Value into =
        operand.getOperandNumber() < donated.size()
            ? Value(donated[operand.getOperandNumber()])
            : Value(tensor::EmptyOp::create(builder, terminator.getLoc(), type.getShape(), type.getElementType()));
    for (const Box &box : pieces) {
      Value part = piece(value, box);
      if (!part)
        return failure();
      SmallVector<int64_t> ones(type.getRank(), 1);
      into = tensor::InsertSliceOp::create(builder, terminator.getLoc(), part, into, ValueRange(), ValueRange(),
                                           ValueRange(), box.offsets, box.sizes, ones);
    }
    operand.set(into);
  }
  return success();
}

void ViewSplitter::eraseUnused() {
  SmallVector<Operation *> ops = llvm::map_to_vector(function.front(), [](Operation &op) { return &op; });
  for (Operation *op : llvm::reverse(ops))
    if (isOpTriviallyDead(op))
      op->erase();
}

static LogicalResult checkSlice(tensor::ExtractSliceOp slice) {
  if (!slice.getOffsets().empty() || !slice.getSizes().empty() || !slice.getStrides().empty())
    return slice.emitOpError("expected constant offsets, sizes and strides");
  for (int64_t stride : slice.getStaticStrides())
    if (stride != 1)
      return slice.emitOpError() << "expected elements next to each other, got stride " << stride;
  return success();
}

LogicalResult ViewSplitter::run() {
  SmallVector<Operation *> ops = llvm::map_to_vector(function.front(), [](Operation &op) { return &op; });
  if (llvm::none_of(ops, isView))
    return success();
  for (Operation *op : ops) {
    auto view = dyn_cast<tensor::ExtractSliceOp>(op);
    if ((view && failed(checkSlice(view))) || failed(findCuts(op)))
      return failure();
  }
  for (Operation *op : llvm::reverse(ops))
    findDemand(op);
  for (Operation *op : ops) {
    builder.setInsertionPoint(op);
    if (auto terminator = dyn_cast<func::ReturnOp>(op)) {
      if (failed(splitResults(terminator)))
        return failure();
      continue;
    }
    auto reduce = dyn_cast<linalg::ReduceOp>(op);
    bool acrossPieces = reduce && cuts.count(reduce.getInputs()[0]);
    if ((!isView(op) && !acrossPieces) || cuts.count(op->getResult(0)))
      continue;
    Value result = op->getResult(0);
    Box whole = Box::whole(tensorType(result));
    Value part = acrossPieces ? buildReduce(reduce, whole) : piece(result, whole);
    if (!part)
      return failure();
    result.replaceAllUsesWith(part);
  }
  eraseUnused();
  return success();
}

namespace {
struct SplitViews : muon::impl::SplitViewsPassBase<SplitViews> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function.isExternal() && findWeight(function) && failed(ViewSplitter(function).run()))
      signalPassFailure();
  }
};
} // namespace
