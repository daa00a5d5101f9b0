//===- Request.cpp - what was asked for, as the rooms read it ---------------------------------===//

#include "muon/IR/Request.h"

#include "muon/IR/PrintNumber.h"

using namespace mlir;
using namespace muon;

RequestAttr muon::requestOf(Operation *op) { return op->getAttrOfType<RequestAttr>(kRequest); }

TargetAttr muon::askedTarget(ModuleOp module) {
  RequestAttr request = requestOf(module);
  return request ? request.getTarget() : TargetAttr();
}

FailureOr<TargetAttr> muon::findTarget(ModuleOp module) {
  if (TargetAttr target = askedTarget(module))
    return target;
  auto variants = llvm::to_vector(module.getOps<VariantOp>());
  if (variants.size() != 1)
    return module.emitError() << "expected one muon.variant or a muon.request with a target, got " << variants.size()
                              << " variants";
  return variants.front().getTarget();
}

void muon::stampVersion(ModuleOp module) {
  MLIRContext *context = module.getContext();
  RequestAttr said = requestOf(module);
  if (!said)
    said = RequestAttr::get(context, TargetAttr(), Type(), BandAttr(), DictionaryAttr(), kDialectVersion);
  module->setAttr(kRequest, RequestAttr::get(context, said.getTarget(), said.getDtype(), said.getBand(),
                                             said.getOverrides(), kDialectVersion));
}

std::string Override::expected() const {
  switch (kind) {
  case word:
    return printChoices(words);
  case list:
    return "a list of integers";
  case number:
    return "a positive integer";
  }
  llvm_unreachable("every kind is named above");
}

ArrayRef<Override> muon::knownOverrides() {
  static constexpr StringRef kChains[] = {"auto", "block", "launches"}, kForms[] = {"auto", "standard", "gram"},
                             kNonfinite[] = {"propagate", "skip"}, kSides[] = {"auto", "left", "right"};
  static constexpr Override kKnown[] = {
      {"chain", Override::word, kChains, /*gpuOnly=*/true},
      {"form", Override::word, kForms},
      {"nonfinite", Override::word, kNonfinite, /*gpuOnly=*/false, /*ofProducts=*/false},
      {"pairs", Override::list},
      {"parts", Override::number, {}, /*gpuOnly=*/true},
      {"restarts", Override::list},
      {"side", Override::word, kSides},
      {"tile", Override::list}};
  return kKnown;
}

const Override *muon::findOverride(StringRef name) {
  const Override *known = llvm::find_if(knownOverrides(), [&](const Override &one) { return one.name == name; });
  return known == knownOverrides().end() ? nullptr : known;
}

Asked::Asked(func::FuncOp function) : own(requestOf(function)) {
  if (auto parent = function->getParentOfType<ModuleOp>())
    module = requestOf(parent);
}

Type Asked::dtype() const {
  if (own && own.getDtype())
    return own.getDtype();
  return module ? module.getDtype() : Type();
}

BandAttr Asked::band() const {
  if (own && own.getBand())
    return own.getBand();
  return module ? module.getBand() : BandAttr();
}

Attribute Asked::find(StringRef name) const {
  for (RequestAttr request : {own, module})
    if (request && request.getOverrides())
      if (Attribute value = request.getOverrides().get(name))
        return value;
  return {};
}

std::optional<SmallVector<int64_t>> Asked::list(StringRef name) const {
  auto numbers = dyn_cast_or_null<ArrayAttr>(find(name));
  if (!numbers)
    return std::nullopt;
  return llvm::map_to_vector(numbers.getAsRange<IntegerAttr>(), [](IntegerAttr number) { return number.getInt(); });
}

std::optional<Form> Asked::form() const {
  auto word = dyn_cast_or_null<StringAttr>(find("form"));
  return word ? symbolizeForm(word.getValue()) : std::nullopt;
}

std::optional<Side> Asked::side() const {
  auto word = dyn_cast_or_null<StringAttr>(find("side"));
  return word ? symbolizeSide(word.getValue()) : std::nullopt;
}

std::optional<int64_t> Asked::parts() const {
  auto number = dyn_cast_or_null<IntegerAttr>(find("parts"));
  return number ? std::optional<int64_t>(number.getInt()) : std::nullopt;
}

StringRef Asked::chain() const {
  auto word = dyn_cast_or_null<StringAttr>(find("chain"));
  return word ? word.getValue() : findOverride("chain")->words.front();
}

bool Asked::skipsNonfinite() const {
  auto word = dyn_cast_or_null<StringAttr>(find("nonfinite"));
  return word && word.getValue() == "skip";
}
