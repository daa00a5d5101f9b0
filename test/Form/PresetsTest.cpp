//===- PresetsTest.cpp - Presets against the published algorithms ---------===//

#include "StepFixture.h"

using namespace mlir;
using namespace muon;

namespace {

struct PresetsTest : StepFixture {};

TEST_F(PresetsTest, PrintKeller) {
  for (const char *type : {"f32", "bf16"}) {
    StepOptions options;
    options.shape = {768, 3072};
    options.operands = type;
    if (auto function = expand(options))
      function->getParentOfType<ModuleOp>().dump();
  }
}

} // namespace
