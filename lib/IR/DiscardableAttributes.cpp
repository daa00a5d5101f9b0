//===- DiscardableAttributes.cpp - what rooms write on ops that do not define it --------------===//

#include "muon/IR/DiscardableAttributes.h"

#include "muon/IR/PrintNumber.h"
#include "muon/IR/Request.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace muon;

namespace {
struct Known {
  StringRef name, expected;
  bool (*fits)(Operation *op, Attribute value);
};
} // namespace

template <typename Element> static bool isListOf(Attribute value) {
  auto list = dyn_cast<ArrayAttr>(value);
  return list && llvm::all_of(list, llvm::IsaPred<Element>);
}

static bool isInteger(Attribute value, int64_t least, int64_t most) {
  auto number = dyn_cast<IntegerAttr>(value);
  return number && number.getType().isInteger(64) && number.getInt() >= least && number.getInt() <= most;
}

static bool isChoice(Operation *op, Attribute value) {
  return isa<OrthogonalizeOp>(op) ? isa<DictionaryAttr>(value)
                                  : isa<FunctionOpInterface>(op) && isListOf<DictionaryAttr>(value);
}

static bool isWord(Operation *op, Attribute value) {
  auto word = op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
  return isa<UnitAttr>(value) && word && word.getElementType().isInteger(32);
}

/// By name.
static ArrayRef<Known> knownAttributes() {
  static constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  static const Known kKnown[] = {
      {kChains, "a list of dictionaries on a function",
       [](Operation *op, Attribute value) { return isa<FunctionOpInterface>(op) && isListOf<DictionaryAttr>(value); }},
      {kChoice, "a dictionary on a muon.orthogonalize or a list of them on a function", isChoice},
      {kFlattenedFrom, "an array<i64> on a function",
       [](Operation *op, Attribute value) { return isa<FunctionOpInterface>(op) && isa<DenseI64ArrayAttr>(value); }},
      {kGuard, "0 or 1 on an op with one result",
       [](Operation *op, Attribute value) { return op->getNumResults() == 1 && isInteger(value, 0, 1); }},
      {kIntegerScalars, "an array<i1> on a module",
       [](Operation *op, Attribute value) { return isa<ModuleOp>(op) && isa<DenseBoolArrayAttr>(value); }},
      {kKernels, "a unit attribute on a module",
       [](Operation *op, Attribute value) { return isa<ModuleOp>(op) && isa<UnitAttr>(value); }},
      {kParts, "a positive integer on a product",
       [](Operation *op, Attribute value) { return isa<ProductOpInterface>(op) && isInteger(value, 1, kMost); }},
      {kPredicate, "a unit attribute on an op whose one result is a tensor of i32", isWord},
      {kRequest, "a #muon.request on a module or a function",
       [](Operation *op, Attribute value) {
         return isa<ModuleOp, FunctionOpInterface>(op) && isa<RequestAttr>(value);
       }},
      {kRoom, "a room's name on a module", [](Operation *op, Attribute) { return isa<ModuleOp>(op); }}, // see Walk.cpp
      {kScalars, "a list of names on a module",
       [](Operation *op, Attribute value) { return isa<ModuleOp>(op) && isListOf<StringAttr>(value); }},
      {kTuned, "a string on a function",
       [](Operation *op, Attribute value) { return isa<FunctionOpInterface>(op) && isa<StringAttr>(value); }}};
  return kKnown;
}

static LogicalResult verifyRequest(Operation *op, RequestAttr request) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module && (request.getTarget() || request.getVersion())) // C8
    return op->emitOpError() << "expected target and version in the module's request, got " << request;
  for (VariantOp variant : module ? llvm::to_vector(module.getOps<VariantOp>()) : SmallVector<VariantOp>())
    // C9; what lacks a target is refused by its op.
    if (request.getTarget() && variant.getTargetAttr() && variant.getTarget() != request.getTarget())
      return variant.emitOpError() << "is planned for cpu \"" << variant.getTarget().getCpu()
                                   << "\", but the module's request is for cpu \"" << request.getTarget().getCpu()
                                   << '"';
  return success();
}

/// C11: a kernel reads its scalars from the columns that the module names.
static LogicalResult verifyScalars(ModuleOp module, ArrayAttr names) {
  for (auto kernel : module.getOps<KernelOp>()) {
    ArrayAttr own = kernel.getScalarsAttr(); // not verified yet
    for (Attribute scalar : own ? own.getValue() : ArrayRef<Attribute>())
      if (!llvm::is_contained(names, scalar))
        return kernel.emitOpError() << "expected scalars of " << kScalars << " " << names << ", got " << scalar;
  }
  return success();
}

LogicalResult muon::verifyDiscardable(Operation *op, NamedAttribute attribute) {
  StringRef name = attribute.getName().getValue();
  const Known *known = llvm::find_if(knownAttributes(), [&](const Known &one) { return one.name == name; });
  if (known == knownAttributes().end()) { // C10
    auto names = llvm::map_to_vector(knownAttributes(), [](const Known &one) { return one.name; });
    return op->emitOpError() << "unknown attribute " << name << ", expected " << printChoices(names);
  }
  if (!known->fits(op, attribute.getValue())) // C8, C10
    return op->emitOpError() << "expected " << name << " to be " << known->expected << ", got " << attribute.getValue();
  if (name == kRequest)
    return verifyRequest(op, cast<RequestAttr>(attribute.getValue()));
  return name == kScalars ? verifyScalars(cast<ModuleOp>(op), cast<ArrayAttr>(attribute.getValue())) : success();
}
