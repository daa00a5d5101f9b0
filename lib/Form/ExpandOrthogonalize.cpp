//===- ExpandOrthogonalize.cpp - orthogonalize as products and arith --------------------------===//

#include "EarlyStop.h"

#include "muon/Form/Passes.h"
#include "muon/Form/StepBuilder.h"
#include "muon/Form/Term.h"
#include "muon/IR/DiscardableAttributes.h"

#include "muon/Polynomial/GramPolynomials.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <utility>

using namespace mlir;
using namespace muon;

namespace muon {
#define GEN_PASS_DEF_EXPANDORTHOGONALIZEPASS
#include "muon/Form/Passes.h.inc"
} // namespace muon

namespace {

/// Finite in f32, and so is its reciprocal.
constexpr double kLargest = 0x1p126;

class Expansion : public GramPolynomials<Expansion, Term> {
public:
  Expansion(OrthogonalizeOp op, ImplicitLocOpBuilder &builder);
  /// O and the metrics.
  SmallVector<Value> run();

  // The algebra.
  Term identity(double scale = 1);
  Term narrowed(Term a) { return convert(a, *op.getOperands()); }
  Term multiply(Term p, Term r) { return Term(b, SymmetricMatmulOp::create(b, squareType, p.value(), r.value())); }
  double ceilingBefore(int row) { return bandBefore(row).upper; }

private:
  /// X narrowed, its R where the norm has made it already, and what X still lacks: a factor per matrix that the first
  /// block's result takes.
  struct Start {
    Term x;
    std::optional<Term> r, factor;
  };
  Start normalise();
  Start damp(Term x, Term factor);
  Start readTrace();
  Start divideBySchatten(Term x, Term eps);
  Start divideByRowSums(Term x, Term eps);
  Term inverse(Term norm, Term eps, double limit = kLargest);
  Start multipliedLater(Term x, Term r, Term factor);
  Term standard(Start start);
  SmallVector<Value> gramForm(Start start);
  Term formGram(Term x) { return narrowed(gram(x)); }
  Band bandBefore(int row);

  Term gram(Term x) { return Term(b, GramOp::create(b, squareType, x.value(), side)); }
  Term apply(Term p, Term x) { return Term(b, ApplyOp::create(b, op.getO().getType(), p.value(), x.value(), side)); }

  OrthogonalizeOp op;
  ImplicitLocOpBuilder &b;
  double safety;
  Side side;
  RankedTensorType squareType;
};

/// What muon-choose-form wrote.
static FormChoice readChoice(OrthogonalizeOp op) {
  FormChoice choice{*op.getForm() == Form::gram ? FormChoice::gram : FormChoice::standard, {}};
  choice.centred = op.getAccuracy() == Accuracy::exact;
  for (int64_t row : op.getRestarts().value_or(ArrayRef<int64_t>()))
    choice.restarts.push_back(static_cast<int>(row));
  for (int64_t row : op.getPairs().value_or(ArrayRef<int64_t>()))
    choice.pairs.push_back(static_cast<int>(row));
  return choice;
}

Expansion::Expansion(OrthogonalizeOp op, ImplicitLocOpBuilder &builder)
    : GramPolynomials(toTable(op.getTable()), readChoice(op)), op(op), b(builder),
      safety(op.getSafety().convertToDouble()), side(*op.getSide()) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  squareType = gramType(type, side, b.getF32Type());
}

SmallVector<Value> Expansion::run() {
  Start start = normalise();
  if (op.getForm() == Form::standard)
    return {standard(start).value()};
  return gramForm(start);
}

/// 1/(safety (N + eps)), of as many numbers as N and in their type, at most `limit`: finite in f32, so that 0 (1/0) is
/// 0.
Term Expansion::inverse(Term norm, Term eps, double limit) {
  if (op.getEps().convertToDouble() > 0)
    norm = op.getEpsForm() == EpsForm::add ? norm + eps : max(norm, eps);
  if (safety != 1)
    norm = safety * norm;
  return min(1.0 / norm, limit);
}

/// What f X and its Gram matrix are where f, in f64, is known after R: R takes f² now, and the first block's result f,
/// which saves a pass over X.
Expansion::Start Expansion::multipliedLater(Term x, Term r, Term factor) {
  Term squared = min(factor * factor, kLargest);
  return {x, narrowed(r * convert(squared, b.getF32Type())), convert(factor, b.getF32Type())};
}

Expansion::Start Expansion::normalise() {
  Term x(b, op.getX());
  double damping = op.getDamping().convertToDouble();
  if (op.getNorm() == Norm::none)
    return {narrowed(x), std::nullopt, std::nullopt};
  if (op.getNorm() == Norm::trace && damping == 0)
    return readTrace();
  Term wide = convert(x, b.getF64Type());
  Term square = sum(wide * wide);
  if (op.getNorm() == Norm::trace) {
    ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getX().getType()).getShape();
    square = square + double(std::min(shape.end()[-2], shape.back())) * damping;
  }
  double eps = op.getEps().convertToDouble();
  bool normalisedAgain = op.getNorm() == Norm::schatten4 || op.getNorm() == Norm::aol;
  Term factor = normalisedAgain ? min(1.0 / sqrt(square), kLargest) : inverse(sqrt(square), eps);
  x = narrowed(x * convert(factor, b.getF32Type()));
  switch (op.getNorm()) {
  case Norm::trace:
    return damp(x, factor);
  case Norm::schatten4:
    return divideBySchatten(x, eps * factor);
  case Norm::aol:
    return divideByRowSums(x, convert(eps * factor, b.getF32Type()));
  case Norm::frobenius:
  case Norm::none:
    break;
  }
  return {x, std::nullopt, std::nullopt};
}

/// N² = tr R with R of X as it is, so that X is read once, by what makes it; 1/N goes into R and the first block's
/// result. Squares of small X may vanish: eps is at least 1e-12 (C7), beside which such an X is nothing.
Expansion::Start Expansion::readTrace() {
  Term x = narrowed(Term(b, op.getX())), r = gram(x);
  // Widened before it is masked: Plan stores no f64 matrix, so that the first product's epilogue writes R alone.
  Term trace = sum(convert(r, b.getF64Type()) * convert(identity(), b.getF64Type()));
  return multipliedLater(x, r, inverse(sqrt(trace), op.getEps().convertToDouble()));
}

/// R = gram X + (damping/N²) I.
Expansion::Start Expansion::damp(Term x, Term factor) {
  double damping = op.getDamping().convertToDouble();
  Term shift = convert(factor * factor * damping, b.getF32Type());
  return {x, narrowed(fma(shift, identity(), gram(x))), std::nullopt};
}

/// By √‖R‖_F, ‖R‖_F being the root of the sum of σ⁴. X is divided by its Frobenius norm already, and so is eps.
Expansion::Start Expansion::divideBySchatten(Term x, Term eps) {
  Term r = gram(x), wide = convert(r, b.getF64Type());
  return multipliedLater(x, r, inverse(sqrt(sqrt(sum(wide * wide))), eps));
}

/// d_i R_ij d_j and X scaled by d on its short side, d_i = 1/(safety (√Σ_j |R_ij| + eps)): σ <= 1 by Gershgorin. X is
/// divided by its Frobenius norm already, and so is eps. d is at most 2^63, so that d_i d_j is finite; formed first, it
/// keeps R symmetric to the bit.
Expansion::Start Expansion::divideByRowSums(Term x, Term eps) {
  Term r = gram(x);
  Term d = inverse(sqrt(rowSum(abs(r))), eps, 0x1p63);
  int64_t rank = squareType.getRank();
  Term rows(b, d.value(), {rank - 1}), columns(b, d.value(), {rank - 2});
  return {narrowed(x * (side == Side::left ? rows : columns)), narrowed(r * (rows * columns)), std::nullopt};
}

Term Expansion::standard(Start start) {
  Term x = start.x;
  int steps = int(rows.size());
  for (int row = 0, next; row < steps; row = next) {
    next = row + choice.rowsAt(row);
    auto [own, p] = standardStep(row == 0 && start.r ? *start.r : formGram(x), row);
    Term product = fma(own, x, apply(narrowed(p), x));
    if (row == 0 && start.factor)
      product = product * *start.factor;
    x = next < steps ? narrowed(product) : product;
  }
  return x;
}

Term Expansion::identity(double scale) {
  Value value = arith::ConstantOp::create(b, b.getF32FloatAttr(float(scale)));
  return Term(b, DiagonalOp::create(b, squareType, value));
}

/// What the rows before `row` make of the singular values served.
Band Expansion::bandBefore(int row) {
  Table before{"", {rows.begin(), rows.begin() + row}};
  double floor = defaultFloor / safety;
  return row == 0 ? Band{floor, 1 / safety} : computeBand(before, floor, 1 / safety);
}

/// What was narrowed to `a`.
static Term beforeNarrowing(Term a) {
  auto truncation = a.value().getDefiningOp<arith::TruncFOp>();
  return truncation ? Term(a.getBuilder(), truncation.getIn(), a.missing()) : a;
}

/// The recurrence of Emulate.h, which says why Z takes half of a I.
SmallVector<Value> Expansion::gramForm(Start start) {
  Term x = start.x, r = start.r ? *start.r : formGram(x), q = r;
  double apart = 0; // the block's factor is apart I + Q
  auto applyFactor = [&] {
    Term y = apart == 0 ? apply(q, x) : fma(apart, x, apply(q, x));
    return start.factor ? y * *std::exchange(start.factor, std::nullopt) : y;
  };
  std::optional<EarlyStop> stop;
  if (op.getEarlyStop())
    stop.emplace(b, op.getEarlyStop()->convertToDouble(), squareType);
  int steps = int(rows.size());
  for (int row = 0, next; row < steps; row = next) {
    next = row + choice.rowsAt(row);
    bool fresh = row == 0 || choice.isRestart(row);
    if (choice.isRestart(row)) {
      x = narrowed(applyFactor());
      r = formGram(x);
    }
    if (stop)
      stop->consider(beforeNarrowing(r), fresh ? 1 : apart, fresh ? std::nullopt : std::optional(q), x, start.factor,
                     bandBefore(row).lower);
    double half = slopeAt(row) / 2;
    Term z = factor(r, row);
    auto advance = [&](Term y) { return fma(half, y, multiply(z, y)); };
    if (!choice.endsBlock(next, steps))
      r = narrowed(advance(narrowed(advance(r))));
    if (fresh) {
      q = z;
      apart = half;
      continue;
    }
    Term product = advance(q);
    if (apart != 0)
      product = fma(apart * half, identity(), fma(apart, z, product));
    q = narrowed(product);
    apart = 0;
  }
  if (!stop)
    return {applyFactor().value()};
  EarlyStop::Choice stopped = stop->choose(apart, q, x, start.factor.has_value());
  q = stopped.q, x = stopped.x;
  auto [orthogonality, taken] = stop->metrics();
  return {(stopped.scale * applyFactor()).value(), orthogonality.value(), taken.value()};
}

struct ExpandOrthogonalizePass : muon::impl::ExpandOrthogonalizePassBase<ExpandOrthogonalizePass> {
  void runOnOperation() override {
    SmallVector<Attribute> choices;
    WalkResult result = getOperation().walk([&](OrthogonalizeOp op) -> WalkResult {
      if (!op.getOperands() || !op.getForm() || !op.getSide())
        return op.emitOpError("expected operands, form and side, run muon-choose-form first");
      if (Attribute choice = op->getAttr(kChoice))
        choices.push_back(choice);
      ImplicitLocOpBuilder builder(op.getLoc(), op);
      op.replaceAllUsesWith(Expansion(op, builder).run());
      op.erase();
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    if (!choices.empty())
      getOperation()->setAttr(kChoice, ArrayAttr::get(&getContext(), choices));
  }
};

} // namespace
