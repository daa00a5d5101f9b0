//===- ChooseForm.cpp - operands, form, side and restarts of orthogonalize --------------------===//

#include "ChooseOperands.h"

#include "muon/Form/Passes.h"
#include "muon/Form/StepBuilder.h"

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/PrintNumber.h"
#include "muon/IR/Request.h"
#include "muon/Polynomial/Band.h"
#include "muon/Polynomial/ChooseForm.h"

#include "mlir/IR/Verifier.h"

#include <cmath>

using namespace mlir;
using namespace muon;

namespace muon {
#define GEN_PASS_DEF_CHOOSEFORMPASS
#include "muon/Form/Passes.h.inc"
} // namespace muon

namespace {

Side sideOf(OrthogonalizeOp op) {
  return op.getSide().value_or(shortSide(cast<RankedTensorType>(op.getX().getType())));
}

FormProblem problemOf(OrthogonalizeOp op, TargetAttr target) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getX().getType()).getShape();
  double rows = shape[shape.size() - 2], columns = shape.back();
  bool onProcessor = target && !target.isGpu(), left = sideOf(op) == Side::left;
  FormProblem problem{wholeTable(op), operandType(*op.getOperands(), onProcessor), left ? rows : columns,
                      left ? columns : rows, onProcessor};
  problem.needsEveryGram = op.getEarlyStop().has_value();
  problem.isNormalised = op.getNorm() != Norm::none;
  if (op.getRestarts())
    problem.restarts.emplace(op.getRestarts()->begin(), op.getRestarts()->end());
  if (op.getPairs())
    problem.pairs.emplace(op.getPairs()->begin(), op.getPairs()->end());
  else if (target && target.isGpu())
    // A chain in one block has no room for T, T2 and N beside R and Q, and nothing was measured there.
    problem.pairs.emplace();
  return problem;
}

bool isDamped(OrthogonalizeOp op) { return op.getDamping().convertToDouble() > 0; }

bool isExact(OrthogonalizeOp op) { return op.getAccuracy() == Accuracy::exact; }

/// Writes what was asked for onto the op, where it leaves that open: from here on the op says it all, and the verifier
/// judges it.
LogicalResult writeAsked(OrthogonalizeOp op, const Asked &asked) {
  if (!op.getOperands())
    op.setOperandsAttr(TypeAttr::get(asked.dtype() ? asked.dtype() : openOperands(op, asked.target(), asked.band())));
  Type operands = *op.getOperands();
  if (std::string why = asked.target() ? asked.target().whyNot(operands) : ""; !why.empty())
    return op.emitOpError(why);
  if (!op.getForm() && asked.form())
    op.setForm(*asked.form());
  if (!op.getForm() && isExact(op))
    op.setForm(Form::standard);
  if (!op.getForm() && op.getEarlyStop())
    op.setForm(Form::gram);
  if (!op.getSide() && asked.side())
    op.setSide(*asked.side());
  if (!op.getRestarts() && asked.restarts())
    op.setRestarts(*asked.restarts());
  if (!op.getPairs() && asked.pairs())
    op.setPairs(*asked.pairs());
  return verify(op);
}

/// Singular values rounded above 1 leave a table that only holds up to there: what comes of it is farther from p(X)
/// than nothing is.
LogicalResult refuseDiverging(OrthogonalizeOp op, double error) {
  double end = 1 / op.getSafety().convertToDouble();
  return op.emitOpError() << "table \"" << op.getTable().getName().getValue() << "\" diverges on (0, "
                          << printNumber(end) << "] with operands " << *op.getOperands()
                          << ": expected an error of at most 1, emulation finds " << printNumber(error)
                          << "; a larger safety or operands f32 may hold";
}

struct ChooseFormPass : muon::impl::ChooseFormPassBase<ChooseFormPass> {
  using ChooseFormPassBase::ChooseFormPassBase;

  void runOnOperation() override {
    Asked asked(getOperation());
    WalkResult result = getOperation().walk([&](OrthogonalizeOp op) -> WalkResult {
      if (failed(writeAsked(op, asked)))
        return failure();
      FormProblem problem = problemOf(op, asked.target());
      FormChoice choice = choose(op, problem);
      std::optional<double> error;
      if (!isDamped(op)) // the emulation knows no damping
        error = expectedError(problem, choice, weights());
      write(op, choice);
      report(op, problem, choice, error, asked.band());
      bool diverges = error && !(*error <= 1);
      if (double standard = diverges ? expectedError(problem, {}, weights()) : 0;
          !(standard <= 1)) // it is the table, not a form that was asked for
        return refuseDiverging(op, standard);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  FormWeights weights() const {
    FormWeights weights;
    weights.gramBound = gramBound, weights.pairedBound = pairedBound, weights.flopsPerByte = flopsPerByte;
    return weights;
  }
  FormChoice choose(OrthogonalizeOp op, const FormProblem &problem) const;
  void write(OrthogonalizeOp op, const FormChoice &choice);
  NamedAttrList weigh(OrthogonalizeOp op, const FormProblem &problem, const FormChoice &choice,
                      std::optional<double> error);
  ArrayAttr weighOthers(OrthogonalizeOp op, const FormProblem &problem, const FormChoice &choice);
  void report(OrthogonalizeOp op, const FormProblem &problem, const FormChoice &choice, std::optional<double> error,
              BandAttr asked);
};

FormChoice ChooseFormPass::choose(OrthogonalizeOp op, const FormProblem &problem) const {
  FormWeights weights = this->weights();
  std::optional<Form> form = op.getForm();
  // The emulation, which judges pairs, knows no damping.
  if (isDamped(op))
    return {FormChoice::gram, {}, false, problem.pairs.value_or(std::vector<int>())};
  if (form == Form::standard)
    return choosePairs(problem, {FormChoice::standard, {}, isExact(op)}, weights);
  return form == Form::gram ? chooseRestarts(problem, weights) : chooseForm(problem, weights);
}

void ChooseFormPass::write(OrthogonalizeOp op, const FormChoice &choice) {
  op.setForm(choice.form == FormChoice::gram ? Form::gram : Form::standard);
  op.setSide(sideOf(op));
  op.setRestarts(SmallVector<int64_t>(choice.restarts.begin(), choice.restarts.end()));
  op.setPairs(SmallVector<int64_t>(choice.pairs.begin(), choice.pairs.end()));
}

/// A form and what it is judged by: flops and bytes of all matrices, their weighted sum, and the error.
NamedAttrList ChooseFormPass::weigh(OrthogonalizeOp op, const FormProblem &problem, const FormChoice &choice,
                                    std::optional<double> error) {
  Builder b(&getContext());
  NamedAttrList entries;
  double matrices = 1;
  for (int64_t size : cast<RankedTensorType>(op.getX().getType()).getShape().drop_back(2))
    matrices *= double(size);
  auto append = [&](StringRef name, double ofOne) {
    constexpr double kMostCounted = 0x1.fffffffffffffp62; // the largest below 2^63
    entries.append(name, b.getI64IntegerAttr(std::llround(std::min(matrices * ofOne, kMostCounted))));
  };
  auto rows = [&](const std::vector<int> &numbers) {
    return b.getDenseI64ArrayAttr(SmallVector<int64_t>(numbers.begin(), numbers.end()));
  };
  entries.append("form", b.getStringAttr(stringifyForm(choice.form == FormChoice::gram ? Form::gram : Form::standard)));
  entries.append("restarts", rows(choice.restarts));
  entries.append("pairs", rows(choice.pairs));
  append("flops", countProducts(problem.table, choice, problem.shortSide, problem.longSide));
  append("bytes", countBytes(problem, choice));
  append("cost", costOf(problem, choice, weights()));
  if (error && !std::isfinite(*error)) // for which JSON has no number
    entries.append("overflows", b.getBoolAttr(true));
  else if (error)
    entries.append("expected_error", b.getF64FloatAttr(*error));
  return entries;
}

/// The standard form and the gram form without restarts, where they were not chosen: beside them it can be read why.
ArrayAttr ChooseFormPass::weighOthers(OrthogonalizeOp op, const FormProblem &problem, const FormChoice &choice) {
  SmallVector<Attribute> others;
  for (FormChoice::Form form : {FormChoice::standard, FormChoice::gram}) {
    FormChoice other = choosePairs(problem, {form, {}, form == FormChoice::standard && isExact(op)}, weights());
    if (other == choice)
      continue;
    double error = emulate(problem.table, other, problem.type, emulationShortSide, emulationLongSide).worst;
    others.push_back(weigh(op, problem, other, error).getDictionary(&getContext()));
  }
  return ArrayAttr::get(&getContext(), others);
}

void ChooseFormPass::report(OrthogonalizeOp op, const FormProblem &problem, const FormChoice &choice,
                            std::optional<double> error, BandAttr asked) {
  Builder b(&getContext());
  NamedAttrList entries = weigh(op, problem, choice, error);
  double floor = asked ? asked.getFloor() : defaultFloor;
  Band band = computeBand(problem.table, floor);
  if (!isDamped(op) && !op.getEarlyStop()) // which are gram, whatever it costs
    entries.append("alternatives", weighOthers(op, problem, choice));
  entries.append("steps", b.getI64IntegerAttr(problem.table.steps()));
  if (op.getEarlyStop())
    entries.append("early_stop", op.getEarlyStopAttr());
  entries.append("lower", b.getF64FloatAttr(band.lower));
  entries.append("upper", b.getF64FloatAttr(band.upper));
  if (asked)
    entries.append("floor", b.getF64FloatAttr(asked.getFloor()));
  if (asked && asked.isBounded())
    entries.append("within_band",
                   b.getBoolAttr(carries(problem.type, asked) &&
                                 checkBand(problem.table, {asked.getLower(), asked.getUpper()}, floor).empty()));
  op->setAttr(kChoice, entries.getDictionary(&getContext()));
}

} // namespace
