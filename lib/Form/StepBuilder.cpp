//===- StepBuilder.cpp ------------------------------------------------------------------------===//

#include "muon/Form/StepBuilder.h"
#include "muon/IR/StepFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace muon;

StepBuilder::StepBuilder(ModuleOp module, StringRef name) : builder(module.getLoc(), module.getContext()) {
  builder.getContext()->loadDialect<MuonDialect>();
  builder.setInsertionPointToEnd(module.getBody());
  function = func::FuncOp::create(builder, name, builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(function.addEntryBlock());
}

Term StepBuilder::addArgument(StringRef role, StringRef name, Type type, ArrayRef<int64_t> missing) {
  SmallVector<NamedAttribute> attributes;
  if (!role.empty())
    attributes.push_back(builder.getNamedAttr(kArgument, builder.getStringAttr(role)));
  if (!name.empty())
    attributes.push_back(builder.getNamedAttr(kName, builder.getStringAttr(name)));
  argumentAttributes.push_back(builder.getDictionaryAttr(attributes));
  return Term(builder, function.front().addArgument(type, builder.getLoc()), missing);
}

Term StepBuilder::weight(RankedTensorType type) { return addArgument("weight", "", type); }
Term StepBuilder::gradient(RankedTensorType type) { return addArgument("gradient", "", type); }
Term StepBuilder::state(StringRef name, RankedTensorType type, ArrayRef<int64_t> missing) {
  return addArgument("state", name, type, missing);
}
Term StepBuilder::input(StringRef name, RankedTensorType type, ArrayRef<int64_t> missing) {
  return addArgument("input", name, type, missing);
}

/// The argument of that name if the function has it already.
static Value findArgument(Block &block, ArrayRef<DictionaryAttr> attributes, StringRef name) {
  for (auto [argument, dictionary] : llvm::zip_equal(block.getArguments(), attributes)) {
    auto known = dictionary.getAs<StringAttr>(kName);
    if (known && known.getValue() == name)
      return argument;
  }
  return {};
}

Term StepBuilder::scalar(StringRef name) {
  if (Value known = findArgument(function.front(), argumentAttributes, name))
    return Term(builder, known);
  return addArgument("", name, builder.getF64Type());
}

Term StepBuilder::integer(StringRef name) {
  if (Value known = findArgument(function.front(), argumentAttributes, name))
    return Term(builder, known);
  return addArgument("", name, builder.getI64Type());
}

Value StepBuilder::scalarValue(Term term) {
  if (!term.isLiteral())
    return term.value();
  return arith::ConstantOp::create(builder, builder.getF64FloatAttr(term.literal()));
}

std::pair<Term, Term> StepBuilder::momentum(Term gradient, Term momentum, Term mu, MomentumForm form, bool nesterov) {
  Type x = gradient.tensorType().clone(builder.getF32Type());
  auto op = MomentumOp::create(builder, x, momentum.type(), gradient.value(), momentum.value(), scalarValue(mu), form,
                               nesterov);
  return {Term(builder, op.getX()), Term(builder, op.getNewMomentum())};
}

Orthogonalized StepBuilder::orthogonalize(Term x, const OrthogonalizeSpec &spec) {
  MLIRContext *context = builder.getContext();
  auto form = spec.form ? FormAttr::get(context, *spec.form) : FormAttr();
  auto rows = [&](const std::optional<std::vector<int64_t>> &given) {
    return given ? builder.getDenseI64ArrayAttr(*given) : DenseI64ArrayAttr();
  };
  auto operands = spec.operands ? TypeAttr::get(spec.operands) : TypeAttr();
  int64_t rank = x.tensorType().getRank();
  Type metric = RankedTensorType::get(x.tensorType().getShape().drop_back(2), builder.getF32Type());
  SmallVector<Type> metrics(spec.earlyStop ? 2 : 0, metric);
  auto op = OrthogonalizeOp::create(builder, x.type(), metrics, x.value(), toAttribute(context, spec.table),
                                    NormAttr::get(context, spec.norm), builder.getF64FloatAttr(spec.eps),
                                    EpsFormAttr::get(context, spec.epsForm), builder.getF64FloatAttr(spec.safety),
                                    builder.getF64FloatAttr(spec.damping), AccuracyAttr::get(context, spec.accuracy),
                                    operands, form, /*side=*/SideAttr(), rows(spec.restarts), rows(spec.pairs),
                                    spec.earlyStop ? builder.getF64FloatAttr(*spec.earlyStop) : FloatAttr());
  Orthogonalized result{Term(builder, op.getO()), {}};
  static constexpr StringLiteral names[] = {"orthogonality", "steps"};
  for (auto [name, value] : llvm::zip(names, op.getMetrics()))
    result.metrics.emplace_back(name, Term(builder, value, {rank - 2, rank - 1}));
  return result;
}

Term StepBuilder::update(Term weight, Term update, Term lr, Term wd, Decay decay, double scale) {
  auto op = UpdateOp::create(builder, weight.type(), weight.value(), update.value(), scalarValue(lr), scalarValue(wd),
                             decay, APFloat(scale));
  return Term(builder, op.getNewWeight());
}

Term StepBuilder::round(Term x, Term step, Term seed) {
  Type type = x.tensorType().clone(builder.getBF16Type());
  return Term(builder, RoundOp::create(builder, type, x.value(), step.value(), seed.value(), DenseI64ArrayAttr()));
}

Term StepBuilder::gram(Term x) {
  Side side = shortSide(x.tensorType());
  Type type = gramType(x.tensorType(), side, builder.getF32Type());
  return Term(builder, GramOp::create(builder, type, x.value(), side));
}

Term StepBuilder::apply(Term p, Term x) {
  Type type = x.tensorType().clone(builder.getF32Type());
  Side side = shortSide(x.tensorType());
  return Term(builder, ApplyOp::create(builder, type, p.value(), x.value(), side));
}

func::FuncOp StepBuilder::finish(Term newWeight, ArrayRef<Term> newStates,
                                 ArrayRef<std::pair<StringRef, Term>> metrics) {
  SmallVector<Value> results{newWeight.value()};
  SmallVector<DictionaryAttr> attributes(1 + newStates.size(), builder.getDictionaryAttr({}));
  for (const Term &state : newStates)
    results.push_back(state.value());
  for (const auto &[name, metric] : metrics) {
    results.push_back(metric.value());
    NamedAttribute named = builder.getNamedAttr(kName, builder.getStringAttr(name));
    attributes.push_back(builder.getDictionaryAttr(named));
  }
  func::ReturnOp::create(builder, results);
  TypeRange arguments = function.front().getArgumentTypes();
  function.setType(builder.getFunctionType(arguments, ValueRange(results).getTypes()));
  function.setAllArgAttrs(argumentAttributes);
  function.setAllResultAttrs(attributes);
  return function;
}

Side muon::shortSide(RankedTensorType type) {
  ArrayRef<int64_t> shape = type.getShape();
  return shape[shape.size() - 2] <= shape[shape.size() - 1] ? Side::left : Side::right;
}
