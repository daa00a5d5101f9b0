//===- StateRequest.cpp - a request as the module's muon.request ------------------------------===//

#include "StateRequest.h"

#include "muon/IR/Request.h"

using namespace mlir;
using namespace muon;

static DictionaryAttr dictionaryOf(Builder &builder, const NamedAttrList &overrides) {
  return overrides.empty() ? DictionaryAttr() : overrides.getDictionary(builder.getContext());
}

/// Null where the choice is left to the compiler.
static Attribute attributeOf(Builder &builder, const Override &known, const std::string &word) {
  return word == known.words.front() ? Attribute() : builder.getStringAttr(word);
}
static Attribute attributeOf(Builder &builder, const Override &known, const std::optional<std::string> &word) {
  return word ? attributeOf(builder, known, *word) : Attribute();
}
static Attribute attributeOf(Builder &builder, const Override &, const std::optional<std::vector<int64_t>> &list) {
  return list ? builder.getI64ArrayAttr(*list) : Attribute();
}
static Attribute attributeOf(Builder &builder, const Override &, const std::vector<int64_t> &list) {
  return list.empty() ? Attribute() : builder.getI64ArrayAttr(list);
}
static Attribute attributeOf(Builder &builder, const Override &, int64_t number) {
  return number == 0 ? Attribute() : builder.getI64IntegerAttr(number);
}

DictionaryAttr muon::stateOverrides(MLIRContext *context, const Request &request) {
  Builder builder(context);
  NamedAttrList overrides;
  forEachOverride(request, [&](StringRef name, const auto &value) {
    if (Attribute asked = attributeOf(builder, *findOverride(name), value))
      overrides.set(name, asked);
  });
  return dictionaryOf(builder, overrides);
}

RequestAttr muon::stateRequest(const Request &request, TargetAttr target) {
  MLIRContext *context = target.getContext();
  auto emitError = [&] { return mlir::emitError(UnknownLoc::get(context)); };
  return RequestAttr::getChecked(emitError, context, target, operandTypeNamed(context, request.dtype), BandAttr(),
                                 stateOverrides(context, request), kDialectVersion);
}

RequestAttr muon::stateRequest(MLIRContext *context, const GroupRequest &group) {
  Builder builder(context);
  NamedAttrList overrides;
  if (!group.step.tile.empty())
    overrides.set("tile", builder.getI64ArrayAttr(group.step.tile));
  BandAttr band;
  if (group.served)
    band = BandAttr::get(context, builder.getDenseF64ArrayAttr(
                                      {group.served->floor, group.served->band.lower, group.served->band.upper}));
  if (overrides.empty() && !band)
    return {};
  return RequestAttr::get(context, TargetAttr(), Type(), band, dictionaryOf(builder, overrides), /*version=*/0);
}
