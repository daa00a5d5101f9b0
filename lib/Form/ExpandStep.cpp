//===- ExpandStep.cpp - momentum and update as arith on tensors -------------------------------===//

#include "muon/Form/Passes.h"
#include "muon/Form/Term.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace muon;

namespace muon {
#define GEN_PASS_DEF_EXPANDSTEPPASS
#include "muon/Form/Passes.h.inc"
} // namespace muon

static void expandMomentum(MomentumOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Type f32 = b.getF32Type();
  Term g = convert(Term(b, op.getGradient()), f32), m = convert(Term(b, op.getMomentum()), f32);
  Term mu(b, op.getMu());
  bool ema = op.getForm() == MomentumForm::ema;
  Term m1 = ema ? fma(1.0 - mu, g - m, m) : fma(mu, m, g);
  Term x = m1;
  if (op.getNesterov())
    x = ema ? fma(mu, m1 - g, g) : fma(mu, m1, g);
  Term stored = convert(m1, getElementTypeOrSelf(op.getNewMomentum()));
  op.replaceAllUsesWith(ValueRange{x.value(), stored.value()});
  op.erase();
}

static void expandUpdate(UpdateOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Term w = convert(Term(b, op.getWeight()), b.getF32Type()), u(b, op.getUpdate());
  Term lr(b, op.getLr()), wd(b, op.getWd());
  if (op.getDecay() == Decay::decoupled)
    w = (1.0 - lr * wd) * w;
  Term w1 = fma(-op.getScale().convertToDouble() * lr, u, w);
  Term stored = convert(w1, getElementTypeOrSelf(op.getNewWeight()));
  op.replaceAllUsesWith(stored.value());
  op.erase();
}

namespace {
struct ExpandStepPass : muon::impl::ExpandStepPassBase<ExpandStepPass> {
  void runOnOperation() override {
    getOperation().walk([](MomentumOp op) { expandMomentum(op); });
    getOperation().walk([](UpdateOp op) { expandUpdate(op); });
  }
};
} // namespace
