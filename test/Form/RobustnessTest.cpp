//===- RobustnessTest.cpp - Programs on inputs that break naive ones --------------------------===//

#include "StepFixture.h"

#include "muon/Polynomial/Emulate.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace muon;

namespace {

struct RobustnessTest : StepFixture {};

const char *const matrixPresets[] = {"keller",       "torch", "moonlight", "polar_express",
                                     "inverse_root", "exact", "normuon",   "adamuon"};

StepOptions makeOptions(const char *preset, std::vector<int64_t> shape) {
  StepOptions options;
  options.preset = preset;
  options.shape = std::move(shape);
  return options;
}

/// Zeroes for states, in their shapes.
std::vector<Array> tensorsFor(func::FuncOp function, const Array &w, const Array &g) {
  std::vector<Array> tensors = {w, g};
  for (Type type : function.getArgumentTypes().drop_front(2))
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      tensors.emplace_back(tensor.getShape().vec());
  return tensors;
}

bool allFinite(const Array &a) {
  return std::all_of(a.values.begin(), a.values.end(), [](double v) { return std::isfinite(v); });
}

double largest(const Array &a) {
  double result = 0;
  for (double value : a.values)
    result = std::max(result, std::abs(value));
  return result;
}

TEST_F(RobustnessTest, EveryScaleIsFinite) {
  std::vector<const char *> presets(std::begin(matrixPresets), std::end(matrixPresets));
  presets.push_back("rms");
  for (const char *preset : presets)
    for (std::optional<double> eps : {std::optional<double>(), std::optional<double>(0)})
      for (double scale : {0.0, 1e-45, 1e-40, 1e-30, 1.0, 1e30, 1e38}) {
        StepOptions options = makeOptions(preset, {5, 8});
        options.eps = eps;
        func::FuncOp function = expand(options);
        ASSERT_TRUE(function);
        Array g = randomArray(options.shape, 2);
        for (double &value : g.values)
          value = std::clamp(value, -1.0, 1.0) * scale;
        SCOPED_TRACE(std::string(preset) + " " + std::to_string(scale));
        for (const Array &result :
             run(function, tensorsFor(function, randomArray(options.shape, 1), g), Rounding::typed))
          EXPECT_TRUE(allFinite(result));
      }
}

/// The direction does not depend on the size of the gradient.
TEST_F(RobustnessTest, ScaleInvariance) {
  wd = 0;
  for (const char *preset : {"keller", "torch", "exact", "adamuon"}) {
    StepOptions options = makeOptions(preset, {5, 8});
    options.eps = 0;
    options.operands = "f32";
    func::FuncOp function = expand(options);
    Array w(options.shape), g = randomArray(options.shape, 2);
    Array expected = run(function, tensorsFor(function, w, g), Rounding::typed)[0];
    for (double scale : {0x1p-100, 0x1p100}) {
      Array scaled = g;
      for (double &value : scaled.values)
        value *= scale;
      Array result = run(function, tensorsFor(function, w, scaled), Rounding::typed)[0];
      EXPECT_LT(relativeError(result, expected), 1e-5) << preset << " " << scale;
    }
  }
}

TEST_F(RobustnessTest, ZeroGradientLeavesTheWeight) {
  wd = 0;
  for (const char *preset : matrixPresets) {
    StepOptions options = makeOptions(preset, {4, 6});
    options.clip = 1;
    func::FuncOp function = expand(options);
    Array w = randomArray(options.shape, 1);
    std::vector<Array> results = run(function, tensorsFor(function, w, Array(options.shape)), Rounding::typed);
    EXPECT_EQ(results[0].values, w.values) << preset;
  }
}

/// One matrix of zeros in a batch is not its neighbour's business.
TEST_F(RobustnessTest, BatchOfZeroAndNot) {
  StepOptions options = makeOptions("exact", {2, 4, 6});
  func::FuncOp function = expand(options);
  Array w = randomArray(options.shape, 1), g = randomArray(options.shape, 2);
  std::fill_n(g.values.begin(), 24, 0.0);
  std::vector<Array> results = run(function, tensorsFor(function, w, g), Rounding::typed);
  EXPECT_TRUE(allFinite(results[0]));
  EXPECT_EQ(results[2][0], 0);
  EXPECT_LT(results[2][1], 2e-6);
}

/// A non-finite gradient is not hidden by the guards.
TEST_F(RobustnessTest, NonFiniteGradientsPropagate) {
  for (const char *preset : matrixPresets)
    for (double bad : {double(NAN), std::numeric_limits<double>::infinity()}) {
      if (preset == std::string("adamuon"))
        continue; // Only signs count, and the sign of NaN is 0 as it is in torch.
      StepOptions options = makeOptions(preset, {4, 6});
      options.clip = 1;
      func::FuncOp function = expand(options);
      Array w = randomArray(options.shape, 1), g = randomArray(options.shape, 2);
      g[5] = bad;
      std::vector<Array> results = run(function, tensorsFor(function, w, g), Rounding::typed);
      EXPECT_FALSE(std::isfinite(largest(results[0])) && allFinite(results[0])) << preset;
    }
}

/// Rounded to its types, the program is as far from float64 as Polynomial's emulation said.
TEST_F(RobustnessTest, RoundingIsWhatTheEmulationSays) {
  wd = 0;
  for (const char *operands : {"f32", "bf16"})
    for (const char *form : {"standard", "gram"}) {
      StepOptions options = makeOptions("keller", {24, 32});
      options.operands = operands;
      options.form = form;
      func::FuncOp function = expand(options);
      auto choice = function->getAttrOfType<ArrayAttr>("muon.choice");
      ASSERT_TRUE(choice && choice.size() == 1);
      double expected = cast<FloatAttr>(cast<DictionaryAttr>(choice[0]).get("expected_error")).getValueAsDouble();
      Array w(options.shape), g = randomArray(options.shape, 2);
      std::vector<Array> tensors = tensorsFor(function, w, g);
      Array exact = run(function, tensors, Rounding::none)[0];
      Array rounded = run(function, tensors, Rounding::typed)[0];
      EXPECT_LT(relativeError(rounded, exact), expected) << operands << " " << form;
    }
}

/// bf16 parameters, gradients and momentum: results are bf16 numbers near the f32 ones.
TEST_F(RobustnessTest, NarrowStorage) {
  StepOptions options = makeOptions("keller", {6, 9});
  options.operands = "f32";
  Array w = randomArray(options.shape, 1), g = randomArray(options.shape, 2), m = randomArray(options.shape, 3);
  for (bool stochastic : {false, true}) {
    options.decay = stochastic ? "coupled" : "decoupled";
    options.weight = options.gradient = options.momentum = "f32";
    options.stochasticRounding = false;
    std::vector<Array> exact = run(expand(options), {w, g, m});
    options.weight = options.gradient = options.momentum = "bf16";
    options.stochasticRounding = stochastic;
    func::FuncOp function = expand(options);
    std::vector<Array> results = run(function, {w, g, m}, Rounding::typed);
    bool rounds = false;
    function.walk([&](RoundOp) { rounds = true; });
    EXPECT_EQ(rounds, stochastic);
    Type bf16 = BFloat16Type::get(&context);
    for (const Array &result : results)
      for (double value : result.values)
        EXPECT_EQ(value, roundTo(bf16, value));
    EXPECT_LT(relativeError(results[0], exact[0]), 1e-2);
    EXPECT_LT(relativeError(results[1], exact[1]), 1e-2);
  }
}

} // namespace
