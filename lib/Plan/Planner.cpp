//===- Planner.cpp - which values go to memory, and which body computes them ------------------===//
//
// Values that a later stage needs are stored or computed again: product operands are always stored, in the layouts
// their products read; a value that follows from one stored matrix and scalars is computed again; anything else is
// stored once. A result is written over the argument it replaces, no earlier than in the last stage that reads the
// argument. It goes to the workspace first and is copied a stage later where an element of it is made of other elements
// of the argument, or where results wait for each other.
//
//===----------------------------------------------------------------------------------------------===//

#include "muon/Plan/StepPlan.h"

#include "muon/IR/StepFunction.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SmallPtrSet.h"

#include <limits>

using namespace mlir;
using namespace muon;

static RankedTensorType tensorType(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

namespace {
class Planner {
public:
  explicit Planner(StepPlan &plan) : plan(plan) {}
  LogicalResult run();

private:
  LogicalResult collect();
  void collectProducts();
  void collectReductions();
  LogicalResult collectResults();
  void collectPredicates();
  void storeWord(Value word);
  void countPartials();
  void addResult(Value value, int64_t argument, int64_t result, Operation *insert);
  bool resolveHazards(bool copies);
  void setLifetimes();

  void storeParts(ProductOpInterface product);
  /// The draft of that predicate, among the others in the order of their stages; without one, that of the word which
  /// says where `value` (a product's, for all of its epilogue) is not needed.
  Draft &draftFor(int64_t stage, Operation *product, ArrayRef<int64_t> shape, Value predicate, bool turned = false);
  Draft &draftFor(int64_t stage, Operation *product, Value value, ArrayRef<int64_t> shape, bool turned = false);
  int64_t store(Value value, Layout layout);
  void writeCandidates(ChooseOp choose, int64_t buffer);
  void requireCandidates(ChooseOp choose);
  void requireSource(tensor::ExtractSliceOp slice);
  void storeForReading(Value value);
  /// Stores what a body of this stage and product needs from earlier stages to compute `value`.
  void require(Value value, int64_t stage, Operation *product);
  bool mustStore(Value value) const;
  bool isMatrix(Value value) const {
    return tensorType(value) && tensorType(value).getRank() >= plan.levels.batchRank() + 2;
  }

  StepPlan &plan;
  llvm::DenseMap<int64_t, int64_t> delays; ///< results that are written later than they could be
  llvm::DenseSet<Value> copied;            ///< to the workspace first: made of other elements of what it replaces
  llvm::DenseSet<std::pair<Value, Operation *>> required; ///< what bodies of chains have asked for
};
} // namespace

Draft &Planner::draftFor(int64_t stage, Operation *product, ArrayRef<int64_t> shape, Value predicate, bool turned) {
  for (Draft &draft : plan.drafts)
    if (draft.stage == stage && draft.product == product && ArrayRef<int64_t>(draft.shape) == shape &&
        draft.predicate == predicate && draft.turned == turned)
      return draft;
  Draft draft;
  draft.stage = stage;
  draft.turned = turned;
  draft.product = product;
  draft.predicate = predicate;
  draft.shape.assign(shape.begin(), shape.end());
  auto later =
      llvm::upper_bound(plan.drafts, stage, [](int64_t number, const Draft &other) { return number < other.stage; });
  return *plan.drafts.insert(later, std::move(draft));
}

Draft &Planner::draftFor(int64_t stage, Operation *product, Value value, ArrayRef<int64_t> shape, bool turned) {
  const Levels &levels = plan.levels;
  Choices::Demand demand = levels.allChoices().demandOf(product ? product->getResult(0) : value);
  return draftFor(stage, product, shape, levels.predicateFor(demand, stage), turned);
}

/// Not where the candidate is the last one too, which is there unless an earlier condition held.
static bool isWritten(ChooseOp choose, size_t i) {
  return i + 1 == choose.getCandidates().size() || choose.getCandidates()[i] != choose.otherwise();
}

/// Each candidate is written by a launch of its own, which runs where it is the one.
void Planner::writeCandidates(ChooseOp choose, int64_t buffer) {
  const Choices::List &list = plan.levels.allChoices().listOf(choose);
  ArrayRef<int64_t> shape = tensorType(choose.getO()).getShape();
  for (auto [i, candidate] : llvm::enumerate(choose.getCandidates())) {
    if (!isWritten(choose, i))
      continue;
    bool last = i == list.conditions.size();
    Level level = plan.levels.ofCandidate(choose, i);
    Output output;
    output.value = candidate;
    output.buffer = buffer;
    Draft &draft = last ? draftFor(level.stage, level.product, candidate, shape)
                        : draftFor(level.stage, nullptr, shape, list.elsewhere[i]);
    draft.outputs.push_back(output);
    plan.buffers[buffer].firstStage = std::min(plan.buffers[buffer].firstStage, level.stage);
  }
}

void Planner::requireCandidates(ChooseOp choose) {
  for (auto [i, candidate] : llvm::enumerate(choose.getCandidates())) {
    Level level = plan.levels.ofCandidate(choose, i);
    if (isWritten(choose, i))
      require(candidate, level.stage, level.product);
  }
}

int64_t Planner::store(Value value, Layout layout) {
  int64_t existing = plan.find(value, layout);
  if (existing >= 0)
    return existing;
  const Level &level = plan.levels.of(value);
  RankedTensorType type = tensorType(value);
  Buffer buffer;
  buffer.value = value;
  buffer.layout = layout;
  bool inMemory = layout == Layout::plain && !isa<FloatTF32Type>(type.getElementType());
  buffer.dtype = inMemory ? type.getElementType() : packedType(type.getElementType(), plan.target);
  buffer.firstStage = buffer.lastStage = level.stage;
  auto [rows, columns] = plan.matrixShape(type.getShape());
  layOut(buffer, rows, columns, plan.target);
  plan.buffers.push_back(buffer);
  Output output;
  output.value = value;
  output.buffer = plan.buffers.size() - 1;
  if (auto choose = value.getDefiningOp<ChooseOp>())
    writeCandidates(choose, output.buffer);
  else
    draftFor(level.stage, level.product, value, type.getShape()).outputs.push_back(output);
  return output.buffer;
}

/// A product in parts ends in a kernel of its own, a stage before its value is known.
void Planner::storeParts(ProductOpInterface product) {
  Value value = product->getResult(0);
  Buffer buffer;
  buffer.value = value;
  buffer.dtype = tensorType(value).getElementType();
  buffer.parts = partsOf(product);
  buffer.firstStage = buffer.lastStage = plan.levels.of(value).stage - 1;
  auto [rows, columns] = plan.matrixShape(tensorType(value).getShape());
  layOut(buffer, rows, columns, plan.target);
  plan.buffers.push_back(buffer);
  Output output;
  output.value = value;
  output.reduction = Reduction::add;
  output.buffer = plan.buffers.size() - 1;
  draftFor(buffer.firstStage, product, value, tensorType(value).getShape()).outputs.push_back(output);
}

void Planner::storeForReading(Value value) {
  if (plan.findReadable(value) >= 0)
    return;
  bool packed =
      llvm::any_of(plan.buffers, [&](const Buffer &buffer) { return buffer.value == value && buffer.parts == 1; });
  store(value, packed ? Layout::columns : Layout::plain);
  require(value, plan.levels.of(value).stage, plan.levels.of(value).product);
}

bool Planner::mustStore(Value value) const {
  Operation *op = value.getDefiningOp();
  if (tensorType(value).getElementType().isF64()) // widened for a sum: what it was widened from is stored instead
    return false;
  if (isa<ProductOpInterface>(op) ||
      llvm::any_of(plan.buffers, [&](const Buffer &buffer) { return buffer.value == value; }))
    return true;
  llvm::SmallPtrSet<void *, 4> matrices;
  for (Value operand : op->getOperands())
    if (isMatrix(operand) && !plan.levels.of(operand).uniform &&
        !isa_and_present<linalg::BroadcastOp, DiagonalOp>(operand.getDefiningOp()))
      matrices.insert(operand.getAsOpaquePointer());
  return matrices.size() > 1;
}

void Planner::require(Value value, int64_t stage, Operation *product) {
  Operation *op = value.getDefiningOp();
  bool chained = product && !plan.levels.chainOf(product).empty();
  if (!op || (op == product && !chained) || plan.levels.of(value).uniform || isa<linalg::ReduceOp>(op))
    return;
  if (chained && !required.insert({value, product}).second) // many ways lead through a chain
    return;
  if (auto choose = dyn_cast<ChooseOp>(op)) { // always in memory
    storeForReading(value);
    return requireCandidates(choose);
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return requireSource(slice);
  const Level &level = plan.levels.of(value);
  bool earlier = level.stage < stage || (level.product && level.product != product);
  if (!earlier && isa<ProductOpInterface>(op)) // its parts are in memory
    return;
  if (earlier && isMatrix(value) && mustStore(value))
    return storeForReading(value);
  for (Value operand : op->getOperands())
    require(operand, stage, product);
}

/// Boxes of a matrix are found where it lies as it is.
void Planner::requireSource(tensor::ExtractSliceOp slice) {
  Value source = slice.getSource();
  if (isa<BlockArgument>(source) || plan.find(source, Layout::plain) >= 0)
    return;
  store(source, Layout::plain);
  const Level &level = plan.levels.of(source);
  require(source, level.stage, level.product);
}

void Planner::collectProducts() {
  SmallVector<Value> operands;
  plan.function.walk([&](ProductOpInterface product) {
    for (bool isA : {true, false}) {
      Value operand = isA ? product.getA() : product.getB();
      if (!plan.levels.chainOf(product).empty() &&
          plan.levels.of(operand).product == plan.levels.of(product->getResult(0)).product)
        continue; // within a chain nothing is stored
      store(operand, storedLayout(operandLayout(product, isA, plan.levels.of(operand).symmetric, plan.target)));
      operands.push_back(operand);
    }
    if (partsOf(product) > 1)
      storeParts(product);
  });
  for (Value operand : operands) // after all are known, so that bodies read what is stored anyway
    if (auto choose = operand.getDefiningOp<ChooseOp>())
      requireCandidates(choose);
    else
      require(operand, plan.levels.of(operand).stage, plan.levels.of(operand).product);
}

void Planner::collectReductions() {
  plan.function.walk([&](linalg::ReduceOp reduce) {
    Value source = reduce.getInputs()[0], result = reduce.getResult(0);
    int64_t stage = plan.levels.of(result).stage - 1;
    // A product's own stage: its epilogue reduces.
    Operation *product = plan.levels.of(source).stage == stage ? plan.levels.of(source).product : nullptr;
    SmallVector<int64_t> shape(tensorType(source).getShape());
    bool turned = plan.levels.reducesColumns(reduce); // a sweep whose rows are the matrix's columns
    if (turned)
      std::swap(shape[shape.size() - 2], shape.back());
    Draft &draft = draftFor(stage, product, result, shape, turned);
    bool full = tensorType(result).getRank() == plan.levels.batchRank();
    Buffer buffer;
    buffer.value = result;
    buffer.firstStage = buffer.lastStage = stage;
    buffer.dtype = full ? Float64Type::get(reduce.getContext()) : tensorType(result).getElementType();
    if (!full)
      layOut(buffer, plan.matrixShape(shape).first, 1, plan.target);
    plan.buffers.push_back(buffer);
    Output output;
    output.value = source;
    output.reduction = reductionOf(reduce);
    output.space = full ? Space::scalar : Space::row;
    output.buffer = plan.buffers.size() - 1;
    draft.outputs.push_back(output);
    require(source, stage, product);
  });
}

/// A full reduction leaves one partial per tile: how many is known once the draft's outputs are.
void Planner::countPartials() {
  for (const Draft &draft : plan.drafts)
    for (const Output &output : draft.outputs) {
      if (output.reduction == Reduction::none || output.space != Space::scalar)
        continue;
      Buffer &buffer = plan.buffers[output.buffer];
      buffer.partials = plan.numTiles(draft);
      layOut(buffer, buffer.partials, 1, plan.target);
    }
}

void Planner::addResult(Value value, int64_t argument, int64_t result, Operation *insert) {
  const Level &level = plan.levels.of(value);
  int64_t stage = std::max({level.stage, plan.levels.firstStage(), delays.lookup(result)});
  if (copied.contains(value))
    storeForReading(value);
  Operation *product = stage == level.stage ? level.product : nullptr;
  Output output;
  output.value = value;
  output.argument = argument;
  output.result = result;
  output.insert = insert;
  draftFor(stage, product, value, tensorType(value).getShape()).outputs.push_back(output);
  require(value, stage, product);
}

void Planner::storeWord(Value word) {
  Buffer buffer;
  buffer.value = word;
  buffer.dtype = tensorType(word).getElementType();
  buffer.firstStage = plan.levels.of(word).stage;
  buffer.lastStage = std::numeric_limits<int64_t>::max(); // any later launch may read it
  layOut(buffer, 1, 1, plan.target);
  plan.buffers.push_back(buffer);
  Output output;
  output.value = word;
  output.space = Space::scalar;
  output.buffer = plan.buffers.size() - 1;
  draftFor(buffer.firstStage, nullptr, tensorType(word).getShape(), /*predicate=*/Value()).outputs.push_back(output);
}

void Planner::collectPredicates() {
  if (Value guard = plan.levels.predicate())
    storeWord(guard);
  for (const Choices::List &list : plan.levels.allChoices())
    for (auto [settled, elsewhere] : llvm::zip(list.settled, list.elsewhere)) {
      storeWord(settled);
      storeWord(elsewhere);
    }
}

LogicalResult Planner::collectResults() {
  func::FuncOp function = plan.function;
  SmallVector<BlockArgument> donated = donatedArguments(function);
  auto terminator = cast<func::ReturnOp>(function.front().getTerminator());
  for (auto [i, value] : llvm::enumerate(terminator.getOperands())) {
    bool metric = i >= donated.size();
    int64_t argument = metric ? function.getNumArguments() + (i - donated.size()) : donated[i].getArgNumber();
    if (!metric && value == function.getArgument(argument))
      continue;
    if (!metric && value.getType() != function.getArgument(argument).getType())
      return function.emitOpError() << "expected result " << i << " of type "
                                    << function.getArgument(argument).getType() << ", got " << value.getType();
    if (RankedTensorType type = tensorType(value); !plan.levels.startsWithBatch(type))
      return function.emitOpError() << "expected result " << i << " to be one for each matrix of the batch, got "
                                    << type;
    bool pieces = false;
    while (auto insert = value.getDefiningOp<tensor::InsertSliceOp>()) {
      addResult(insert.getSource(), argument, i, insert);
      value = insert.getDest();
      pieces = true;
    }
    if (!pieces)
      addResult(value, argument, i, nullptr);
  }
  return success();
}

/// Whether what is read of an argument and what is written to it share an element.
static bool overlap(const Leaf &leaf, const Output &output) {
  if (!leaf.slice || !output.insert)
    return true;
  auto read = cast<tensor::ExtractSliceOp>(leaf.slice);
  auto written = cast<tensor::InsertSliceOp>(output.insert);
  for (int64_t i = 0, e = read.getSourceType().getRank(); i < e; ++i)
    if (read.getStaticOffset(i) >= written.getStaticOffset(i) + written.getStaticSize(i) ||
        written.getStaticOffset(i) >= read.getStaticOffset(i) + read.getStaticSize(i))
      return false;
  return true;
}

/// Whether each element of it is written by the body that reads it, and by no other.
static bool readsWhatItWrites(const Leaf &leaf, const Output &output, const Draft &draft) {
  if (leaf.axes != draft.axes() || !leaf.slice != !output.insert)
    return false;
  if (!leaf.slice)
    return true;
  auto read = cast<tensor::ExtractSliceOp>(leaf.slice);
  auto written = cast<tensor::InsertSliceOp>(output.insert);
  return read.getStaticOffsets() == written.getStaticOffsets() && read.getStaticSizes() == written.getStaticSizes() &&
         read.getDroppedDims() == written.getDroppedDims();
}

/// Whether a result of that shape, written in its stage, shares the reader's body.
static bool sharesBody(const Draft &reader, ArrayRef<int64_t> shape) {
  return !reader.product && !reader.turned && ArrayRef<int64_t>(reader.shape) == shape;
}

/// Delays results whose buffer's old value is read at or after their stage by another body, or for another element.
/// True if one was. `copies`: readers that are results too read before any of them is written.
bool Planner::resolveHazards(bool copies) {
  bool changed = false;
  for (const Draft &writer : plan.drafts)
    for (const Output &output : writer.outputs) {
      if (output.argument < 0)
        continue;
      int64_t needed = writer.stage;
      for (const Draft &reader : plan.drafts)
        for (const Leaf &leaf : plan.collectLeaves(reader).memory) {
          if (leaf.argument != output.argument || !overlap(leaf, output))
            continue;
          bool inPlace = readsWhatItWrites(leaf, output, reader);
          if (&reader == &writer && inPlace)
            continue;
          bool joins = inPlace && reader.stage > writer.stage && sharesBody(reader, writer.shape);
          needed = std::max(needed, reader.stage + (joins ? 0 : 1));
          if (joins || reader.stage < writer.stage)
            continue;
          for (const Output &other : reader.outputs) // a piece of the same result, or this one: each would wait
            if (other.result == output.result || (copies && other.result >= 0 && other.value.getDefiningOp()))
              copied.insert(other.value);
        }
      if (needed == writer.stage)
        continue;
      int64_t &delay = delays[output.result];
      delay = std::max(delay, needed), changed = true;
    }
  return changed;
}

void Planner::setLifetimes() {
  for (const Draft &draft : plan.drafts) {
    for (const Leaf &leaf : plan.collectLeaves(draft).memory)
      if (leaf.buffer >= 0)
        plan.buffers[leaf.buffer].lastStage = std::max(plan.buffers[leaf.buffer].lastStage, draft.stage);
    auto product = dyn_cast_or_null<ProductOpInterface>(draft.product);
    if (!product || !plan.chainOf(draft).empty()) // what a chain reads are leaves
      continue;
    for (Buffer &buffer : plan.buffers)
      if (buffer.value == product.getA() || buffer.value == product.getB())
        buffer.lastStage = std::max(buffer.lastStage, draft.stage);
  }
}

LogicalResult Planner::collect() {
  plan.drafts.clear();
  plan.buffers.clear();
  required.clear();
  collectProducts();
  collectReductions();
  collectPredicates();
  if (failed(collectResults()))
    return failure();
  countPartials();
  return success();
}

LogicalResult Planner::run() {
  // Each round delays at least one result by at least one stage: a chain of results each of which waits for the next
  // takes as many, and results that wait for each other no end of them.
  constexpr int kOtherDelays = 16;
  int rounds = static_cast<int>(plan.function.getNumResults()) + kOtherDelays;
  for (bool copies : {false, true}) {
    delays.clear();
    for (int round = 0; round < rounds; ++round) {
      if (failed(collect()))
        return failure();
      if (resolveHazards(copies))
        continue;
      setLifetimes();
      plan.bytesPerMatrix = assignOffsets(plan.buffers);
      return success();
    }
  }
  return plan.function.emitOpError("its results depend on each other's old values in a way that cannot be ordered");
}

FailureOr<StepPlan> StepPlan::create(func::FuncOp function, TargetAttr target, int64_t matrices,
                                     ArrayRef<Chain> chains) {
  FailureOr<Levels> levels = Levels::compute(function, target, chains);
  if (failed(levels))
    return failure();
  StepPlan plan(std::move(*levels));
  plan.function = function;
  plan.target = target;
  plan.matrices = matrices;
  if (failed(Planner(plan).run()))
    return failure();
  return plan;
}
