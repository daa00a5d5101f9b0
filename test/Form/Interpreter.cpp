//===- Interpreter.cpp ------------------------------------------------------------------------===//

#include "Interpreter.h"

#include "muon/IR/Muon.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <functional>
#include <numeric>

using namespace mlir;
using namespace muon;

Array::Array(std::vector<int64_t> shape, double value) : shape(std::move(shape)) {
  int64_t size = std::accumulate(this->shape.begin(), this->shape.end(), int64_t(1), std::multiplies());
  values.assign(size, value);
}

double muon::roundTo(Type element, double value) {
  if (element.isF32())
    return static_cast<float>(value);
  if (!element.isBF16() && !element.isF16())
    return value;
  // Through f32, as the hardware does: f32 arithmetic, then narrowing.
  APFloat rounded(static_cast<float>(value));
  bool losesInfo;
  rounded.convert(cast<FloatType>(element).getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
  rounded.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return rounded.convertToDouble();
}

namespace {

using Operands = ArrayRef<double>;

double propagatingMin(double a, double b) { return a != a || b != b ? NAN : std::min(a, b); }
double propagatingMax(double a, double b) { return a != a || b != b ? NAN : std::max(a, b); }

bool compare(arith::CmpFPredicate predicate, double a, double b) {
  switch (predicate) {
  case arith::CmpFPredicate::OEQ:
    return a == b;
  case arith::CmpFPredicate::OGT:
    return a > b;
  case arith::CmpFPredicate::OGE:
    return a >= b;
  case arith::CmpFPredicate::OLT:
    return a < b;
  case arith::CmpFPredicate::OLE:
    return a <= b;
  case arith::CmpFPredicate::UNE:
    return !(a == b);
  case arith::CmpFPredicate::UNO:
    return a != a || b != b;
  default:
    llvm::report_fatal_error("the interpreter does not know this comparison");
  }
}

/// The op on one element of each operand, or nothing if it is not elementwise.
std::function<double(Operands)> elementFunction(Operation *op) {
  using F = std::function<double(Operands)>;
  return TypeSwitch<Operation *, F>(op)
      .Case([](arith::AddFOp) { return F([](Operands v) { return v[0] + v[1]; }); })
      .Case([](arith::SubFOp) { return F([](Operands v) { return v[0] - v[1]; }); })
      .Case([](arith::MulFOp) { return F([](Operands v) { return v[0] * v[1]; }); })
      .Case([](arith::DivFOp) { return F([](Operands v) { return v[0] / v[1]; }); })
      .Case([](arith::AndIOp) { return F([](Operands v) { return double(v[0] && v[1]); }); })
      .Case([](arith::NegFOp) { return F([](Operands v) { return -v[0]; }); })
      .Case([](arith::MinimumFOp) { return F([](Operands v) { return propagatingMin(v[0], v[1]); }); })
      .Case([](arith::MaximumFOp) { return F([](Operands v) { return propagatingMax(v[0], v[1]); }); })
      .Case([](arith::MinNumFOp) { return F([](Operands v) { return std::fmin(v[0], v[1]); }); })
      .Case([](arith::MaxNumFOp) { return F([](Operands v) { return std::fmax(v[0], v[1]); }); })
      .Case([](arith::SelectOp) { return F([](Operands v) { return v[0] != 0 ? v[1] : v[2]; }); })
      .Case([](arith::CmpFOp cmp) {
        return F([p = cmp.getPredicate()](Operands v) { return double(compare(p, v[0], v[1])); });
      })
      .Case<arith::ExtFOp, arith::TruncFOp, arith::SIToFPOp, arith::UIToFPOp, RoundOp>(
          [](auto) { return F([](Operands v) { return v[0]; }); })
      .Case([](math::SqrtOp) { return F([](Operands v) { return std::sqrt(v[0]); }); })
      .Case([](math::RsqrtOp) { return F([](Operands v) { return 1 / std::sqrt(v[0]); }); })
      .Case([](math::AbsFOp) { return F([](Operands v) { return std::abs(v[0]); }); })
      .Case([](math::FPowIOp) { return F([](Operands v) { return std::pow(v[0], v[1]); }); })
      .Case([](math::FmaOp) { return F([](Operands v) { return std::fma(v[0], v[1], v[2]); }); })
      .Default([](Operation *) { return F(); });
}

/// The last two dimensions of each matrix of a batch.
struct Matrices {
  explicit Matrices(const Array &a) : a(a), rows(a.shape[a.shape.size() - 2]), columns(a.shape.back()) {}
  int64_t count() const { return rows * columns ? a.size() / (rows * columns) : 0; }
  double at(int64_t matrix, int64_t i, int64_t j) const { return a[(matrix * rows + i) * columns + j]; }
  const Array &a;
  int64_t rows, columns;
};

/// Row-major coordinates of element `index`.
SmallVector<int64_t> coordinates(ArrayRef<int64_t> shape, int64_t index) {
  SmallVector<int64_t> result(shape.size());
  for (size_t axis = shape.size(); axis-- > 0; index /= shape[axis])
    result[axis] = index % shape[axis];
  return result;
}

int64_t elementAt(ArrayRef<int64_t> shape, ArrayRef<int64_t> coordinates) {
  int64_t index = 0;
  for (auto [size, coordinate] : llvm::zip_equal(shape, coordinates))
    index = index * size + coordinate;
  return index;
}

class Interpreter {
public:
  explicit Interpreter(Rounding rounding) : rounding(rounding) {}
  void set(Value value, Array array);
  const Array &get(Value value) const { return known.find(value)->second; }
  LogicalResult run(Operation *op);

private:
  Array product(ProductOpInterface op);
  Array reduce(linalg::ReduceOp op);
  Array broadcast(linalg::BroadcastOp op);
  Array constant(arith::ConstantOp op);
  Array diagonal(DiagonalOp op);
  Array choose(ChooseOp op);
  LogicalResult elementwise(Operation *op);

  Rounding rounding;
  llvm::DenseMap<Value, Array> known;
};

std::vector<int64_t> shapeOf(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return tensor ? tensor.getShape().vec() : std::vector<int64_t>();
}

void Interpreter::set(Value value, Array array) {
  if (rounding == Rounding::typed)
    for (double &element : array.values)
      element = roundTo(getElementTypeOrSelf(value.getType()), element);
  known[value] = std::move(array);
}

Array Interpreter::product(ProductOpInterface op) {
  Matrices a(get(op.getA())), b(get(op.getB()));
  bool turnA = op.aIsTransposed(), turnB = op.bIsTransposed();
  Array result(shapeOf(op->getResult(0)));
  Matrices c(result);
  int64_t depth = turnA ? a.rows : a.columns;
  for (int64_t matrix = 0; matrix < c.count(); ++matrix)
    for (int64_t i = 0; i < c.rows; ++i)
      for (int64_t j = 0; j < c.columns; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < depth; ++k)
          sum += (turnA ? a.at(matrix, k, i) : a.at(matrix, i, k)) * (turnB ? b.at(matrix, j, k) : b.at(matrix, k, j));
        result[(matrix * c.rows + i) * c.columns + j] = sum;
      }
  return result;
}

Array Interpreter::reduce(linalg::ReduceOp op) {
  const Array &source = get(op.getInputs()[0]);
  Array result = get(op.getInits()[0]);
  auto combine = elementFunction(&op.getCombiner().front().front());
  for (size_t i = 0; i < source.size(); ++i) {
    SmallVector<int64_t> kept;
    for (auto [axis, coordinate] : llvm::enumerate(coordinates(source.shape, i)))
      if (!llvm::is_contained(op.getDimensions(), int64_t(axis)))
        kept.push_back(coordinate);
    double &total = result[elementAt(result.shape, kept)];
    total = combine({source[i], total});
  }
  return result;
}

Array Interpreter::broadcast(linalg::BroadcastOp op) {
  const Array &source = get(op.getInput());
  Array result(shapeOf(op->getResult(0)));
  for (size_t i = 0; i < result.size(); ++i) {
    SmallVector<int64_t> kept;
    for (auto [axis, coordinate] : llvm::enumerate(coordinates(result.shape, i)))
      if (!llvm::is_contained(op.getDimensions(), int64_t(axis)))
        kept.push_back(coordinate);
    result[i] = source[elementAt(source.shape, kept)];
  }
  return result;
}

Array Interpreter::constant(arith::ConstantOp op) {
  if (auto number = dyn_cast<FloatAttr>(op.getValue()))
    return Array::scalar(number.getValueAsDouble());
  if (auto number = dyn_cast<IntegerAttr>(op.getValue()))
    return Array::scalar(double(number.getInt()));
  Array result(shapeOf(op));
  size_t i = 0;
  for (APFloat element : cast<DenseFPElementsAttr>(op.getValue())) {
    bool losesInfo;
    element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    result[i++] = element.convertToDouble();
  }
  return result;
}

Array Interpreter::diagonal(DiagonalOp op) {
  Array result(shapeOf(op.getD()));
  Matrices matrices(result);
  for (int64_t matrix = 0; matrix < matrices.count(); ++matrix)
    for (int64_t i = 0; i < matrices.rows; ++i)
      result[(matrix * matrices.rows + i) * matrices.columns + i] = get(op.getS())[0];
  return result;
}

Array Interpreter::choose(ChooseOp op) {
  Array result = get(op.otherwise());
  size_t matrices = get(op.getConditions()[0]).size(), elements = result.size() / matrices;
  for (size_t matrix = 0; matrix < matrices; ++matrix)
    for (size_t i = op.getConditions().size(); i-- > 0;) {
      const Array &candidate = get(op.getCandidates()[i]);
      for (size_t k = matrix * elements; get(op.getConditions()[i])[matrix] && k < (matrix + 1) * elements; ++k)
        result[k] = candidate[k];
    }
  return result;
}

LogicalResult Interpreter::elementwise(Operation *op) {
  auto function = elementFunction(op);
  if (!function)
    return op->emitOpError("is unknown to the interpreter");
  Array result(shapeOf(op->getResult(0)));
  SmallVector<double> operands;
  for (size_t i = 0; i < result.size(); ++i) {
    operands.clear();
    for (Value operand : op->getOperands())
      operands.push_back(get(operand)[isa<RankedTensorType>(operand.getType()) ? i : 0]);
    result[i] = function(operands);
  }
  set(op->getResult(0), std::move(result));
  return success();
}

LogicalResult Interpreter::run(Operation *op) {
  auto reshape = [&](auto view) {
    Array result = get(view.getSrc());
    result.shape = shapeOf(view);
    set(view, std::move(result));
  };
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](ProductOpInterface product) { return set(op->getResult(0), this->product(product)), success(); })
      .Case([&](linalg::ReduceOp reduce) { return set(op->getResult(0), this->reduce(reduce)), success(); })
      .Case([&](linalg::BroadcastOp b) { return set(op->getResult(0), this->broadcast(b)), success(); })
      .Case([&](arith::ConstantOp constant) { return set(constant, this->constant(constant)), success(); })
      .Case([&](ChooseOp choose) { return set(choose, this->choose(choose)), success(); })
      .Case([&](DiagonalOp diagonal) { return set(diagonal, this->diagonal(diagonal)), success(); })
      .Case([&](tensor::EmptyOp empty) { return set(empty, Array(shapeOf(empty), NAN)), success(); })
      .Case(
          [&](tensor::SplatOp splat) { return set(splat, Array(shapeOf(splat), get(splat.getInput())[0])), success(); })
      .Case([&](tensor::ExpandShapeOp view) { return reshape(view), success(); })
      .Case([&](tensor::CollapseShapeOp view) { return reshape(view), success(); })
      .Default([&](Operation *) { return elementwise(op); });
}

} // namespace

FailureOr<std::vector<Array>> muon::interpret(func::FuncOp function, const std::vector<Array> &arguments,
                                              Rounding rounding) {
  if (arguments.size() != function.getNumArguments())
    return function.emitError() << "expected " << function.getNumArguments() << " arguments, got " << arguments.size();
  Interpreter interpreter(rounding);
  for (auto [argument, array] : llvm::zip_equal(function.getArguments(), arguments)) {
    if (shapeOf(argument) != array.shape)
      return function.emitError() << "expected argument " << argument.getArgNumber() << " of type "
                                  << argument.getType();
    interpreter.set(argument, array);
  }
  for (Operation &op : function.front().without_terminator())
    if (failed(interpreter.run(&op)))
      return failure();
  std::vector<Array> results;
  for (Value result : function.front().getTerminator()->getOperands())
    results.push_back(interpreter.get(result));
  return results;
}
