//===- EarlyStop.cpp --------------------------------------------------------------------------===//

#include "EarlyStop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace muon;

Term EarlyStop::identity() {
  Value one = arith::ConstantOp::create(b, b.getF32FloatAttr(1.0));
  return Term(b, DiagonalOp::create(b, square.clone(b.getF32Type()), one));
}

static Value lessOrEqual(ImplicitLocOpBuilder &b, Term x, double limit) {
  auto type = cast<RankedTensorType>(x.type());
  auto most = DenseElementsAttr::get(type, b.getF64FloatAttr(limit).getValue());
  Value constant = arith::ConstantOp::create(b, most);
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OLE, x.value(), constant);
}

/// A NaN anywhere fails both comparisons. (tr R) |tr R|: no R of negative trace is near.
void EarlyStop::consider(Term r, double apart, std::optional<Term> q, Term x, std::optional<Term> factor,
                         double floor) {
  Type f64 = b.getF64Type();
  Term wide = convert(r, f64), squares = sum(wide * wide);
  Term trace = sum(convert(identity() * r, f64));
  Term missing = double(square.getShape().back()) - trace * abs(trace) / squares;
  Term deviation = sqrt(max(missing, 0.0)), inverse = trace / squares;
  Value near = lessOrEqual(b, deviation, bound);
  Value served = lessOrEqual(b, inverse, 1 / (floor * floor));
  Value condition = arith::AndIOp::create(b, near, served);
  iterates.push_back({condition, deviation, inverse, apart, q, x, factor});
}

Term EarlyStop::choice(ArrayRef<Term> candidates) {
  SmallVector<Value> conditions, values;
  for (const Iterate &iterate : iterates)
    conditions.push_back(iterate.condition);
  for (const Term &candidate : candidates)
    values.push_back(candidate.value());
  Value chosen = ChooseOp::create(b, values.back().getType(), conditions, values);
  return Term(b, chosen, candidates.back().missing());
}

EarlyStop::Choice EarlyStop::choose(double apart, Term q, Term x, bool lacksFactor) {
  SmallVector<Term> factors, starts, scales;
  for (const Iterate &iterate : iterates) {
    double rest = iterate.apart - apart;
    Term factor = iterate.q ? *iterate.q : rest * identity();
    if (iterate.q && rest != 0)
      factor = fma(rest, identity(), factor);
    factors.push_back(convert(factor, q.tensorType().getElementType()));
    starts.push_back(iterate.x);
    Term scale = sqrt(iterate.inverse);
    scales.push_back(iterate.factor && !lacksFactor ? scale * *iterate.factor : scale);
  }
  factors.push_back(q);
  starts.push_back(x);
  Term last = scales.back();
  auto one = DenseElementsAttr::get(last.tensorType(), b.getF64FloatAttr(1.0).getValue());
  scales.push_back(Term(b, arith::ConstantOp::create(b, one), last.missing()));
  bool moves = llvm::any_of(starts, [&](const Term &start) { return start.value() != x.value(); });
  return {choice(factors), moves ? choice(starts) : x, convert(choice(scales), b.getF32Type())};
}

std::pair<Term, Term> EarlyStop::metrics() {
  SmallVector<Term> deviations, rows;
  Term last = iterates.back().deviation;
  for (size_t row = 0; row <= iterates.size(); ++row) {
    deviations.push_back(row < iterates.size() ? iterates[row].deviation : last);
    auto type = last.tensorType().clone(b.getF32Type());
    auto count = DenseElementsAttr::get(type, b.getF32FloatAttr(float(row)).getValue());
    rows.push_back(Term(b, arith::ConstantOp::create(b, count), last.missing()));
  }
  return {convert(choice(deviations), b.getF32Type()), choice(rows)};
}
