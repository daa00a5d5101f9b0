//===- ExpandOrthogonalize.cpp - orthogonalize as products and arith ------===//

#include "muon/Form/Passes.h"
#include "muon/Form/StepBuilder.h"
#include "muon/Form/Term.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace muon;

namespace muon {
#define GEN_PASS_DEF_EXPANDORTHOGONALIZEPASS
#include "muon/Form/Passes.h.inc"
} // namespace muon

namespace {

using Coefficients = ArrayRef<double>;

class Expansion {
public:
  Expansion(OrthogonalizeOp op, ImplicitLocOpBuilder &builder);
  Term run();

private:
  /// X narrowed, and what the norm leaves to be done to R.
  struct Start {
    Term x;
    std::optional<Term> shift; ///< damping/N², added to R's diagonal
  };
  Start normalise();
  Term inverseNorm(Term x);
  Term standard(Term x);
  Term gramForm(Start start);
  Term formGram(const Start &start);
  Term oddPart(Term r, Coefficients c);
  Term oddPartByCubes(Term r, Coefficients c);
  bool isRestart(size_t step) {
    return op.getRestarts() && llvm::is_contained(*op.getRestarts(), int64_t(step));
  }

  Term narrowed(Term a) { return convert(a, op.getOperands()); }
  Term gram(Term x) { return Term(b, GramOp::create(b, squareType, x.value(), side)); }
  Term multiply(Term p, Term r) {
    return Term(b, SymmetricMatmulOp::create(b, squareType, p.value(), r.value()));
  }
  Term apply(Term p, Term x) {
    return Term(b, ApplyOp::create(b, op.getO().getType(), p.value(), x.value(), side));
  }

  OrthogonalizeOp op;
  ImplicitLocOpBuilder &b;
  Side side;
  RankedTensorType squareType;
  std::vector<Row> rows;
};

Expansion::Expansion(OrthogonalizeOp op, ImplicitLocOpBuilder &builder)
    : op(op), b(builder), side(*op.getSide()), rows(toTable(op.getTable()).rows) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  squareType = gramType(type, side, b.getF32Type());
}

Term Expansion::run() {
  Start start = normalise();
  return op.getForm() == Form::standard ? standard(start.x) : gramForm(start);
}

/// 1/(safety (N + eps)) in f64, one per matrix.
Term Expansion::inverseNorm(Term x) {
  double safety = op.getSafety().convertToDouble(), eps = op.getEps().convertToDouble();
  Term wide = convert(x, b.getF64Type());
  Term square = sum(wide * wide);
  if (op.getNorm() == Norm::trace)
    square = square + double(squareType.getShape().back()) * op.getDamping().convertToDouble();
  Term norm = sqrt(square);
  if (eps > 0)
    norm = op.getEpsForm() == EpsForm::add ? norm + eps : max(norm, eps);
  if (safety != 1)
    norm = safety * norm;
  // Keeps 1/N finite in f32, and 0 * (1/0) at zero.
  return min(1.0 / norm, 0x1p126);
}

Expansion::Start Expansion::normalise() {
  Term x(b, op.getX());
  if (op.getNorm() == Norm::none)
    return {narrowed(x), std::nullopt};
  Term inverse = inverseNorm(x);
  Start start{narrowed(x * convert(inverse, b.getF32Type())), std::nullopt};
  if (op.getNorm() == Norm::trace)
    start.shift = convert(inverse * inverse * op.getDamping().convertToDouble(), b.getF32Type());
  return start;
}

Term Expansion::formGram(const Start &start) {
  Term r = gram(start.x);
  if (start.shift) {
    Value one = arith::ConstantOp::create(b, b.getF32FloatAttr(1.0));
    r = fma(*start.shift, Term(b, DiagonalOp::create(b, squareType, one)), r);
  }
  return narrowed(r);
}

/// P(R) of degree 3 to 9, narrowed.
Term Expansion::oddPart(Term r, Coefficients c) {
  if (c.size() > 5)
    return oddPartByCubes(r, c);
  Term p = c[1] * r;
  if (c.size() == 2)
    return narrowed(p);
  Term square = multiply(r, r);
  if (c.size() == 3)
    return narrowed(fma(c[2], square, p));
  Term inner = c[3] * r;
  if (c.size() == 5)
    inner = fma(c[4], square, inner);
  square = narrowed(square);
  Term outer = multiply(square, narrowed(inner));
  return narrowed(fma(c[2], square, p) + outer);
}

/// P(R) of degree 11 and 13, narrowed.
Term Expansion::oddPartByCubes(Term r, Coefficients c) {
  Term square = narrowed(multiply(r, r));
  Term cube = multiply(square, r);
  Term inner = fma(c[5], square, c[4] * r);
  if (c.size() == 7)
    inner = fma(c[6], cube, inner);
  cube = narrowed(cube);
  Term outer = multiply(cube, narrowed(inner));
  return narrowed(fma(c[3], cube, fma(c[2], square, c[1] * r)) + outer);
}

Term Expansion::standard(Term x) {
  for (size_t step = 0; step < rows.size(); ++step) {
    Term p = oddPart(formGram({x, std::nullopt}), rows[step].c);
    Term next = fma(rows[step].c[0], x, apply(p, x));
    x = step + 1 < rows.size() ? narrowed(next) : next;
  }
  return x;
}

Term Expansion::gramForm(Start start) {
  Term x = start.x, r = formGram(start), q = r;
  double identity = 1; // q I + Q, Q still zero
  bool fresh = true;
  for (size_t step = 0; step < rows.size(); ++step) {
    double a = rows[step].c[0];
    if (isRestart(step)) {
      x = narrowed(fma(identity, x, apply(q, x)));
      r = formGram({x, std::nullopt});
      fresh = true;
    }
    Term p = oddPart(r, rows[step].c);
    bool last = step + 1 == rows.size() || isRestart(step + 1);
    if (!last) {
      Term s = narrowed(fma(a, r, multiply(p, r)));
      r = narrowed(fma(a, s, multiply(p, s)));
    }
    if (fresh) {
      q = p;
      identity = a;
    } else {
      q = narrowed(fma(identity, p, fma(a, q, multiply(q, p))));
      identity *= a;
    }
    fresh = false;
  }
  return fma(identity, x, apply(q, x));
}

struct ExpandOrthogonalizePass : muon::impl::ExpandOrthogonalizePassBase<ExpandOrthogonalizePass> {
  void runOnOperation() override {
    WalkResult result = getOperation().walk([](OrthogonalizeOp op) -> WalkResult {
      if (!op.getForm() || !op.getSide())
        return op.emitOpError("expected form and side, run muon-choose-form first");
      ImplicitLocOpBuilder builder(op.getLoc(), op);
      op.replaceAllUsesWith(Expansion(op, builder).run().value());
      op.erase();
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
