//===- BuildKernel.cpp - one draft as a kernel and a launch -----------------------------------===//

#include "muon/Plan/BuildKernel.h"

#include "muon/IR/StepFunction.h"
#include "muon/Plan/ExpandRound.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <map>

using namespace mlir;
using namespace muon;

namespace {
class KernelBuilder {
public:
  KernelBuilder(OpBuilder &builder, const StepPlan &plan, const Draft &draft, int64_t regionOffset, LaunchData &launch)
      : builder(builder), plan(plan), draft(draft), regionOffset(regionOffset), launch(launch),
        leaves(plan.collectLeaves(draft)), chain(plan.chainOf(draft)) {}

  KernelOp build(StringRef name);

private:
  using Key = std::pair<void *, std::vector<int64_t>>;
  static Key keyOf(Value value, const Axes &axes) { return {value.getAsOpaquePointer(), {axes.begin(), axes.end()}}; }

  void addPanels();
  void addInputs();
  void addScalars();
  void addOutputs();
  void addOperand(Direction direction, Space space, Layout layout, Type dtype, Reduction reduction);
  Attribute placeOfBuffer(const Buffer &buffer, Space space);
  Attribute placeOfArgument(int64_t argument, const Axes &axes, Operation *box);
  Attribute placeOfSlice(const Leaf &leaf);
  RankedTensorType typeOfArgument(int64_t argument);
  Value emit(Value value, const Axes &axes);
  Value emitOp(Operation *op, const Axes &axes);
  Value elementNumber(RoundOp round);
  Value coefficient(arith::ConstantOp constant);
  Value convert(Value value, Type type);
  void setSizes();

  OpBuilder &builder;
  const StepPlan &plan;
  const Draft &draft;
  int64_t regionOffset;
  LaunchData &launch;
  Leaves leaves;
  ArrayRef<Operation *> chain;
  Block *body = nullptr;
  SmallVector<Attribute> operands, scalarNames;
  SmallVector<bool> integerScalars;
  SmallVector<int64_t> gradients; ///< operands that come with each run
  SmallVector<int64_t> parts;     ///< of each operand in parts
  std::map<Key, Value> emitted;
  SmallVector<Value> yields;
  func::FuncOp function = plan.function;
  Location loc() { return function.getLoc(); }
};
} // namespace

/// How the transpose of what lies in memory like this is read; what is not packed has its strides swapped instead.
static Layout layoutOfTranspose(Layout layout) {
  switch (layout) {
  case Layout::columns:
    return Layout::rows;
  case Layout::rows:
    return Layout::columns;
  case Layout::row_tiles:
    return Layout::column_tiles;
  case Layout::column_tiles:
    return Layout::row_tiles;
  default:
    return Layout::plain;
  }
}

static Type elementType(Value value) { return getElementTypeOrSelf(value.getType()); }

void KernelBuilder::addOperand(Direction direction, Space space, Layout layout, Type dtype, Reduction reduction) {
  operands.push_back(OperandAttr::get(builder.getContext(), direction, space, layout, dtype, reduction));
}

Attribute KernelBuilder::placeOfBuffer(const Buffer &buffer, Space space) {
  int64_t row = buffer.rowStride, column = buffer.columnStride;
  if (buffer.partials)
    row = buffer.partials, column = 1;
  else if (space == Space::row)
    row = 1, column = 0;
  else if (space == Space::column)
    row = 0, column = 1;
  else if (draft.turned && layoutOfTranspose(buffer.layout) == Layout::plain)
    std::swap(row, column);
  return PlaceAttr::get(builder.getContext(), -1, -1, -1, regionOffset + buffer.offset, plan.bytesPerMatrix, row,
                        column);
}

/// Of an argument, or of the metric that is counted behind them.
RankedTensorType KernelBuilder::typeOfArgument(int64_t argument) {
  FunctionType type = function.getFunctionType();
  int64_t arguments = type.getNumInputs();
  if (argument < arguments)
    return cast<RankedTensorType>(type.getInput(argument));
  int64_t result = donatedArguments(function).size() + argument - arguments;
  return cast<RankedTensorType>(type.getResult(result));
}

/// The dimensions of a tensor that those of a box of it are.
static SmallVector<int64_t> keptDimensions(Operation *box, int64_t rank) {
  llvm::SmallBitVector dropped(rank);
  if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(box))
    dropped = slice.getDroppedDims();
  else if (auto insert = dyn_cast_or_null<tensor::InsertSliceOp>(box))
    dropped = insert.getDroppedDims();
  dropped.flip();
  return llvm::to_vector_of<int64_t>(dropped.set_bits());
}

/// The row-major number of a box's first element, counted from dimension `first` on.
static int64_t startOf(Operation *box, ArrayRef<int64_t> shape, int64_t first) {
  auto offsets = cast<OffsetSizeAndStrideOpInterface>(box);
  int64_t start = 0;
  for (int64_t i = first, e = shape.size(); i < e; ++i)
    start = start * shape[i] + offsets.getStaticOffset(i);
  return start;
}

Attribute KernelBuilder::placeOfArgument(int64_t argument, const Axes &axes, Operation *box) {
  int64_t rank = draft.shape.size(), batch = plan.levels.batchRank(), rowAxis = -1, columnAxis = -1;
  RankedTensorType type = typeOfArgument(argument);
  SmallVector<int64_t> kept = keptDimensions(box, box ? type.getRank() : axes.size());
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (axis == rank - 1 && rank > batch)
      columnAxis = kept[i];
    else if (axis == rank - 2 && rank > batch + 1)
      rowAxis = kept[i];
  }
  if (!box)
    return PlaceAttr::get(builder.getContext(), plan.tensorArgument(argument), rowAxis, columnAxis);
  // As the runtime counts: behind the batch, unless all matrices share the argument.
  auto ofMatrix = [&](int64_t axis) { return axis < 0 || axis >= batch; };
  bool perMatrix = plan.levels.startsWithBatch(type) && ofMatrix(rowAxis) && ofMatrix(columnAxis);
  int64_t start = startOf(box, type.getShape(), perMatrix ? batch : 0);
  return PlaceAttr::get(builder.getContext(), plan.tensorArgument(argument), rowAxis, columnAxis, start, 0, 0, 0);
}

/// A box of a matrix in the workspace.
Attribute KernelBuilder::placeOfSlice(const Leaf &leaf) {
  auto slice = cast<tensor::ExtractSliceOp>(leaf.slice);
  const Buffer &buffer = plan.buffers[leaf.buffer];
  int64_t rank = slice.getSourceType().getRank(), row = 0, column = 0;
  SmallVector<int64_t> strides(rank, 0);
  strides[rank - 1] = buffer.columnStride, strides[rank - 2] = buffer.rowStride;
  SmallVector<int64_t> kept = keptDimensions(slice, rank);
  for (auto [i, axis] : llvm::enumerate(leaf.axes)) {
    int64_t space = draft.shape.size();
    if (axis == space - 1)
      column = strides[kept[i]];
    else if (axis == space - 2)
      row = strides[kept[i]];
  }
  int64_t first =
      slice.getStaticOffset(rank - 2) * buffer.rowStride + slice.getStaticOffset(rank - 1) * buffer.columnStride;
  int64_t bytes = first * buffer.dtype.getIntOrFloatBitWidth() / 8;
  return PlaceAttr::get(builder.getContext(), -1, -1, -1, regionOffset + buffer.offset + bytes, plan.bytesPerMatrix,
                        row, column);
}

void KernelBuilder::addPanels() {
  auto product = dyn_cast_or_null<ProductOpInterface>(draft.product);
  if (!product || !chain.empty())
    return;
  for (bool isA : {true, false}) {
    Value value = isA ? product.getA() : product.getB();
    Layout layout = operandLayout(product, isA, plan.levels.of(value).symmetric, plan.target);
    const Buffer &buffer = plan.buffers[plan.find(value, storedLayout(layout))];
    addOperand(Direction::in, Space::element, layout, buffer.dtype, Reduction::none);
    launch.places.push_back(placeOfBuffer(buffer, Space::element));
  }
}

void KernelBuilder::addInputs() {
  for (const Leaf &leaf : leaves.memory) {
    Space space = plan.spaceOf(leaf.axes, draft.shape.size());
    Type dtype = elementType(leaf.value), argumentType = dtype;
    Layout layout = Layout::plain;
    Reduction reduction = Reduction::none;
    if (leaf.buffer >= 0 && leaf.slice) {
      dtype = argumentType = plan.buffers[leaf.buffer].dtype;
      launch.places.push_back(placeOfSlice(leaf));
    } else if (leaf.buffer >= 0) {
      const Buffer &buffer = plan.buffers[leaf.buffer];
      layout = draft.turned ? layoutOfTranspose(buffer.layout) : buffer.layout;
      dtype = argumentType = buffer.dtype;
      if (buffer.partials)
        reduction = reductionOf(leaf.value.getDefiningOp<linalg::ReduceOp>());
      if (buffer.parts > 1) {
        reduction = Reduction::add;
        parts.push_back(buffer.parts);
      }
      launch.places.push_back(placeOfBuffer(buffer, space));
    } else {
      launch.places.push_back(placeOfArgument(leaf.argument, leaf.axes, leaf.slice));
      if (roleOf(function, leaf.argument) == Role::gradient)
        gradients.push_back(operands.size());
    }
    addOperand(Direction::in, space, layout, dtype, reduction);
    Value argument = body->addArgument(argumentType, loc());
    emitted[keyOf(leaf.value, leaf.axes)] = argument;
  }
  if (draft.predicate) { // read by the runtime; the body does not use it
    const Buffer &word = plan.buffers[plan.find(draft.predicate, Layout::plain)];
    launch.predicate = launch.places.size();
    launch.places.push_back(placeOfBuffer(word, Space::scalar));
    addOperand(Direction::in, Space::scalar, Layout::plain, word.dtype, Reduction::none);
    body->addArgument(word.dtype, loc());
  }
  if (draft.product && chain.empty())
    emitted[keyOf(draft.product->getResult(0), identityAxes(draft.shape.size()))] =
        body->addArgument(builder.getF32Type(), loc());
}

void KernelBuilder::addScalars() {
  // By name, so that two functions with other argument orders can share a kernel.
  SmallVector<std::pair<StringRef, Value>> named;
  for (Value scalar : leaves.scalars) {
    unsigned number = cast<BlockArgument>(scalar).getArgNumber();
    named.push_back({nameOf(function, number).getValue(), scalar});
  }
  llvm::sort(named, [](auto &a, auto &b) { return a.first < b.first; });
  for (auto [name, scalar] : named) {
    scalarNames.push_back(builder.getStringAttr(name));
    integerScalars.push_back(scalar.getType().isInteger());
    emitted[keyOf(scalar, {})] = body->addArgument(scalar.getType(), loc());
  }
}

/// Widens or narrows between float types; bf16 values held in f32 words are exact either way.
Value KernelBuilder::convert(Value value, Type type) {
  if (value.getType() == type)
    return value;
  bool widen = value.getType().getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth();
  return widen ? Value(arith::ExtFOp::create(builder, loc(), type, value))
               : Value(arith::TruncFOp::create(builder, loc(), type, value));
}

Value KernelBuilder::coefficient(arith::ConstantOp constant) {
  FloatAttr number;
  if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue())) {
    if (!isa<FloatType>(dense.getElementType()))
      return arith::ConstantOp::create(builder, loc(), cast<TypedAttr>(dense.getSplatValue<Attribute>()));
    number = dense.getSplatValue<FloatAttr>();
  } else if (!(number = dyn_cast<FloatAttr>(constant.getValue()))) {
    return arith::ConstantOp::create(builder, loc(), constant.getValue());
  }
  launch.coefficients.push_back(number.getValueAsDouble());
  Type type = number.getType().isF64() ? number.getType() : builder.getF32Type();
  return convert(body->addArgument(type, loc()), number.getType());
}

/// Row * columns + column in the tensor that is rounded, which this may be a box of.
Value KernelBuilder::elementNumber(RoundOp round) {
  auto [rows, columns] = plan.matrixShape(draft.shape);
  Type i64 = builder.getI64Type();
  auto constant = [&](int64_t n) { return arith::ConstantOp::create(builder, loc(), builder.getI64IntegerAttr(n)); };
  auto add = [&](Value a, Value b) { return arith::AddIOp::create(builder, loc(), a, b); };
  auto mul = [&](Value a, int64_t n) { return arith::MulIOp::create(builder, loc(), a, constant(n)); };
  Value row = IndexOp::create(builder, loc(), i64, draft.turned ? 1 : 0),
        column = IndexOp::create(builder, loc(), i64, draft.turned ? 0 : 1);
  std::optional<ArrayRef<int64_t>> numbering = round.getNumbering();
  if (!numbering)
    return add(mul(row, draft.turned ? rows : columns), column);
  return add(constant((*numbering)[0]), add(mul(row, (*numbering)[1]), mul(column, (*numbering)[2])));
}

Value KernelBuilder::emitOp(Operation *op, const Axes &axes) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return coefficient(constant);
  if (llvm::is_contained(chain, op))
    return ContractOp::create(builder, loc(), builder.getF32Type(), emit(op->getOperand(0), axes),
                              emit(op->getOperand(1), axes));
  if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op))
    return emit(broadcast.getInput(), axesBelow(broadcast, axes));
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return emit(splat.getInput(), {});
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand,
                convert(emit(operand, isa<RankedTensorType>(operand.getType()) ? axes : Axes{}), elementType(operand)));
  if (isa<DiagonalOp>(op)) {
    Value row = IndexOp::create(builder, loc(), builder.getI64Type(), 0),
          column = IndexOp::create(builder, loc(), builder.getI64Type(), 1);
    Value same = arith::CmpIOp::create(builder, loc(), arith::CmpIPredicate::eq, row, column);
    Value zero = arith::ConstantOp::create(builder, loc(), builder.getF32FloatAttr(0.0f));
    return arith::SelectOp::create(builder, loc(), same, mapping.lookup(op->getOperand(0)), zero);
  }
  if (auto round = dyn_cast<RoundOp>(op))
    return expandRound(builder, loc(), mapping.lookup(round.getX()), mapping.lookup(round.getStep()),
                       mapping.lookup(round.getSeed()), elementNumber(round));
  Operation *clone = builder.clone(*op, mapping);
  clone->setDiscardableAttrs(ArrayRef<NamedAttribute>()); // said of tensors
  for (OpResult result : clone->getResults())
    result.setType(elementType(result));
  return clone->getResult(0);
}

Value KernelBuilder::emit(Value value, const Axes &axes) {
  auto found = emitted.find(keyOf(value, axes));
  if (found != emitted.end())
    return found->second;
  Value result = emitOp(value.getDefiningOp(), axes);
  if (!chain.empty() && isa<FloatTF32Type>(result.getType())) // as a block keeps it, so that there is one value for it
    result = convert(result, builder.getF32Type());
  emitted[keyOf(value, axes)] = result;
  return result;
}

void KernelBuilder::addOutputs() {
  for (Operation *product : chain) // in the order of the function, which keeps few matrices alive
    emit(product->getResult(0), identityAxes(draft.shape.size()));
  for (const Output &output : draft.outputs) {
    Axes axes = draft.axes();
    Value value = emit(output.value, axes);
    Type dtype = elementType(output.value);
    Layout layout = Layout::plain;
    if (output.buffer >= 0) {
      const Buffer &buffer = plan.buffers[output.buffer];
      layout = buffer.layout;
      dtype = buffer.dtype;
      Attribute place = placeOfBuffer(buffer, output.space);
      launch.places.push_back(place);
    } else {
      // A metric's axes are the batch's; the weight and the states have the space's own.
      launch.places.push_back(placeOfArgument(output.argument, axes, output.insert));
    }
    addOperand(Direction::out, output.space, layout, dtype, output.reduction);
    if (chain.empty())
      value = convert(value, elementType(output.value));
    yields.push_back(convert(value, dtype));
  }
}

void KernelBuilder::setSizes() {
  auto [rows, columns] = plan.matrixShape(draft.shape);
  launch.tiles = plan.numTiles(draft);
  if (!chain.empty()) {
    launch.sizes = {rows, columns};
    return;
  }
  if (!draft.product && plan.target.isGpu()) {
    launch.sizes = {rows, columns, plan.sweepTile(draft)};
    llvm::append_range(launch.sizes, parts);
    return;
  }
  if (!draft.product) {
    launch.sizes = {rows, columns, plan.tileRows(draft)};
    return;
  }
  auto product = cast<ProductOpInterface>(draft.product);
  int64_t depth = product.depth();
  if (plan.target.isGpu()) {
    launch.sizes = {rows, columns, depth};
    if (int64_t parts = partsOf(product); parts > 1)
      launch.sizes.push_back(gpu::partDepth(depth, parts));
    return;
  }
  int64_t block = plan.blockSize(draft);
  launch.sizes = {rows, columns, depth, block, block, plan.blockDepth(draft, depth)};
}

KernelOp KernelBuilder::build(StringRef name) {
  OpBuilder::InsertionGuard guard(builder);
  auto product = dyn_cast_or_null<ProductOpInterface>(draft.product);
  KernelKind kind = !chain.empty() ? KernelKind::chain : product ? KernelKind::product : KernelKind::sweep;
  bool symmetric = kind == KernelKind::product && product.symmetricResult();
  bool square = symmetric && product.getA() == product.getB();
  auto kernel = KernelOp::create(builder, loc(), name, kind, symmetric, square, TypeAttr(), builder.getArrayAttr({}),
                                 builder.getArrayAttr({}), ArrayRef<bool>(), 0, DenseI64ArrayAttr(),
                                 DenseI64ArrayAttr()); // the lists are known when the body is
  body = builder.createBlock(&kernel.getBody());
  addPanels();
  addInputs();
  addScalars();
  unsigned fixed = body->getNumArguments();
  addOutputs();
  YieldOp::create(builder, loc(), yields);
  setSizes();
  if (product)
    kernel.setOperandTypeAttr(TypeAttr::get(elementType(product.getA())));
  kernel.setOperandsAttr(builder.getArrayAttr(operands));
  kernel.setScalarsAttr(builder.getArrayAttr(scalarNames));
  kernel.setIntegerScalars(integerScalars);
  kernel.setNumCoefficients(body->getNumArguments() - fixed);
  if (plan.target.isGpu()) {
    if (!chain.empty())
      kernel.setTile(ArrayRef<int64_t>(gpu::chainSide(launch.sizes.front())));
    else if (product)
      kernel.setTile(plan.productTile(draft).numbers());
    if (!gradients.empty())
      kernel.setGradients(gradients);
  }
  return kernel;
}

KernelOp muon::buildKernel(OpBuilder &builder, StringRef name, const StepPlan &plan, const Draft &draft,
                           int64_t regionOffset, LaunchData &launch) {
  return KernelBuilder(builder, plan, draft, regionOffset, launch).build(name);
}
