//===- ChooseForm.cpp - form, side and restarts of orthogonalize ----------===//

#include "muon/Form/Passes.h"
#include "muon/Form/StepBuilder.h"

#include "muon/Polynomial/Band.h"
#include "muon/Polynomial/Emulate.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace muon;

namespace muon {
#define GEN_PASS_DEF_CHOOSEFORMPASS
#include "muon/Form/Passes.h.inc"
} // namespace muon

namespace {

OperandType operandType(Type type) {
  if (type.isF32())
    return OperandType::f32;
  return type.isBF16() ? OperandType::bf16 : OperandType::f16;
}

/// What is fixed about one op before the choice.
struct Problem {
  explicit Problem(OrthogonalizeOp op)
      : table(toTable(op.getTable())), operands(operandType(op.getOperands())),
        damped(op.getDamping().convertToDouble() > 0), safety(op.getSafety().convertToDouble()) {
    ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getX().getType()).getShape();
    auto [shorter, longer] = std::minmax(shape[shape.size() - 2], shape[shape.size() - 1]);
    shortSide = double(shorter);
    longSide = double(longer);
    for (int64_t size : shape.drop_back(2))
      matrices *= double(size);
  }

  Table table;
  OperandType operands;
  bool damped;
  double safety, shortSide, longSide, matrices = 1;
};

/// Bytes that the products of one matrix read and write, operands and f32 or narrowed results.
double countBytes(const Problem &problem, const FormChoice &choice) {
  double word = problem.operands == OperandType::f32 ? 4 : 2;
  double square = problem.shortSide * problem.shortSide * word;
  double wide = problem.shortSide * problem.longSide * word;
  double gram = wide + square, symmetric = 3 * square, apply = square + 2 * wide;
  double bytes = 0;
  int steps = problem.table.steps();
  bool fresh = true;
  for (int step = 0; step < steps; ++step) {
    bool last = choice.form == FormChoice::standard || step + 1 == steps ||
                llvm::is_contained(choice.restarts, step + 1);
    bytes += evaluationProducts(problem.table.rows[step].degree()) * symmetric;
    bytes += fresh ? gram : symmetric;
    bytes += last ? apply : 2 * symmetric;
    fresh = last;
  }
  return bytes;
}

double countFlops(const Problem &problem, const FormChoice &choice) {
  return countProducts(problem.table, choice, problem.shortSide, problem.longSide);
}

/// The restarts of a gram form that is within the bound, if there are any.
std::optional<std::vector<int>> findRestarts(const Problem &problem, double bound) {
  if (problem.damped)
    return std::vector<int>();
  return searchRestarts(problem.table, problem.operands, bound);
}

/// Restarts before every row: as accurate as the standard form, and as costly.
std::vector<int> allRestarts(int steps) {
  std::vector<int> restarts(steps - 1);
  std::iota(restarts.begin(), restarts.end(), 1);
  return restarts;
}

struct ChooseFormPass : muon::impl::ChooseFormPassBase<ChooseFormPass> {
  using ChooseFormPassBase::ChooseFormPassBase;

  void runOnOperation() override {
    getOperation().walk([&](OrthogonalizeOp op) {
      Problem problem(op);
      FormChoice choice = choose(op, problem);
      write(op, choice);
      report(op, problem, choice);
    });
  }

private:
  double cost(const Problem &problem, const FormChoice &choice) const {
    return countFlops(problem, choice) + flopsPerByte * countBytes(problem, choice);
  }
  FormChoice choose(OrthogonalizeOp op, const Problem &problem) const;
  void write(OrthogonalizeOp op, const FormChoice &choice);
  void report(OrthogonalizeOp op, const Problem &problem, const FormChoice &choice);
};

FormChoice ChooseFormPass::choose(OrthogonalizeOp op, const Problem &problem) const {
  std::optional<Form> form = op.getForm();
  if (problem.damped)
    form = Form::gram;
  else if (!form && op.getAccuracy() == Accuracy::exact)
    form = Form::standard;
  if (form == Form::standard)
    return {};
  if (form == Form::gram && op.getRestarts())
    return {FormChoice::gram, std::vector<int>(op.getRestarts()->begin(), op.getRestarts()->end())};
  // The search costs more than all the rest: none where even one block is no gain.
  FormChoice standard, oneBlock{FormChoice::gram, {}};
  if (!form && cost(problem, oneBlock) >= cost(problem, standard))
    return standard;
  std::optional<std::vector<int>> restarts = findRestarts(problem, gramBound);
  if (form == Form::gram)
    return {FormChoice::gram, restarts.value_or(allRestarts(problem.table.steps()))};
  FormChoice gram{FormChoice::gram, restarts.value_or(std::vector<int>())};
  bool pays = restarts && cost(problem, gram) < cost(problem, standard);
  return pays ? gram : standard;
}

void ChooseFormPass::write(OrthogonalizeOp op, const FormChoice &choice) {
  op.setForm(choice.form == FormChoice::gram ? Form::gram : Form::standard);
  if (!op.getSide())
    op.setSide(shortSide(cast<RankedTensorType>(op.getX().getType())));
  op.setRestarts(SmallVector<int64_t>(choice.restarts.begin(), choice.restarts.end()));
}

void ChooseFormPass::report(OrthogonalizeOp op, const Problem &problem, const FormChoice &choice) {
  Builder b(&getContext());
  NamedAttrList entries;
  double flops = problem.matrices * countFlops(problem, choice);
  Band band = computeBand(problem.table, defaultFloor / problem.safety, 1 / problem.safety);
  entries.append("form", b.getStringAttr(stringifyForm(*op.getForm())));
  entries.append("restarts", op.getRestartsAttr());
  entries.append("steps", b.getI64IntegerAttr(problem.table.steps()));
  entries.append("flops", b.getI64IntegerAttr(std::llround(flops)));
  entries.append("lower", b.getF64FloatAttr(band.lower));
  entries.append("upper", b.getF64FloatAttr(band.upper));
  // The emulation knows no damping.
  if (!problem.damped) {
    EmulationError error =
        emulate(problem.table, choice, problem.operands, emulationShortSide, emulationLongSide);
    entries.append("expected_error", b.getF64FloatAttr(error.worst));
  }
  op->setAttr("muon.choice", entries.getDictionary(&getContext()));
}

} // namespace
