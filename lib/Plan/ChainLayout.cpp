//===- ChainLayout.cpp - which matrices of a chain a block keeps, and where -------------------===//

#include "muon/Plan/Chains.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace muon;

Type muon::chainElement(KernelOp kernel) {
  Type type = *kernel.getOperandType();
  return isa<FloatTF32Type>(type) ? Float32Type::get(type.getContext()) : type;
}

namespace {
class LayoutBuilder {
public:
  explicit LayoutBuilder(KernelOp kernel) : kernel(kernel), body(kernel.getBody().front()) {}
  /// Empty, or why one block cannot compute it.
  std::string build();

  ChainLayout layout;

private:
  std::string findMatrices();
  std::string findPhases();
  void slice(ChainPhase &phase, int64_t number);
  void findUses();
  void assignBuffers();
  void findBarriers();
  int64_t matrixOf(Value element);
  int64_t known(Value element) const {
    auto found = numbers.find(element);
    return found == numbers.end() ? -1 : found->second;
  }

  KernelOp kernel;
  Block &body;
  llvm::DenseMap<Value, int64_t> numbers; ///< of the matrices, by element
  llvm::DenseMap<Value, int64_t> phaseOf; ///< the last product a value needs
};
} // namespace

int64_t LayoutBuilder::matrixOf(Value element) {
  auto [entry, isNew] = numbers.insert({element, layout.matrices.size()});
  if (isNew) {
    layout.matrices.emplace_back();
    layout.matrices.back().element = element;
  }
  return entry->second;
}

/// What is read, multiplied or written is a matrix; everything else is computed again where it is needed.
std::string LayoutBuilder::findMatrices() {
  Type dtype = chainElement(kernel);
  unsigned argument = 0, output = 0;
  auto yield = cast<YieldOp>(body.back());
  for (auto [i, operand] : llvm::enumerate(kernel.getOperands().getAsRange<OperandAttr>())) {
    bool in = operand.getDirection() == Direction::in;
    Value element = in ? Value(body.getArgument(argument++)) : yield.getOperand(output++);
    if (in && operand.getSpace() == Space::scalar)
      continue;
    if (operand.getSpace() != Space::element || operand.getLayout() != Layout::padded || operand.getDtype() != dtype)
      return "it " + std::string(in ? "reads" : "writes") + " something else than its operands";
    ChainMatrix &matrix = layout.matrices[matrixOf(element)];
    if (in)
      matrix.read = i;
    else
      matrix.written.push_back(i);
  }
  for (auto product : body.getOps<ContractOp>()) {
    ChainPhase phase;
    phase.product = product;
    phase.a = matrixOf(product.getA()), phase.b = matrixOf(product.getB());
    layout.phases.push_back(phase);
  }
  return "";
}

std::string LayoutBuilder::findPhases() {
  llvm::DenseMap<Value, llvm::SmallSetVector<int64_t, 2>> raw; // products whose f32 result a value needs itself
  for (BlockArgument argument : body.getArguments())
    phaseOf[argument] = -1;
  int64_t count = 0;
  for (Operation &op : body.without_terminator()) {
    int64_t phase = -1;
    llvm::SmallSetVector<int64_t, 2> needed;
    if (isa<ContractOp>(op)) {
      needed.insert(phase = count++);
    } else {
      for (Value operand : op.getOperands()) {
        phase = std::max(phase, phaseOf.lookup(operand));
        if (known(operand) < 0)
          needed.insert_range(raw[operand]);
      }
    }
    for (Value result : op.getResults())
      phaseOf[result] = phase, raw[result] = needed;
    int64_t matrix = op.getNumResults() == 1 ? known(op.getResult(0)) : -1;
    if (matrix < 0)
      continue;
    layout.matrices[matrix].phase = phase;
    if (phase < 0)
      return "a matrix of it is not behind any of its products";
    if (llvm::any_of(needed, [&](int64_t product) { return product != phase; }))
      return "the f32 result of a product is needed after the next";
    layout.phases[phase].results.push_back(matrix);
  }
  return "";
}

/// The ops of one epilogue, and what it reads: back from its results to earlier matrices and to the product.
void LayoutBuilder::slice(ChainPhase &phase, int64_t number) {
  llvm::SmallSetVector<Operation *, 16> needed;
  SmallVector<Value> work;
  for (int64_t result : phase.results)
    work.push_back(layout.matrices[result].element);
  while (!work.empty()) {
    Value value = work.pop_back_val();
    int64_t matrix = known(value);
    if (matrix >= 0 && layout.matrices[matrix].phase < number) {
      if (!llvm::is_contained(phase.reads, matrix))
        phase.reads.push_back(matrix);
      continue;
    }
    Operation *op = value.getDefiningOp();
    if (!op || isa<ContractOp>(op) || !needed.insert(op))
      continue;
    llvm::append_range(work, op->getOperands());
  }
  for (Operation &op : body)
    if (needed.contains(&op))
      phase.ops.push_back(&op);
}

void LayoutBuilder::findUses() {
  auto use = [&](int64_t matrix, int64_t time) {
    layout.matrices[matrix].lastUse = std::max(layout.matrices[matrix].lastUse, time);
  };
  for (ChainMatrix &matrix : layout.matrices) {
    matrix.lastUse = 2 * matrix.phase + 1;
    if (!matrix.written.empty()) // while the next product is computed
      matrix.lastUse = 2 * (matrix.phase + 1);
  }
  for (auto [number, phase] : llvm::enumerate(layout.phases)) {
    int64_t time = 2 * number;
    use(phase.a, time), use(phase.b, time);
    for (int64_t read : phase.reads)
      use(read, time + 1);
  }
}

void LayoutBuilder::assignBuffers() {
  SmallVector<int64_t> occupant; // of each buffer
  auto place = [&](int64_t number, int64_t time) {
    ChainMatrix &matrix = layout.matrices[number];
    auto *free = llvm::find_if(occupant, [&](int64_t other) { return layout.matrices[other].lastUse <= time; });
    matrix.buffer = free - occupant.begin();
    if (free == occupant.end())
      occupant.push_back(number);
    else
      *free = number;
  };
  for (auto [i, matrix] : llvm::enumerate(layout.matrices))
    if (matrix.read >= 0)
      place(i, /*before all uses*/ -2);
  for (auto [number, phase] : llvm::enumerate(layout.phases)) {
    int64_t time = 2 * number;
    for (int64_t result : phase.results)
      place(result, time + 1);
  }
  layout.buffers = occupant.size();
}

/// A product, and writing to memory, reads what all threads have stored; an epilogue only what its own thread has.
void LayoutBuilder::findBarriers() {
  llvm::SmallSet<int64_t, 4> stored, read; // buffers, since the last barrier
  auto barrier = [&] {
    stored.clear();
    read.clear();
    return true;
  };
  for (const ChainMatrix &matrix : layout.matrices)
    if (matrix.read >= 0)
      stored.insert(matrix.buffer);
  for (auto [number, phase] : llvm::enumerate(layout.phases)) {
    SmallVector<int64_t> reads{layout.matrices[phase.a].buffer, layout.matrices[phase.b].buffer};
    for (const ChainMatrix &matrix : layout.matrices)
      if (!matrix.written.empty() && matrix.phase + 1 == static_cast<int64_t>(number))
        reads.push_back(matrix.buffer);
    phase.waits = llvm::any_of(reads, [&](int64_t buffer) { return stored.contains(buffer); }) && barrier();
    read.insert_range(reads);
    auto isRead = [&](int64_t result) { return read.contains(layout.matrices[result].buffer); };
    phase.replaces = llvm::any_of(phase.results, isRead) && barrier();
    for (int64_t result : phase.results)
      stored.insert(layout.matrices[result].buffer);
  }
}

std::string LayoutBuilder::build() {
  if (std::string why = findMatrices(); !why.empty())
    return why;
  if (std::string why = findPhases(); !why.empty())
    return why;
  for (auto [number, phase] : llvm::enumerate(layout.phases))
    slice(phase, number);
  findUses();
  assignBuffers();
  findBarriers();
  return "";
}

std::optional<ChainLayout> ChainLayout::of(KernelOp kernel, std::string &why) {
  LayoutBuilder builder(kernel);
  why = builder.build();
  if (!why.empty())
    return std::nullopt;
  return std::move(builder.layout);
}
