//===- Presets.cpp - the presets' programs ----------------------------------------------------===//

#include "muon/Form/Presets.h"
#include "ResolveStep.h"
#include "muon/Form/StepBuilder.h"
#include "muon/IR/DiscardableAttributes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace muon;

namespace {

/// What every program begins and ends with.
class PresetStep {
public:
  PresetStep(ModuleOp module, StringRef name, const ResolvedStep &options)
      : options(options), step(module, name), w(step.weight(options.weight)), g(step.gradient(options.gradient)),
        m(step.state("momentum", options.momentum)) {}

  func::FuncOp build();

private:
  func::FuncOp buildMuon();
  func::FuncOp buildRms();
  func::FuncOp buildNormuon();
  func::FuncOp buildAdamuon();

  void addScalars();
  std::pair<Term, Term> momentum();
  Term clipped(Term u);
  Term newWeight(Term u);
  Term squares(Term x) {
    Term wide = convert(x, step.getBuilder().getF64Type());
    return wide * wide;
  }
  Term toF32(Term x) { return convert(x, step.getBuilder().getF32Type()); }
  Term sign(Term x);
  Term residual(Term o);

  const ResolvedStep &options;
  StepBuilder step;
  Term w, g, m, lr = 0, wd = 0, mu = 0;
};

void PresetStep::addScalars() {
  lr = step.scalar("lr");
  if (options.decay != WeightDecay::none)
    wd = step.scalar("wd");
  mu = step.scalar("mu");
}

std::pair<Term, Term> PresetStep::momentum() {
  Term gradient = options.decay == WeightDecay::coupled ? fma(wd, w, g) : g;
  return step.momentum(gradient, m, mu, options.momentumForm, options.nesterov);
}

/// U min(1, clip/(scale ‖U‖_F)).
Term PresetStep::clipped(Term u) {
  if (options.clip == 0)
    return u;
  Term factor = min(options.clip / options.scale / sqrt(sum(squares(u))), 1.0);
  return u * toF32(factor);
}

Term PresetStep::newWeight(Term u) {
  Decay decay = options.decay == WeightDecay::decoupled ? Decay::decoupled : Decay::none;
  u = clipped(u);
  if (!options.stochasticRounding)
    return step.update(w, u, lr, wd, decay, options.scale);
  Term exact = step.update(toF32(w), u, lr, wd, decay, options.scale);
  return step.round(exact, step.integer("step"), step.integer("seed"));
}

/// ‖O OᵀO - O‖_F / ‖O‖_F per matrix, 0 for a zero matrix.
Term PresetStep::residual(Term o) {
  Term difference = step.apply(step.gram(o), o) - o;
  Term size = max(sum(squares(o)), 0x1p-1000);
  return toF32(sqrt(sum(squares(difference)) / size));
}

func::FuncOp PresetStep::buildMuon() {
  addScalars();
  auto [x, m1] = momentum();
  auto [o, metrics] = step.orthogonalize(x, options.spec);
  if (options.program == Program::exact)
    metrics.emplace_back("residual", residual(o));
  Term w1 = newWeight(o);
  return step.finish(w1, {m1}, metrics);
}

func::FuncOp PresetStep::buildRms() {
  addScalars();
  auto [x, m1] = momentum();
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, options.weight.getRank()));
  Term mean = sumOver(squares(x), axes) * (1.0 / double(options.weight.getNumElements()));
  // At most 2^126: 0 and not 0/0 for a zero tensor with eps 0.
  Term inverse = min(1.0 / sqrt(mean + options.eps * options.eps), 0x1p126);
  Term w1 = newWeight(x * toF32(inverse));
  return step.finish(w1, {m1});
}

func::FuncOp PresetStep::buildNormuon() {
  int64_t last = options.weight.getRank() - 1;
  auto rows = RankedTensorType::get(options.weight.getShape().drop_back(), step.getBuilder().getF32Type());
  Term v = step.state("second_moment", rows, {last});
  addScalars();
  Term beta2 = step.scalar("beta2");
  auto [x, m1] = momentum();
  auto [o, metrics] = step.orthogonalize(x, options.spec);
  Term q = rowSum(o * o);
  Term mean = q * (1.0 / double(options.weight.getShape().back()));
  Term v1 = fma(1.0 - beta2, mean - v, v);
  Term d = sqrt(v1) + 1e-10;
  // Row sums of (O/d)² without a second pass over O.
  Type f64 = step.getBuilder().getF64Type();
  Term total = sumOver(convert(q, f64), {last - 1});
  Term scaled = sumOver(convert(q / (d * d), f64), {last - 1});
  Term restore = sqrt(total / max(scaled, 0x1p-1000));
  Term w1 = newWeight(o / d * toF32(restore));
  return step.finish(w1, {m1, v1}, metrics);
}

Term PresetStep::sign(Term x) {
  ImplicitLocOpBuilder &b = step.getBuilder();
  Value zero = arith::ConstantOp::create(b, cast<TypedAttr>(b.getZeroAttr(x.type())));
  auto indicator = [&](arith::CmpFPredicate predicate) {
    Value holds = arith::CmpFOp::create(b, predicate, x.value(), zero);
    return Term(b, arith::UIToFPOp::create(b, x.type(), holds));
  };
  Term positive = indicator(arith::CmpFPredicate::OGT);
  return positive - indicator(arith::CmpFPredicate::OLT);
}

func::FuncOp PresetStep::buildAdamuon() {
  ArrayRef<int64_t> shape = options.weight.getShape();
  Term v = step.state("second_moment", options.momentum);
  addScalars();
  auto [x, m1] = momentum();
  auto [o, metrics] = step.orthogonalize(sign(x), options.spec);
  Term v1 = fma(1.0 - mu, o * o - v, v);
  Term u = o / (sqrt(v1) + 1e-8);
  double size = 0.2 * std::sqrt(double(shape[shape.size() - 2]) * double(shape.back()));
  // At most 2^126: finite in f32, and 0 for a zero matrix.
  Term restore = min(size / sqrt(sum(squares(u))), 0x1p126);
  Term w1 = newWeight(u * toF32(restore));
  return step.finish(w1, {m1, convert(v1, options.momentum.getElementType())}, metrics);
}

func::FuncOp PresetStep::build() {
  switch (options.program) {
  case Program::rms:
    return buildRms();
  case Program::normuon:
    return buildNormuon();
  case Program::adamuon:
    return buildAdamuon();
  case Program::muon:
  case Program::inverseRoot:
  case Program::exact:
    return buildMuon();
  }
  llvm_unreachable("every program is built above");
}

} // namespace

/// The first thing that a verifier says, without the op, which nobody wrote; empty where all is well.
static std::string whyInvalid(func::FuncOp function) {
  std::string first;
  ScopedDiagnosticHandler handler(function.getContext(), [&](Diagnostic &diagnostic) {
    if (first.empty())
      first = diagnostic.str();
  });
  (void)verify(function);
  auto [op, why] = StringRef(first).split(" op ");
  return (op.starts_with("'muon.") ? why : StringRef(first)).str();
}

llvm::Expected<func::FuncOp> muon::buildStep(ModuleOp module, StringRef name, const StepOptions &options) {
  llvm::Expected<ResolvedStep> resolved = resolveStep(module.getContext(), options);
  if (!resolved)
    return resolved.takeError();
  func::FuncOp function = PresetStep(module, name, *resolved).build();
  std::string error = whyInvalid(function);
  if (error.empty()) {
    if (resolved->weight.getShape() != ArrayRef(options.shape))
      function->setAttr(kFlattenedFrom, DenseI64ArrayAttr::get(module.getContext(), options.shape));
    return function;
  }
  function.erase();
  return llvm::createStringError(error);
}
