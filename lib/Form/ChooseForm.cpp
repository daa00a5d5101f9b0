//===- ChooseForm.cpp - form, side and restarts of orthogonalize ----------===//

#include "muon/Form/Passes.h"
#include "muon/Form/StepBuilder.h"

using namespace mlir;
using namespace muon;

namespace muon {
#define GEN_PASS_DEF_CHOOSEFORMPASS
#include "muon/Form/Passes.h.inc"
} // namespace muon

namespace {
struct ChooseFormPass : muon::impl::ChooseFormPassBase<ChooseFormPass> {
  void runOnOperation() override {
    getOperation().walk([](OrthogonalizeOp op) {
      if (!op.getForm())
        op.setForm(op.getNorm() == Norm::trace ? Form::gram : Form::standard);
      if (!op.getSide())
        op.setSide(shortSide(cast<RankedTensorType>(op.getX().getType())));
    });
  }
};
} // namespace
