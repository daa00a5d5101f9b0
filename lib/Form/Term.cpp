//===- Term.cpp -------------------------------------------------------------------------------===//

#include "muon/Form/Term.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace muon;

namespace {

/// What operands have in common once they are aligned.
struct CommonType {
  RankedTensorType type; ///< null: scalars only
  SmallVector<int64_t> missing;
};

} // namespace

static bool isMissing(const Term &term, int64_t axis) { return llvm::is_contained(term.missing(), axis); }

/// The size of `axis` of the full index space, which the tensor must have.
static int64_t sizeOf(const Term &term, int64_t axis) {
  int64_t before = llvm::count_if(term.missing(), [&](int64_t m) { return m < axis; });
  return term.tensorType().getDimSize(axis - before);
}

/// The widest element type, at least f32, and the union of the axes.
static CommonType findCommonType(ArrayRef<Term> terms) {
  CommonType common;
  auto tensors = llvm::make_filter_range(terms, [](const Term &t) { return t.isTensor(); });
  if (tensors.empty())
    return common;
  const Term &first = *tensors.begin();
  Type element = first.getBuilder().getF32Type();
  for (const Term &term : tensors) {
    assert(term.fullRank() == first.fullRank() && "terms of different index spaces");
    if (term.tensorType().getElementTypeBitWidth() > element.getIntOrFloatBitWidth())
      element = term.tensorType().getElementType();
  }
  SmallVector<int64_t> shape;
  for (int64_t axis = 0; axis < first.fullRank(); ++axis) {
    auto holder = llvm::find_if(tensors, [&](const Term &t) { return !isMissing(t, axis); });
    if (holder == tensors.end())
      common.missing.push_back(axis);
    else
      shape.push_back(sizeOf(*holder, axis));
  }
  common.type = RankedTensorType::get(shape, element);
  return common;
}

static Value createConstant(ImplicitLocOpBuilder &b, Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attribute = b.getFloatAttr(element, value);
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    attribute = DenseElementsAttr::get(tensor, static_cast<Attribute>(attribute));
  return arith::ConstantOp::create(b, attribute);
}

static Value convertElements(ImplicitLocOpBuilder &b, Value value, Type element) {
  Type from = getElementTypeOrSelf(value.getType());
  if (from == element)
    return value;
  Type to = element;
  if (auto tensor = dyn_cast<RankedTensorType>(value.getType()))
    to = tensor.clone(element);
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(b, to, value);
  return arith::TruncFOp::create(b, to, value);
}

/// Inserts the axes that `term` lacks and `common` has.
static Value insertAxes(ImplicitLocOpBuilder &b, const Term &term, Value value, const CommonType &common) {
  SmallVector<int64_t> added;
  for (int64_t axis : term.missing()) {
    if (llvm::is_contained(common.missing, axis))
      continue;
    int64_t before = llvm::count_if(common.missing, [&](int64_t m) { return m < axis; });
    added.push_back(axis - before);
  }
  if (added.empty())
    return value;
  Value empty = tensor::EmptyOp::create(b, common.type.getShape(), getElementTypeOrSelf(value));
  return linalg::BroadcastOp::create(b, value, empty, added)->getResult(0);
}

static Value materialise(ImplicitLocOpBuilder &b, const Term &term, const CommonType &common) {
  Type type = common.type ? Type(common.type) : Type(b.getF64Type());
  if (term.isLiteral())
    return createConstant(b, type, term.literal());
  if (!common.type)
    return term.value();
  Value value = convertElements(b, term.value(), common.type.getElementType());
  if (term.isScalar())
    return tensor::SplatOp::create(b, value, common.type);
  return insertAxes(b, term, value, common);
}

static ImplicitLocOpBuilder &builderOf(ArrayRef<Term> terms) {
  auto term = llvm::find_if(terms, [](const Term &t) { return !t.isLiteral(); });
  assert(term != terms.end() && "arithmetic on literals only");
  return term->getBuilder();
}

/// Brings the operands to one type and creates Op on them.
template <typename Op> static Term create(ArrayRef<Term> operands) {
  ImplicitLocOpBuilder &b = builderOf(operands);
  CommonType common = findCommonType(operands);
  SmallVector<Value> values;
  for (const Term &operand : operands)
    values.push_back(materialise(b, operand, common));
  return Term(b, Op::create(b, values.front().getType(), values), common.missing);
}

Term muon::operator+(Term a, Term b) { return create<arith::AddFOp>({a, b}); }
Term muon::operator-(Term a, Term b) { return create<arith::SubFOp>({a, b}); }
Term muon::operator*(Term a, Term b) { return create<arith::MulFOp>({a, b}); }
Term muon::operator/(Term a, Term b) { return create<arith::DivFOp>({a, b}); }
Term muon::operator-(Term a) { return create<arith::NegFOp>({a}); }
Term muon::min(Term a, Term b) { return create<arith::MinimumFOp>({a, b}); }
Term muon::max(Term a, Term b) { return create<arith::MaximumFOp>({a, b}); }
Term muon::sqrt(Term a) { return create<math::SqrtOp>({a}); }
Term muon::abs(Term a) { return create<math::AbsFOp>({a}); }
Term muon::fma(Term a, Term b, Term c) { return create<math::FmaOp>({a, b, c}); }

Term muon::convert(Term a, Type element) {
  ImplicitLocOpBuilder &b = a.getBuilder();
  return Term(b, convertElements(b, a.value(), element), a.missing());
}

Term muon::sumOver(Term a, ArrayRef<int64_t> axes) {
  ImplicitLocOpBuilder &b = a.getBuilder();
  SmallVector<int64_t> missing(a.missing()), dimensions, shape;
  for (int64_t axis : axes) {
    assert(!isMissing(a, axis) && "an axis is summed twice");
    dimensions.push_back(axis - llvm::count_if(a.missing(), [&](int64_t m) { return m < axis; }));
    missing.push_back(axis);
  }
  llvm::sort(missing);
  for (auto [dimension, size] : llvm::enumerate(a.tensorType().getShape()))
    if (!llvm::is_contained(dimensions, int64_t(dimension)))
      shape.push_back(size);
  Type element = a.tensorType().getElementType();
  Value zero = createConstant(b, RankedTensorType::get(shape, element), 0.0);
  auto add = [](OpBuilder &body, Location location, ValueRange operands) {
    Value total = arith::AddFOp::create(body, location, operands[1], operands[0]);
    linalg::YieldOp::create(body, location, total);
  };
  auto reduce = linalg::ReduceOp::create(b, a.value(), zero, dimensions, add);
  return Term(b, reduce->getResult(0), missing);
}

Term muon::rowSum(Term a) { return sumOver(a, {a.fullRank() - 1}); }

Term muon::colSum(Term a) {
  assert(a.fullRank() > 1 && "a tensor of rank 1 has no columns to sum");
  return sumOver(a, {a.fullRank() - 2});
}

Term muon::sum(Term a) {
  int64_t rank = a.fullRank();
  return rank == 1 ? sumOver(a, {0}) : sumOver(a, {rank - 2, rank - 1});
}
