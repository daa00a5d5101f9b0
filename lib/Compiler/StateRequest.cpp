//===- StateRequest.cpp - a request as the module's muon.request ------------------------------===//

#include "StateRequest.h"

#include "muon/IR/Request.h"

using namespace mlir;
using namespace muon;

/// Null for auto.
static Type typeNamed(Builder &builder, StringRef name) {
  if (name == "tf32")
    return builder.getTF32Type();
  if (name == "f16")
    return builder.getF16Type();
  if (name == "bf16")
    return builder.getBF16Type();
  return name == "f32" ? Type(builder.getF32Type()) : Type();
}

static DictionaryAttr dictionaryOf(Builder &builder, const NamedAttrList &overrides) {
  return overrides.empty() ? DictionaryAttr() : overrides.getDictionary(builder.getContext());
}

RequestAttr muon::stateRequest(const Request &request, TargetAttr target) {
  Builder builder(target.getContext());
  NamedAttrList overrides;
  auto word = [&](StringRef name, StringRef value, StringRef open) {
    if (value != open)
      overrides.set(name, builder.getStringAttr(value));
  };
  word("form", request.form, "auto");
  word("chain", request.chain, "auto");
  word("nonfinite", request.nonfinite, "propagate");
  if (request.restarts)
    overrides.set("restarts", builder.getI64ArrayAttr(*request.restarts));
  if (request.pairs)
    overrides.set("pairs", builder.getI64ArrayAttr(*request.pairs));
  if (!request.tile.empty())
    overrides.set("tile", builder.getI64ArrayAttr(request.tile));
  if (request.parts)
    overrides.set("parts", builder.getI64IntegerAttr(request.parts));
  auto emitError = [&] { return mlir::emitError(builder.getUnknownLoc()); };
  return RequestAttr::getChecked(emitError, builder.getContext(), target, typeNamed(builder, request.dtype), BandAttr(),
                                 dictionaryOf(builder, overrides), kDialectVersion);
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
