//===- ResolveStep.cpp ------------------------------------------------------------------------===//

#include "ResolveStep.h"

#include "muon/IR/PrintNumber.h"
#include "muon/Polynomial/Emulate.h"
#include "muon/Polynomial/Minimax.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/InterleavedRange.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace mlir;
using namespace muon;

namespace {

/// The nine axes of Presets.h, as data.
struct Preset {
  StringRef name;
  Program program;
  StringRef table;
  int steps;
  double eps;
  EpsForm epsForm;
  double safety, damping;
  MomentumForm momentumForm;
  bool nesterov;
  AdjustLr adjustLr;
  Matrices matrices;
};

constexpr EpsForm add = EpsForm::add, clamp = EpsForm::clamp;
constexpr MomentumForm ema = MomentumForm::ema, sumForm = MomentumForm::sum;
constexpr Matrices batch = Matrices::batch, flatten = Matrices::flatten, flatten4d = Matrices::flatten4d;

// clang-format off
const Preset presets[] = {
    {"keller", Program::muon, "keller", 5, 1e-7, add, 1, 0, ema, true, AdjustLr::original, flatten4d},
    {"torch", Program::muon, "keller", 5, 1e-7, clamp, 1, 0, ema, true, AdjustLr::original, batch},
    {"moonlight", Program::muon, "keller", 5, 1e-7, add, 1, 0, sumForm, true, AdjustLr::matchRmsAdamw, flatten},
    // 1.02 (N + eps) is the original's 1.02 N + 1e-6.
    {"polar_express", Program::muon, "nanogpt_pe", 5, 1e-6 / 1.02, add, 1.02, 0, ema, true, AdjustLr::original, batch},
    {"inverse_root", Program::inverseRoot, "cubic", 6, 0, add, 1, 1e-6, ema, true, AdjustLr::original, batch},
    {"exact", Program::exact, "", 0, 0, add, 1, 0, ema, true, AdjustLr::original, batch},
    {"rms", Program::rms, "", 0, 1e-7, add, 1, 0, ema, true, AdjustLr::original, batch},
    {"normuon", Program::normuon, "keller", 5, 1e-7, add, 1, 0, ema, true, AdjustLr::original, flatten4d},
    {"adamuon", Program::adamuon, "keller", 5, 1e-7, add, 1, 0, ema, false, AdjustLr::none, flatten4d},
};
// clang-format on

template <typename T> struct Choice {
  StringRef name;
  T value;
};

/// The cases of one of the dialect's enums.
template <typename T> SmallVector<Choice<T>> choicesOf() {
  SmallVector<Choice<T>> choices;
  for (uint32_t i = 0; !stringifyEnum(T(i)).empty(); ++i)
    choices.push_back({stringifyEnum(T(i)), T(i)});
  return choices;
}

const Choice<WeightDecay> decays[] = {
    {"none", WeightDecay::none}, {"decoupled", WeightDecay::decoupled}, {"coupled", WeightDecay::coupled}};
const Choice<AdjustLr> adjustments[] = {{"original", AdjustLr::original},
                                        {"match_rms_adamw", AdjustLr::matchRmsAdamw},
                                        {"spectral", AdjustLr::spectral},
                                        {"none", AdjustLr::none}};

const Choice<Matrices> matricesKnown[] = {{"batch", batch}, {"flatten", flatten}, {"flatten_4d", flatten4d}};

/// The shape of W that the step function has.
std::vector<int64_t> seenAs(const std::vector<int64_t> &shape, Matrices matrices) {
  bool flat = shape.size() > 2 && (matrices == flatten || (matrices == flatten4d && shape.size() == 4));
  if (!flat)
    return shape;
  return {shape.front(), std::accumulate(shape.begin() + 1, shape.end(), int64_t(1), std::multiplies<>())};
}

/// Resolves one request; the first thing wrong is kept. It refuses what presets do not take: what muon.orthogonalize
/// does not take is known to its verifier.
class Resolver {
public:
  Resolver(MLIRContext *context, const StepOptions &options) : context(context), options(options) {}
  llvm::Expected<ResolvedStep> run();

private:
  bool fail(const Twine &message) {
    error = message.str();
    return false;
  }
  template <typename T>
  bool choose(StringRef what, const std::optional<std::string> &asked, T &value,
              ArrayRef<Choice<T>> known = choicesOf<T>());
  bool findPreset();
  bool checkShape();
  bool resolveMatrices();
  bool resolveTypes();
  bool elementType(StringRef what, StringRef name, ArrayRef<StringRef> known, Type &type);
  bool resolveMomentum();
  bool resolveScale();
  bool resolveNumbers();
  bool resolveTable();
  bool resolveRows(Table &table);
  bool resolveForm();
  bool resolveEarlyStop();
  bool checkUnused();

  MLIRContext *context;
  const StepOptions &options;
  std::string error;
  const Preset *preset = nullptr;
  std::vector<int64_t> shape; ///< of W as the step function has it
  ResolvedStep step{};
};

std::string joinNames(ArrayRef<StringRef> names) { return llvm::join(names, ", "); }

template <typename T>
bool Resolver::choose(StringRef what, const std::optional<std::string> &asked, T &value, ArrayRef<Choice<T>> known) {
  if (!asked)
    return true;
  SmallVector<StringRef> names;
  for (const Choice<T> &choice : known) {
    if (choice.name == *asked) {
      value = choice.value;
      return true;
    }
    names.push_back(choice.name);
  }
  return fail("unknown " + what + " '" + *asked + "'; known: " + joinNames(names));
}

bool Resolver::findPreset() {
  preset = llvm::find_if(presets, [&](const Preset &p) { return p.name == options.preset; });
  if (preset == std::end(presets))
    return fail("unknown preset '" + options.preset + "'; known: " + llvm::join(presetNames(), ", "));
  step.program = preset->program;
  return true;
}

bool Resolver::checkShape() {
  std::string shape;
  llvm::raw_string_ostream(shape) << "[" << llvm::interleaved(options.shape) << "]";
  for (int64_t size : options.shape)
    if (size < 1)
      return fail("expected sizes of 1 or more, got shape " + shape);
  size_t needed = step.program == Program::rms ? 1 : 2;
  if (options.shape.size() < needed)
    return fail("preset '" + options.preset + "' needs a tensor of rank " + Twine(needed) + " or more, got shape " +
                shape + (needed == 2 ? "; vectors take preset 'rms'" : ""));
  return true;
}

bool Resolver::resolveMatrices() {
  Matrices matrices = preset->matrices;
  if (!choose("matrices", options.matrices, matrices, ArrayRef(matricesKnown)))
    return false;
  shape = seenAs(options.shape, matrices);
  return true;
}

bool Resolver::elementType(StringRef what, StringRef name, ArrayRef<StringRef> known, Type &type) {
  if (!llvm::is_contained(known, name))
    return fail("unknown " + what + " dtype '" + name + "'; known: " + joinNames(known));
  type = operandTypeNamed(context, name);
  return true;
}

bool Resolver::resolveTypes() {
  Type weight, gradient, momentum;
  if (!elementType("weight", options.weight, {"f32", "bf16"}, weight) ||
      !elementType("gradient", options.gradient, {"f32", "bf16"}, gradient) ||
      !elementType("momentum", options.momentum, {"f32", "bf16"}, momentum))
    return false;
  if (options.operands && !elementType("operand", *options.operands, kOperandTypes, step.spec.operands))
    return false;
  step.weight = RankedTensorType::get(shape, weight);
  step.gradient = RankedTensorType::get(shape, gradient);
  step.momentum = RankedTensorType::get(shape, momentum);
  step.stochasticRounding = options.stochasticRounding;
  if (options.stochasticRounding && !weight.isBF16())
    return fail("stochastic rounding needs weight dtype bf16, got '" + options.weight + "'");
  bool f32Only = step.program == Program::inverseRoot || step.program == Program::exact;
  if (f32Only && step.spec.operands && !step.spec.operands.isF32())
    return fail("preset '" + options.preset + "' needs operand dtype f32, got '" + *options.operands + "'");
  return true;
}

bool Resolver::resolveMomentum() {
  step.nesterov = options.nesterov.value_or(preset->nesterov);
  step.momentumForm = preset->momentumForm;
  step.decay = WeightDecay::decoupled;
  return choose("momentum form", options.momentumForm, step.momentumForm) &&
         choose("decay", options.decay, step.decay, ArrayRef(decays));
}

bool Resolver::resolveScale() {
  AdjustLr rule = preset->adjustLr;
  if (!choose("adjust_lr", options.adjustLr, rule, ArrayRef(adjustments)))
    return false;
  bool matrix = step.program != Program::rms;
  ArrayRef<int64_t> sizes = rule == AdjustLr::original ? options.shape : shape;
  double columns = sizes.back();
  double rows = matrix ? sizes.drop_back().back() : columns;
  switch (rule) {
  case AdjustLr::original:
    step.scale = std::sqrt(std::max(1.0, rows / columns));
    break;
  case AdjustLr::matchRmsAdamw:
    step.scale = matrix ? 0.2 * std::sqrt(std::max(rows, columns)) : 0.2;
    break;
  case AdjustLr::spectral:
    step.scale = std::sqrt(rows / columns);
    break;
  case AdjustLr::none:
    step.scale = 1;
  }
  return true;
}

bool Resolver::resolveNumbers() {
  OrthogonalizeSpec &spec = step.spec;
  step.eps = spec.eps = options.eps.value_or(preset->eps);
  spec.epsForm = preset->epsForm;
  if (!choose("eps form", options.epsForm, spec.epsForm))
    return false;
  spec.safety = options.safety.value_or(preset->safety);
  spec.damping = options.damping.value_or(preset->damping);
  step.clip = options.clip;
  bool damped = step.program == Program::inverseRoot;
  spec.norm = damped ? Norm::trace : Norm::frobenius;
  if (damped && options.norm)
    return fail("preset 'inverse_root' takes no norm: its is the trace");
  SmallVector<Choice<Norm>> norms = choicesOf<Norm>();
  llvm::erase_if(norms, [](const Choice<Norm> &norm) { return norm.value == Norm::none; });
  if (!choose("norm", options.norm, spec.norm, ArrayRef(norms)))
    return false;
  if (!(spec.eps >= 0 && std::isfinite(spec.eps)))
    return fail("expected eps >= 0, got " + printNumber(spec.eps));
  if (!(options.clip >= 0 && std::isfinite(options.clip)))
    return fail("expected clip >= 0 (0 is off), got " + printNumber(options.clip));
  if (damped && !(spec.damping > 0 && std::isfinite(spec.damping)))
    return fail("preset 'inverse_root' needs damping > 0, got " + printNumber(spec.damping));
  if (!damped && options.damping)
    return fail("damping is an option of preset 'inverse_root', not of '" + options.preset + "'");
  return true;
}

/// Options that would have no effect.
bool Resolver::checkUnused() {
  bool table = options.table || !options.rows.empty() || options.steps || options.safety || options.norm;
  if (table && preset->table.empty())
    return fail("preset '" + options.preset + "' takes no table, steps, safety or norm");
  if (step.program != Program::rms)
    return true;
  if (options.epsForm)
    return fail("preset 'rms' takes no eps form: its norm is √(mean(X²) + eps²)");
  if (options.operands || options.form || options.restarts || options.pairs || !options.tile.empty())
    return fail("preset 'rms' takes no operands, form, restarts, pairs or tile: it has no products");
  if (options.matrices)
    return fail("preset 'rms' takes no matrices: its mean is over the whole tensor");
  return true;
}

bool Resolver::resolveRows(Table &table) {
  table = Table{"custom", options.rows};
  // A trailing zero would cost a product.
  for (Row &row : table.rows)
    while (row.c.size() > 2 && row.c.back() == 0)
      row.c.pop_back();
  error = checkRows(table);
  if (!error.empty())
    return false;
  int own = table.steps(), asked = options.steps.value_or(own);
  if (asked < 1 || (own > 1 && asked != own))
    return fail("table has " + Twine(own) + " rows, but " + Twine(asked) +
                " steps were asked for; a table is never cycled or cut");
  if (asked > longestTable)
    return fail("expected at most " + Twine(longestTable) + " steps, got " + Twine(asked));
  table.rows.resize(asked, table.rows.back());
  return true;
}

/// Whether the table takes [floor, 1] to 1 within f32's rounding.
bool isExact(const Table &table, double floor) {
  Band band = computeBand(table, floor);
  return band.lower >= 1 - 0x1p-24 && band.upper <= 1 + 0x1p-24;
}

/// Rows that take what is near 1 to 1, the Taylor polynomials of the sign there, by how much they cost.
const std::vector<std::vector<Row>> &polishes() {
  static const Row cubic{{1.5, -0.5}}, quintic{{1.875, -1.25, 0.375}},
      nonic{{315 / 128., -420 / 128., 378 / 128., -180 / 128., 35 / 128.}};
  static const std::vector<std::vector<Row>> all{{},
                                                 {cubic},
                                                 {quintic},
                                                 {nonic},
                                                 {cubic, cubic},
                                                 {quintic, cubic},
                                                 {nonic, cubic},
                                                 {quintic, quintic},
                                                 {nonic, quintic},
                                                 {nonic, nonic}};
  return all;
}

/// Minimax rows from below the floor, up to three of degree 5 and then of degree 9, then rows for what is near 1: the
/// cheapest that is exact. Degree 9 lifts small values most per product. All but the last minimax row have the safety
/// factor of Polar Express: without, a singular value that rounding lifts over the end of one row's interval is lifted
/// further by every later one, and diverges. And they have its cushion: plain minimax rows send some healthy singular
/// values down to the image of the floor, where rounding drowns their directions, and the result is orthogonal to 1e-7
/// but 1e-3 from the polar factor. With it, and rows of degree 9 in Chebyshev polynomials (chebyshevCoefficients), that
/// is 1e-6.
Table makeExactTable(double floor, double shortSide, double longSide) {
  // Square matrices of random numbers have singular values at the floor: what lies a little below is still served.
  constexpr double below = 1.3;
  Table best;
  double least = std::numeric_limits<double>::infinity();
  for (int quintics = 0; quintics <= 3; ++quintics) {
    std::vector<int> degrees(quintics, 5);
    for (int nonics = 1; nonics <= 10; ++nonics) {
      degrees.push_back(9);
      Table table = generateMinimax(floor / below, degrees, {.safety = 1.01, .cushion = 0.03});
      for (const std::vector<Row> &polish : polishes()) {
        Table whole = table;
        whole.rows.insert(whole.rows.end(), polish.begin(), polish.end());
        double flops = countProducts(whole, {}, shortSide, longSide);
        if (flops < least && isExact(whole, floor / below))
          best = whole, least = flops;
      }
    }
  }
  return best;
}

bool Resolver::resolveTable() {
  if (step.program == Program::rms)
    return true;
  Table &table = step.spec.table;
  if (options.table && !options.rows.empty())
    return fail("expected a table's name or its rows, got both");
  if (step.program == Program::exact) {
    auto [shortSide, longSide] = std::minmax(shape.end()[-2], shape.end()[-1]);
    table = makeExactTable(std::min(double(longSide) * 0x1p-24, 0.5), double(shortSide), double(longSide));
    step.spec.accuracy = Accuracy::exact;
  } else if (!options.rows.empty()) {
    if (!resolveRows(table))
      return false;
  } else {
    std::optional<int> steps = options.steps;
    if (!steps && !options.table)
      steps = preset->steps;
    TableOrError found = lookupTable(options.table.value_or(preset->table.str()), steps);
    if (!found)
      return fail(found.error);
    table = *found.table;
  }
  if (step.program == Program::inverseRoot && (table.steps() < 3 || table.steps() > 6))
    return fail("preset 'inverse_root' takes 3 to 6 steps, got " + Twine(table.steps()));
  return true;
}

bool Resolver::resolveForm() {
  if (step.program == Program::rms)
    return true;
  OrthogonalizeSpec &spec = step.spec;
  if (options.form) {
    Form form;
    if (!choose("form", options.form, form))
      return false;
    if (step.program == Program::exact && form != Form::standard)
      return fail("preset 'exact' needs form standard, got '" + *options.form + "'");
    if (step.program == Program::inverseRoot && form != Form::gram)
      return fail("preset 'inverse_root' needs form gram, got '" + *options.form + "'");
    spec.form = form;
  }
  spec.pairs = options.pairs;
  spec.restarts = options.restarts;
  bool restarted = options.restarts && !options.restarts->empty();
  if (restarted && (spec.form != Form::gram || step.program == Program::inverseRoot))
    return fail("restarts need form gram without damping, got preset '" + options.preset + "' with form '" +
                options.form.value_or("auto") + "'");
  return true;
}

bool Resolver::resolveEarlyStop() {
  if (!options.earlyStop)
    return true;
  if (step.program == Program::rms)
    return fail("preset 'rms' takes no early_stop: it has no table");
  if (step.spec.form == Form::standard || step.program == Program::exact)
    return fail("early_stop needs form gram, got preset '" + options.preset + "' with form 'standard'");
  step.spec.earlyStop = options.earlyStop;
  return true;
}

llvm::Expected<ResolvedStep> Resolver::run() {
  if (findPreset() && checkShape() && resolveMatrices() && resolveTypes() && resolveMomentum() && resolveScale() &&
      resolveNumbers() && checkUnused() && resolveTable() && resolveForm() && resolveEarlyStop())
    return step;
  return llvm::createStringError(error);
}

} // namespace

std::vector<int64_t> muon::matrixShape(const StepOptions &options) {
  const Preset *preset = llvm::find_if(presets, [&](const Preset &p) { return p.name == options.preset; });
  if (preset == std::end(presets))
    return options.shape;
  Matrices matrices = preset->matrices;
  for (const Choice<Matrices> &choice : matricesKnown)
    if (choice.name == options.matrices)
      matrices = choice.value;
  return seenAs(options.shape, matrices);
}

std::vector<std::string> muon::presetNames() {
  std::vector<std::string> names;
  for (const Preset &preset : presets)
    names.push_back(preset.name.str());
  return names;
}

llvm::Expected<ResolvedStep> muon::resolveStep(MLIRContext *context, const StepOptions &options) {
  return Resolver(context, options).run();
}
