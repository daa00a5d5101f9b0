//===- PresetsTest.cpp - Presets against the published algorithms -----------------------------===//
//
// The expanded programs, evaluated in float64, against float64 code of the published algorithms.
//
//===----------------------------------------------------------------------===//

#include "StepFixture.h"

#include <algorithm>
#include <cmath>
#include <optional>

using namespace mlir;
using namespace muon;
using reference::Matrix;

namespace {

const std::vector<std::vector<int64_t>> shapes = {{8, 8}, {6, 14}, {14, 6},   {13, 7},     {1, 9},
                                                  {9, 1}, {1, 1},  {3, 5, 8}, {2, 2, 7, 4}};

/// Coefficients as the program has them.
Table inSinglePrecision(Table table) {
  for (Row &row : table.rows)
    for (double &c : row.c)
      c = float(c);
  return table;
}

Table publishedTable(const char *name, int steps) { return inSinglePrecision(*lookupTable(name, steps).table); }

class PresetsTest : public StepFixture {
protected:
  /// Relative error of W' - W and M' against the reference on every matrix of the batch.
  void compare(const StepOptions &options, const reference::Step &expected, double tolerance);

  reference::Step makeStep(double scale, std::function<Matrix(const Matrix &)> direction) const {
    reference::Step step;
    step.lr = lr;
    step.wd = wd;
    step.mu = mu;
    step.scale = scale;
    step.direction = std::move(direction);
    return step;
  }
};

Array difference(const Array &a, const Array &b) {
  Array result = a;
  for (size_t i = 0; i < a.size(); ++i)
    result[i] -= b[i];
  return result;
}

void PresetsTest::compare(const StepOptions &options, const reference::Step &expected, double tolerance) {
  func::FuncOp function = expand(options);
  ASSERT_TRUE(function);
  std::vector<int64_t> shape = matrixShape(options);
  Array w = randomArray(shape, 1, 0.1), g = randomArray(shape, 2, 1e-3), m = randomArray(shape, 3, 1e-3);
  std::vector<Array> results = run(function, {w, g, m});
  std::vector<Matrix> newW, newM;
  int64_t matrices = w.size() / (shape.end()[-1] * shape.end()[-2]);
  for (int64_t i = 0; i < matrices; ++i) {
    newW.push_back(matrixOf(w, i));
    newM.push_back(matrixOf(m, i));
    reference::run(expected, newW.back(), matrixOf(g, i), newM.back());
  }
  Array expectedW = arrayOf(shape, newW), expectedM = arrayOf(shape, newM);
  EXPECT_LT(relativeError(difference(results[0], w), difference(expectedW, w)), tolerance);
  EXPECT_LT(relativeError(results[1], expectedM), 1e-14);
}

std::string describe(const StepOptions &options) {
  std::string text = options.preset + " " + options.form.value_or("auto");
  for (int64_t size : options.shape)
    text += " " + std::to_string(size);
  return text;
}

double originalScale(const std::vector<int64_t> &shape) {
  return std::sqrt(std::max(1.0, double(shape.end()[-2]) / shape.end()[-1]));
}
double rmsScale(const std::vector<int64_t> &shape) {
  return 0.2 * std::sqrt(double(std::max(shape.end()[-2], shape.end()[-1])));
}

/// The four presets that iterate a published table, on every shape, both forms.
TEST_F(PresetsTest, PublishedAlgorithms) {
  struct Case {
    const char *preset, *table;
    std::function<double(double)> norm;
    bool sumForm, matchRms;
  };
  std::vector<Case> cases = {{"keller", "jordan", [](double n) { return n + 1e-7; }, false, false},
                             {"torch", "jordan", [](double n) { return std::max(n, 1e-7); }, false, false},
                             {"moonlight", "jordan", [](double n) { return n + 1e-7; }, true, true},
                             {"polar_express", "nanogpt_pe", [](double n) { return n * 1.02 + 1e-6; }, false, false}};
  for (const Case &c : cases)
    for (const auto &shape : shapes)
      for (const char *form : {"standard", "gram"}) {
        StepOptions options;
        options.preset = c.preset;
        options.shape = shape;
        options.matrices = "batch";
        options.operands = "f32";
        options.form = form;
        options.pairs.emplace();
        SCOPED_TRACE(describe(options));
        Table table = publishedTable(c.table, 5);
        auto direction = [&](const Matrix &x) { return reference::iterate(table, (1 / c.norm(frobenius(x))) * x); };
        auto step = makeStep(c.matchRms ? rmsScale(shape) : originalScale(shape), direction);
        step.sumForm = c.sumForm;
        // The gram form's constants are products of coefficients, rounded to f32 once more.
        compare(options, step, form == std::string("standard") ? 1e-11 : 1e-5);
      }
}

/// What more than two sizes are to each preset, and that it can be overridden. Keller's factor on lr is of the last two
/// sizes, flattened or not.
TEST_F(PresetsTest, MoreThanTwoSizes) {
  using Shape = std::vector<int64_t>;
  struct Case {
    const char *preset;
    std::optional<std::string> matrices;
    Shape shape, seen;
    double scale;
  };
  double root = std::sqrt(2);
  for (const Case &c :
       {Case{"keller", {}, {5, 3, 4, 2}, {5, 24}, root}, Case{"keller", {}, {30, 2, 3, 3}, {30, 18}, 1},
        Case{"keller", {}, {5, 4, 2}, {5, 4, 2}, root}, Case{"keller", "flatten", {5, 4, 2}, {5, 8}, root},
        Case{"keller", "batch", {5, 3, 4, 2}, {5, 3, 4, 2}, root},
        Case{"keller", {}, {2, 2, 2, 4, 2}, {2, 2, 2, 4, 2}, root},
        Case{"moonlight", {}, {5, 4, 2}, {5, 8}, 0.2 * std::sqrt(8)},
        Case{"moonlight", {}, {9, 2, 2, 1}, {9, 4}, 0.2 * 3}, Case{"torch", {}, {5, 3, 4, 2}, {5, 3, 4, 2}, root},
        Case{"torch", "flatten_4d", {5, 3, 4, 2}, {5, 24}, root},
        Case{"polar_express", {}, {5, 3, 4, 2}, {5, 3, 4, 2}, root}}) {
    StepOptions options;
    options.preset = c.preset;
    options.matrices = c.matrices;
    options.shape = c.shape;
    options.operands = "f32";
    options.form = "standard";
    options.pairs.emplace();
    SCOPED_TRACE(describe(options));
    EXPECT_EQ(matrixShape(options), c.seen);
    func::FuncOp function = expand(options);
    ASSERT_TRUE(function);
    EXPECT_EQ(cast<RankedTensorType>(function.getArgument(0).getType()).getShape(), ArrayRef(c.seen));
    auto from = function->getAttrOfType<DenseI64ArrayAttr>("muon.flattened_from");
    EXPECT_EQ(bool(from), c.seen != c.shape);
    EXPECT_TRUE(!from || from.asArrayRef() == ArrayRef(c.shape));
    bool polar = std::string_view(c.preset) == "polar_express", moonlight = std::string_view(c.preset) == "moonlight";
    auto direction = [&](const Matrix &x) {
      double norm = polar ? frobenius(x) * 1.02 + 1e-6 : frobenius(x) + 1e-7;
      if (std::string_view(c.preset) == "torch")
        norm = frobenius(x);
      return reference::iterate(publishedTable(polar ? "nanogpt_pe" : "jordan", 5), (1 / norm) * x);
    };
    reference::Step step = makeStep(c.scale, direction);
    step.sumForm = moonlight;
    compare(options, step, 1e-11);
  }
}

/// In exact arithmetic a pair is its two rows, but for its coefficients, which are rounded to f32.
TEST_F(PresetsTest, PairsAreTheirRows) {
  struct Case {
    const char *form;
    std::vector<int64_t> restarts, pairs;
  };
  for (const char *preset : {"keller", "polar_express"})
    for (const Case &c :
         {Case{"standard", {}, {0, 2}}, Case{"standard", {}, {1}}, Case{"gram", {}, {1, 3}}, Case{"gram", {2}, {0, 3}}})
      for (const auto &shape : shapes) {
        StepOptions options;
        options.preset = preset;
        options.shape = shape;
        options.matrices = "batch";
        options.operands = "f32";
        options.form = c.form;
        options.restarts = c.restarts;
        options.pairs = c.pairs;
        SCOPED_TRACE(describe(options));
        bool keller = std::string_view(preset) == "keller";
        auto direction = [&](const Matrix &x) {
          double norm = keller ? frobenius(x) + 1e-7 : frobenius(x) * 1.02 + 1e-6;
          return reference::iterate(publishedTable(keller ? "jordan" : "nanogpt_pe", 5), (1 / norm) * x);
        };
        compare(options, makeStep(originalScale(shape), direction), 2e-5);
      }
}

/// A triple is its three rows to what six products can tell (TripledRows.h).
TEST_F(PresetsTest, TriplesAreNearlyTheirRows) {
  for (const char *form : {"standard", "gram"})
    for (const auto &shape : shapes) {
      StepOptions options;
      options.preset = "keller";
      options.shape = shape;
      options.matrices = "batch";
      options.operands = "f32";
      options.form = form;
      options.restarts = std::string_view(form) == "gram" ? std::vector<int64_t>{3} : std::vector<int64_t>{};
      options.pairs = {0, 1, 3};
      SCOPED_TRACE(describe(options));
      auto direction = [&](const Matrix &x) {
        return reference::iterate(publishedTable("jordan", 5), (1 / (frobenius(x) + 1e-7)) * x);
      };
      compare(options, makeStep(originalScale(shape), direction), 6e-5);
    }
}

TEST_F(PresetsTest, EveryAxisOfKeller) {
  StepOptions options;
  options.shape = {10, 6};
  options.operands = "f32";
  options.form = "standard";
  Table table = publishedTable("keller", 5);
  auto direction = [&](const Matrix &x) { return reference::iterate(table, (1 / (frobenius(x) + 1e-7)) * x); };
  for (bool nesterov : {false, true})
    for (const char *momentum : {"ema", "sum"})
      for (const char *decay : {"none", "decoupled", "coupled"})
        for (double clip : {0.0, 0.5, 100.0})
          for (const char *rule : {"original", "match_rms_adamw", "spectral", "none"}) {
            options.nesterov = nesterov;
            options.momentumForm = momentum;
            options.decay = decay;
            options.clip = clip;
            options.adjustLr = rule;
            SCOPED_TRACE(std::string(momentum) + " " + decay + " " + rule);
            auto step = makeStep(1, direction);
            step.nesterov = nesterov;
            step.sumForm = momentum == std::string("sum");
            step.coupled = decay == std::string("coupled");
            step.decoupled = decay == std::string("decoupled");
            step.clip = clip;
            if (rule == std::string("original"))
              step.scale = originalScale(options.shape);
            else if (rule == std::string("match_rms_adamw"))
              step.scale = rmsScale(options.shape);
            else if (rule == std::string("spectral"))
              step.scale = std::sqrt(10.0 / 6.0);
            compare(options, step, 1e-11);
          }
}

/// Rows of every degree, both forms: Paterson-Stockmeyer is the same polynomial.
TEST_F(PresetsTest, RowsOfEveryDegree) {
  const std::vector<Row> rows = {{{1.5, -0.5}},
                                 {{1.9, -1.3, 0.4}},
                                 {{2.0, -1.8, 0.9, -0.1}},
                                 {{2.1, -2.0, 1.0, 0.1, -0.2}},
                                 {{2.0, -2.0, 1.2, -0.3, 0.2, -0.1}},
                                 {{2.0, -2.1, 1.3, -0.3, 0.2, -0.2, 0.1}}};
  for (const Row &row : rows)
    for (const char *form : {"standard", "gram"}) {
      StepOptions options;
      options.shape = {7, 9};
      options.operands = "f32";
      options.form = form;
      options.rows = {row, rows[0], row};
      SCOPED_TRACE(std::to_string(row.degree()) + " " + form);
      Table table = inSinglePrecision(Table{"rows", options.rows});
      auto direction = [&](const Matrix &x) { return reference::iterate(table, (1 / (frobenius(x) + 1e-7)) * x); };
      compare(options, makeStep(1, direction), form == std::string("standard") ? 1e-11 : 1e-6);
    }
}

TEST_F(PresetsTest, InverseRootIsTheCoupledNewtonIteration) {
  for (const auto &shape : shapes)
    for (int steps : {3, 4, 5, 6})
      for (double damping : {1e-6, 1e-3}) {
        StepOptions options;
        options.preset = "inverse_root";
        options.shape = shape;
        options.steps = steps;
        options.damping = damping;
        SCOPED_TRACE(describe(options));
        auto direction = [&](const Matrix &x) { return reference::inverseRoot(x, damping, steps); };
        compare(options, makeStep(originalScale(shape), direction), 1e-9);
      }
}

/// Far from convergence (‖G‖² much below k·eps) the trace must hold k·eps, or it diverges.
TEST_F(PresetsTest, InverseRootOfTinyGradients) {
  StepOptions options;
  options.preset = "inverse_root";
  options.shape = {6, 8};
  func::FuncOp function = expand(options);
  Array w(options.shape), m(options.shape), g = randomArray(options.shape, 2, 1e-12);
  std::vector<Array> results = run(function, {w, g, m}, Rounding::typed);
  for (double value : results[0].values)
    EXPECT_LT(std::abs(value), 1e-6);
}

TEST_F(PresetsTest, ExactIsThePolarFactor) {
  // The classical Newton-Schulz iteration, long enough to converge for any of these matrices.
  Table newton = *lookupTable("pade", 60).table;
  auto direction = [&](const Matrix &x) { return reference::iterate(newton, (1 / frobenius(x)) * x); };
  for (const auto &shape : shapes) {
    StepOptions options;
    options.preset = "exact";
    options.shape = shape;
    SCOPED_TRACE(describe(options));
    compare(options, makeStep(originalScale(shape), direction), 1e-6);
    func::FuncOp function = expand(options);
    ASSERT_EQ(function.getNumResults(), 3u);
    EXPECT_EQ(function.getResultAttrOfType<StringAttr>(2, "muon.name"), "residual");
    Array w = randomArray(shape, 1), g = randomArray(shape, 2), m(shape);
    Array residuals = run(function, {w, g, m}, Rounding::typed)[2];
    for (double residual : residuals.values)
      EXPECT_LT(residual, 2e-6);
  }
}

/// The table of `exact` sends [floor, 1] to 1, in steps that grow slowly with the floor.
TEST_F(PresetsTest, ExactTables) {
  using Shape = std::vector<int64_t>;
  const std::pair<Shape, int> steps[] = {{{8, 8}, 9},    {{8, 128}, 8},   {{8, 768}, 7},
                                         {{8, 3072}, 6}, {{8, 11008}, 6}, {{8, 16, 24, 2}, 7}};
  for (const auto &[shape, expected] : steps) {
    StepOptions options;
    options.preset = "exact";
    options.shape = shape;
    if (shape.size() > 2)
      options.matrices = "flatten";
    SCOPED_TRACE(describe(options));
    auto choice = expand(options)->getAttrOfType<ArrayAttr>("muon.choice");
    ASSERT_TRUE(choice);
    auto entries = cast<DictionaryAttr>(choice[0]);
    EXPECT_EQ(cast<IntegerAttr>(entries.get("steps")).getInt(), expected);
    EXPECT_NEAR(cast<FloatAttr>(entries.get("lower")).getValueAsDouble(), 1, 1e-7);
    EXPECT_NEAR(cast<FloatAttr>(entries.get("upper")).getValueAsDouble(), 1, 1e-7);
  }
}

TEST_F(PresetsTest, RmsOfVectorsAndOtherTensors) {
  for (const std::vector<int64_t> &shape : {std::vector<int64_t>{7}, {1}, {4, 5}, {3, 4, 2}, {2, 3, 2, 2}}) {
    StepOptions options;
    options.preset = "rms";
    options.shape = shape;
    func::FuncOp function = expand(options);
    Array w = randomArray(shape, 1), g = randomArray(shape, 2), m = randomArray(shape, 3);
    std::vector<Array> results = run(function, {w, g, m});
    Array expected = w, x = w;
    double squares = 0;
    for (size_t i = 0; i < w.size(); ++i) {
      double next = mu * m[i] + (1 - mu) * g[i];
      x[i] = (1 - mu) * g[i] + mu * next;
      squares += x[i] * x[i];
    }
    double size = std::sqrt(squares / w.size() + 1e-14);
    for (size_t i = 0; i < w.size(); ++i)
      expected[i] = (1 - lr * wd) * w[i] - lr * x[i] / size;
    EXPECT_LT(relativeError(results[0], expected), 1e-14);
  }
}

TEST_F(PresetsTest, Normuon) {
  StepOptions options;
  options.preset = "normuon";
  options.shape = {6, 9};
  options.operands = "f32";
  options.form = "standard";
  Table table = publishedTable("keller", 5);
  Array v = randomArray({6}, 4, 0.1);
  for (double &value : v.values)
    value *= value;
  Array newV = v;
  auto direction = [&](const Matrix &x) {
    Matrix o = reference::iterate(table, (1 / (frobenius(x) + 1e-7)) * x), u = o;
    for (int i = 0; i < o.rows; ++i) {
      double mean = 0;
      for (int j = 0; j < o.columns; ++j)
        mean += o.at(i, j) * o.at(i, j) / o.columns;
      newV[i] = v[i] + 0.05 * (mean - v[i]);
      double d = std::sqrt(newV[i]) + 1e-10;
      for (int j = 0; j < o.columns; ++j)
        u.at(i, j) /= d;
    }
    return (frobenius(o) / frobenius(u)) * u;
  };
  Array w = randomArray(options.shape, 1), g = randomArray(options.shape, 2), m = randomArray(options.shape, 3);
  std::vector<Array> results = run(expand(options), {w, g, m, v});
  Matrix newW = matrixOf(w), newM = matrixOf(m);
  reference::run(makeStep(1, direction), newW, matrixOf(g), newM);
  EXPECT_LT(relativeError(results[0], arrayOf(options.shape, {newW})), 1e-8);
  EXPECT_LT(relativeError(results[1], arrayOf(options.shape, {newM})), 1e-14);
  EXPECT_LT(relativeError(results[2], newV), 1e-8);
}

TEST_F(PresetsTest, Adamuon) {
  StepOptions options;
  options.preset = "adamuon";
  options.shape = {6, 9};
  options.operands = "f32";
  options.form = "standard";
  Table table = publishedTable("keller", 5);
  Array v = randomArray(options.shape, 4, 0.1);
  for (double &value : v.values)
    value *= value;
  Array newV = v;
  auto direction = [&](const Matrix &x) {
    Matrix signs = x;
    for (double &value : signs.values)
      value = value > 0 ? 1 : value < 0 ? -1 : 0;
    Matrix u = reference::iterate(table, (1 / (frobenius(signs) + 1e-7)) * signs);
    for (size_t i = 0; i < u.values.size(); ++i) {
      double o = u.values[i];
      newV[i] = v[i] + (1 - mu) * (o * o - v[i]);
      u.values[i] = o / (std::sqrt(newV[i]) + 1e-8);
    }
    return (0.2 * std::sqrt(54.0) / frobenius(u)) * u;
  };
  Array w = randomArray(options.shape, 1), g = randomArray(options.shape, 2), m = randomArray(options.shape, 3);
  std::vector<Array> results = run(expand(options), {w, g, m, v});
  Matrix newW = matrixOf(w), newM = matrixOf(m);
  auto step = makeStep(1, direction);
  step.nesterov = false;
  reference::run(step, newW, matrixOf(g), newM);
  EXPECT_LT(relativeError(results[0], arrayOf(options.shape, {newW})), 1e-8);
  EXPECT_LT(relativeError(results[1], arrayOf(options.shape, {newM})), 1e-14);
  EXPECT_LT(relativeError(results[2], newV), 1e-8);
}

} // namespace
