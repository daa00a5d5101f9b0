//===- ChooseForm.cpp - form, side and restarts of orthogonalize ----------===//

#include "muon/Form/Passes.h"
#include "muon/Form/StepBuilder.h"

#include "muon/Polynomial/Band.h"
#include "muon/Polynomial/ChooseForm.h"

#include <cmath>

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
  if (isa<FloatTF32Type>(type))
    return OperandType::tf32;
  return type.isBF16() ? OperandType::bf16 : OperandType::f16;
}

FormProblem problemOf(OrthogonalizeOp op) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getX().getType()).getShape();
  auto [shorter, longer] = std::minmax(shape[shape.size() - 2], shape[shape.size() - 1]);
  return {toTable(op.getTable()), operandType(op.getOperands()), double(shorter), double(longer)};
}

bool isDamped(OrthogonalizeOp op) { return op.getDamping().convertToDouble() > 0; }

struct ChooseFormPass : muon::impl::ChooseFormPassBase<ChooseFormPass> {
  using ChooseFormPassBase::ChooseFormPassBase;

  void runOnOperation() override {
    getOperation().walk([&](OrthogonalizeOp op) {
      FormProblem problem = problemOf(op);
      FormChoice choice = choose(op, problem);
      write(op, choice);
      report(op, problem, choice);
    });
  }

private:
  FormChoice choose(OrthogonalizeOp op, const FormProblem &problem) const;
  void write(OrthogonalizeOp op, const FormChoice &choice);
  void report(OrthogonalizeOp op, const FormProblem &problem, const FormChoice &choice);
};

FormChoice ChooseFormPass::choose(OrthogonalizeOp op, const FormProblem &problem) const {
  FormWeights weights{gramBound, flopsPerByte};
  std::optional<Form> form = op.getForm();
  if (isDamped(op))
    return {FormChoice::gram, {}};
  if (!form && op.getAccuracy() == Accuracy::exact)
    form = Form::standard;
  if (op.getEarlyStop())
    form = Form::gram;
  if (form == Form::standard)
    return {FormChoice::standard, {}, op.getAccuracy() == Accuracy::exact};
  if (form != Form::gram)
    return chooseForm(problem, weights);
  if (op.getRestarts())
    return {FormChoice::gram, std::vector<int>(op.getRestarts()->begin(), op.getRestarts()->end())};
  return chooseRestarts(problem, weights);
}

void ChooseFormPass::write(OrthogonalizeOp op, const FormChoice &choice) {
  op.setForm(choice.form == FormChoice::gram ? Form::gram : Form::standard);
  if (!op.getSide())
    op.setSide(shortSide(cast<RankedTensorType>(op.getX().getType())));
  op.setRestarts(SmallVector<int64_t>(choice.restarts.begin(), choice.restarts.end()));
}

void ChooseFormPass::report(OrthogonalizeOp op, const FormProblem &problem, const FormChoice &choice) {
  Builder b(&getContext());
  NamedAttrList entries;
  double flops = countProducts(problem.table, choice, problem.shortSide, problem.longSide);
  for (int64_t size : cast<RankedTensorType>(op.getX().getType()).getShape().drop_back(2))
    flops *= double(size);
  double safety = op.getSafety().convertToDouble();
  Band band = computeBand(problem.table, defaultFloor / safety, 1 / safety);
  entries.append("form", b.getStringAttr(stringifyForm(*op.getForm())));
  entries.append("restarts", op.getRestartsAttr());
  entries.append("steps", b.getI64IntegerAttr(problem.table.steps()));
  if (op.getEarlyStop())
    entries.append("early_stop", op.getEarlyStopAttr());
  entries.append("flops", b.getI64IntegerAttr(std::llround(flops)));
  entries.append("lower", b.getF64FloatAttr(band.lower));
  entries.append("upper", b.getF64FloatAttr(band.upper));
  // The emulation knows no damping.
  if (!isDamped(op)) {
    EmulationError error =
        emulate(problem.table, choice, problem.type, emulationShortSide, emulationLongSide);
    entries.append("expected_error", b.getF64FloatAttr(error.worst));
  }
  op->setAttr("muon.choice", entries.getDictionary(&getContext()));
}

} // namespace
