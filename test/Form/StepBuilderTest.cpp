//===- StepBuilderTest.cpp - Step functions written by hand -----------------------------------===//

#include "StepFixture.h"

#include "muon/Form/StepBuilder.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <cmath>

using namespace mlir;
using namespace muon;
using reference::Matrix;

namespace {

class StepBuilderTest : public StepFixture {
protected:
  ModuleOp addModule() {
    modules.emplace_back(ModuleOp::create(UnknownLoc::get(&context)));
    return *modules.back();
  }
  RankedTensorType tensorType(ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, Float32Type::get(&context));
  }
  /// Verified, expanded, checked.
  func::FuncOp lower(func::FuncOp function) {
    PassManager manager(&context);
    buildFormPipeline(manager, {});
    auto module = function->getParentOfType<ModuleOp>();
    EXPECT_TRUE(succeeded(verify(module)) && succeeded(manager.run(module)));
    return function;
  }
};

/// W' = f(W) for a formula.
template <typename Formula> func::FuncOp buildFormula(ModuleOp module, RankedTensorType type, Formula formula) {
  StepBuilder step(module, "formula");
  Term w = step.weight(type);
  return step.finish(formula(step, w), {});
}

/// A reduction knows which axes it removed, so a square matrix is not ambiguous.
TEST_F(StepBuilderTest, BroadcastFollowsTheReducedAxes) {
  auto formula = [](StepBuilder &, Term w) { return w / rowSum(w) + colSum(w) * 2.0 - sum(w); };
  for (const std::vector<int64_t> &shape : {std::vector<int64_t>{3, 3}, {2, 3, 3}}) {
    func::FuncOp function = lower(buildFormula(addModule(), tensorType(shape), formula));
    Array w = randomArray(shape, 1), result = run(function, {w})[0];
    for (size_t matrix = 0; matrix < w.size() / 9; ++matrix) {
      Matrix a = matrixOf(w, matrix), b = matrixOf(result, matrix);
      double all = 0;
      for (double value : a.values)
        all += value;
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
          double row = a.at(i, 0) + a.at(i, 1) + a.at(i, 2);
          double column = a.at(0, j) + a.at(1, j) + a.at(2, j);
          EXPECT_NEAR(b.at(i, j), a.at(i, j) / row + column * 2 - all, 1e-9);
        }
    }
  }
}

/// Row and column vectors meet in the matrix.
TEST_F(StepBuilderTest, RowsMeetColumns) {
  auto formula = [](StepBuilder &, Term w) { return sqrt(abs(rowSum(w) * colSum(w))); };
  func::FuncOp function = lower(buildFormula(addModule(), tensorType({2, 3}), formula));
  Array w({2, 3});
  w.values = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(run(function, {w})[0].values,
            (std::vector<double>{std::sqrt(6 * 5.), std::sqrt(6 * 7.), std::sqrt(6 * 9.), std::sqrt(15 * 5.),
                                 std::sqrt(15 * 7.), std::sqrt(15 * 9.)}));
}

/// Types meet in the wider one; a scalar is formed in f64 and truncated once.
TEST_F(StepBuilderTest, TypesAndScalars) {
  ModuleOp module = addModule();
  StepBuilder step(module, "types");
  Type bf16 = BFloat16Type::get(&context);
  Term w = step.weight(RankedTensorType::get({4}, bf16));
  Term rate = step.scalar("lr");
  EXPECT_EQ(step.scalar("lr").value(), rate.value());
  Term narrow = w * w, wide = convert(w, Float64Type::get(&context)) + narrow;
  EXPECT_TRUE(narrow.tensorType().getElementType().isF32());
  EXPECT_TRUE(wide.tensorType().getElementType().isF64());
  EXPECT_TRUE((1.0 - rate * 2.0).type().isF64());
  Term w1 = max(min((1.0 - rate * rate) * w, 0.5), -0.5);
  EXPECT_TRUE(w1.tensorType().getElementType().isF32());
  func::FuncOp function = lower(step.finish(convert(w1, bf16), {}));
  Array values(std::vector<int64_t>{4});
  values.values = {0.25, 1, -1, 0};
  EXPECT_EQ(run(function, {values}, Rounding::none)[0].values,
            (std::vector<double>{0.25 * (1 - lr * lr), 0.5, -0.5, 0}));
}

/// States that lack an axis, inputs, metrics: roles and order as the dialect wants them.
TEST_F(StepBuilderTest, RolesAndResults) {
  ModuleOp module = addModule();
  StepBuilder step(module, "roles");
  Term w = step.weight(tensorType({2, 3})), g = step.gradient(tensorType({2, 3}));
  Term v = step.state("rows", tensorType({2}), {1}), s = step.input("scale", tensorType({}), {0, 1});
  Term v1 = v + rowSum(g);
  func::FuncOp function = lower(step.finish(w - g * v1 * s, {v1}, {{"total", sum(g)}}));
  EXPECT_EQ(function.getArgAttrOfType<StringAttr>(2, "muon.arg"), "state");
  EXPECT_EQ(function.getArgAttrOfType<StringAttr>(3, "muon.name"), "scale");
  EXPECT_EQ(function.getResultAttrOfType<StringAttr>(2, "muon.name"), "total");
  Array ones({2, 3}, 1.0);
  std::vector<Array> results = run(function, {ones, ones, Array(std::vector<int64_t>{2}, 1.0), Array::scalar(0.5)});
  EXPECT_EQ(results[0].values, std::vector<double>(6, -1));
  EXPECT_EQ(results[1].values, std::vector<double>(2, 4));
  EXPECT_EQ(results[2].values, std::vector<double>{6});
}

/// The divisors of the normalisers that take the first Gram matrix.
Matrix scaled(Norm norm, const Matrix &x, double safety, double eps = 0) {
  bool wide = x.rows <= x.columns;
  Matrix r = wide ? x * transpose(x) : transpose(x) * x;
  if (norm == Norm::trace)
    return (1 / (safety * (frobenius(x) + eps))) * x;
  if (norm == Norm::schatten4)
    return (1 / (safety * std::sqrt(frobenius(r)))) * x;
  Matrix d(r.rows, r.rows);
  for (int i = 0; i < r.rows; ++i) {
    double total = 0;
    for (int j = 0; j < r.rows; ++j)
      total += std::abs(r.at(i, j));
    d.at(i, i) = 1 / (safety * std::sqrt(total));
  }
  return wide ? d * x : x * d;
}

TEST_F(StepBuilderTest, NormsOfTheFirstGramMatrix) {
  Table table = *lookupTable("pade", 4).table;
  for (Norm norm : {Norm::aol, Norm::schatten4})
    for (Form form : {Form::standard, Form::gram})
      for (double safety : {1.0, 1.25})
        for (std::vector<int64_t> shape : {std::vector<int64_t>{4, 7}, {7, 4}, {1, 5}}) {
          OrthogonalizeSpec spec;
          spec.table = table;
          spec.operands = Float32Type::get(&context);
          spec.norm = norm;
          spec.form = form;
          spec.pairs.emplace(); // whose coefficients are rounded to f32
          spec.safety = safety;
          auto formula = [&](StepBuilder &step, Term w) { return step.orthogonalize(w, spec).o; };
          func::FuncOp function = lower(buildFormula(addModule(), tensorType(shape), formula));
          for (double scale : {1.0, 1e-30, 1e30}) {
            Array w = randomArray(shape, 5, scale);
            Matrix expected = reference::iterate(table, scaled(norm, matrixOf(w), safety));
            EXPECT_LT(relativeError(run(function, {w})[0], arrayOf(shape, {expected})), 1e-6);
            Array rounded = run(function, {w}, Rounding::typed)[0];
            EXPECT_LT(relativeError(rounded, arrayOf(shape, {expected})), 1e-5);
          }
          Array zero(shape);
          EXPECT_EQ(run(function, {zero}, Rounding::typed)[0].values, zero.values);
        }
}

/// Read off the first Gram matrix. Below eps, squares may vanish: eps decides there.
TEST_F(StepBuilderTest, NormFromTheTrace) {
  OrthogonalizeSpec spec;
  spec.table = *lookupTable("pade", 4).table;
  spec.operands = Float32Type::get(&context);
  spec.norm = Norm::trace;
  spec.eps = 1e-7;
  for (Form form : {Form::standard, Form::gram})
    for (std::vector<int64_t> restarts : {std::vector<int64_t>{}, {2}})
      for (std::vector<int64_t> shape : {std::vector<int64_t>{4, 7}, {7, 4}, {1, 5}}) {
        spec.form = form;
        spec.pairs.emplace();
        spec.safety = form == Form::gram ? 1.25 : 1;
        spec.restarts = form == Form::gram ? restarts : std::vector<int64_t>();
        auto formula = [&](StepBuilder &step, Term w) { return step.orthogonalize(w, spec).o; };
        func::FuncOp function = lower(buildFormula(addModule(), tensorType(shape), formula));
        for (double scale : {1.0, 1e-6, 1e-15, 1e-30, 1e15}) {
          Array w = randomArray(shape, 5, scale);
          Matrix expected = reference::iterate(spec.table, scaled(Norm::trace, matrixOf(w), spec.safety, spec.eps));
          EXPECT_LT(relativeError(run(function, {w}, Rounding::typed)[0], arrayOf(shape, {expected})), 1e-5) << scale;
        }
        Array zero(shape);
        EXPECT_EQ(run(function, {zero}, Rounding::typed)[0].values, zero.values);
      }
}

} // namespace
