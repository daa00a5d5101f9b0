//===- SplitProducts.cpp - into how many parts a GPU cuts a product's k -----------------------===//

#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/Request.h"
#include "muon/Plan/GpuTiles.h"
#include "muon/Plan/Levels.h"
#include "muon/Plan/Passes.h"

#include "llvm/Support/MathExtras.h"

namespace muon {
#define GEN_PASS_DEF_SPLITPRODUCTSPASS
#include "muon/Plan/Passes.h.inc"
} // namespace muon

using namespace mlir;
using namespace muon;

static void splitProducts(func::FuncOp function, TargetAttr target) {
  std::optional<int64_t> asked = Asked(function).parts();
  function.walk([&](ProductOpInterface product) {
    gpu::ProductShape shape = gpu::productShape(product, 1); // whatever the batch
    int64_t parts = 1;
    if (auto chosen = product->getAttrOfType<IntegerAttr>(kParts))
      parts = chosen.getInt();
    else
      parts = asked ? *asked : gpu::chooseParts(target, shape);
    parts = llvm::divideCeil(shape.k, gpu::partDepth(shape.k, std::max<int64_t>(parts, 1))); // none is empty
    product->removeAttr(kParts);
    if (parts > 1)
      product->setAttr(kParts, IntegerAttr::get(IntegerType::get(function.getContext(), 64), parts));
  });
}

namespace {
struct SplitProducts : muon::impl::SplitProductsPassBase<SplitProducts> {
  void runOnOperation() override {
    TargetAttr target = askedTarget(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!target || !target.isGpu())
        function.walk([](ProductOpInterface product) { product->removeAttr(kParts); });
      else
        splitProducts(function, target);
  }
};
} // namespace
