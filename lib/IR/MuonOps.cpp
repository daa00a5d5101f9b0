//===- MuonOps.cpp - verifiers of the semantic and algebra ops --------------------------------===//

#include "muon/IR/Muon.h"
#include "muon/IR/PrintNumber.h"
#include "muon/IR/StepFunction.h"

#include "muon/Polynomial/Band.h"
#include "muon/Polynomial/PairedRows.h"
#include "muon/Polynomial/TripledRows.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>

using namespace mlir;
using namespace muon;

/// To the last bit, which lists of numbers elsewhere are not: a launch that was left in a file goes on from there.
static void printCoefficients(OpAsmPrinter &printer, Operation *, DenseF64ArrayAttr numbers) {
  printer << "[";
  llvm::interleaveComma(numbers.asArrayRef(), printer, [&](double number) { printer.printFloat(APFloat(number)); });
  printer << "]";
}

static ParseResult parseCoefficients(OpAsmParser &parser, DenseF64ArrayAttr &numbers) {
  numbers = dyn_cast_or_null<DenseF64ArrayAttr>(DenseF64ArrayAttr::parse(parser, Type()));
  return success(numbers != nullptr);
}

#include "muon/IR/MuonInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "muon/IR/MuonOps.cpp.inc"

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static LogicalResult verifySameShape(Operation *op, Value value, StringRef name, Value expected,
                                     StringRef expectedName) {
  if (typeOf(value).getShape() != typeOf(expected).getShape())
    return op->emitOpError() << "expected " << name << " of " << expectedName << "'s shape " << expected.getType()
                             << ", got " << value.getType();
  return success();
}

static LogicalResult verifySameElementType(Operation *op, Value value, StringRef name, Value expected,
                                           StringRef expectedName) {
  if (typeOf(value).getElementType() != typeOf(expected).getElementType())
    return op->emitOpError() << "expected " << name << " of " << expectedName << "'s element type "
                             << typeOf(expected).getElementType() << ", got " << typeOf(value).getElementType();
  return success();
}

static LogicalResult verifyMatrix(Operation *op, Value value) {
  if (typeOf(value).getRank() < 2)
    return op->emitOpError() << "expected a tensor of rank 2 or more, got " << value.getType();
  return success();
}

RankedTensorType muon::gramType(RankedTensorType x, Side side, Type element) {
  SmallVector<int64_t> shape(x.getShape());
  int64_t size = shape[shape.size() - (side == Side::left ? 2 : 1)];
  shape[shape.size() - 2] = shape[shape.size() - 1] = size;
  return RankedTensorType::get(shape, element);
}

static LogicalResult verifySquareOf(Operation *op, Value value, StringRef name, Value x, Side side) {
  RankedTensorType expected = gramType(typeOf(x), side, typeOf(value).getElementType());
  if (value.getType() != expected)
    return op->emitOpError() << "expected " << name << " of type " << expected << " for side " << stringifySide(side)
                             << ", got " << value.getType();
  return success();
}

//===----------------------------------------------------------------------------------------------===//
// Semantic ops
//===----------------------------------------------------------------------------------------------===//

static LogicalResult verifyRestarts(OrthogonalizeOp op) {
  ArrayRef<int64_t> restarts = *op.getRestarts();
  int64_t steps = op.getTable().getRows().size();
  if (!restarts.empty() && op.getForm() != Form::gram)
    return op.emitOpError() << "restarts need form gram, got " << (op.getForm() ? stringifyForm(*op.getForm()) : "none")
                            << " and restarts [" << restarts << "]";
  for (size_t i = 0; i < restarts.size(); ++i)
    if (restarts[i] < 1 || restarts[i] >= steps || (i && restarts[i] <= restarts[i - 1]))
      return op.emitOpError() << "expected increasing restarts between 1 and " << steps - 1 << ", got " << restarts[i];
  return success();
}

/// pairs[i] goes on with the pair before it: the rows of both are evaluated as one.
static LogicalResult verifyTriple(OrthogonalizeOp op, const std::vector<Row> &rows, ArrayRef<int64_t> pairs, size_t i) {
  if (op.getNorm() == Norm::none)
    return op.emitOpError() << "three rows as one need a norm, got norm none and pairs [" << pairs << "]";
  if ((i > 1 && pairs[i - 2] == pairs[i] - 2) || !findTriple(rows, static_cast<int>(pairs[i - 1])))
    return op.emitOpError() << "three rows as one are known for the first three of keller's table, got pairs [" << pairs
                            << "]";
  return success();
}

static LogicalResult verifyPairs(OrthogonalizeOp op) {
  ArrayRef<int64_t> pairs = *op.getPairs();
  std::vector<Row> rows = toTable(op.getTable()).rows;
  if (pairs.empty())
    return success();
  if (!op.getForm() || (*op.getForm() == Form::gram && !op.getRestarts()))
    return op.emitOpError() << "pairs need form standard, or form gram with restarts, got pairs [" << pairs << "]";
  if (op.getEarlyStop())
    return op.emitOpError() << "early_stop needs every row's Gram matrix, got pairs [" << pairs << "]";
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i] < 0 || pairs[i] + 1 >= int64_t(rows.size()) || (i && pairs[i] <= pairs[i - 1]))
      return op.emitOpError() << "expected increasing pairs between 0 and " << int64_t(rows.size()) - 2 << ", got "
                              << pairs[i];
    if (i && pairs[i] == pairs[i - 1] + 1 && failed(verifyTriple(op, rows, pairs, i)))
      return failure();
    if (!canPair(rows[pairs[i]], rows[pairs[i] + 1]))
      return op.emitOpError() << "a pair needs two rows of degree 5 whose last coefficients have one sign, rows "
                              << pairs[i] << " and " << pairs[i] + 1 << " have not";
    if (op.getRestarts() && llvm::is_contained(*op.getRestarts(), pairs[i] + 1))
      return op.emitOpError() << "a restart before row " << pairs[i] + 1 << " parts the pair of row " << pairs[i];
  }
  return success();
}

/// C7: products of X as it is must neither vanish beside eps nor overflow below a norm of 2^63.
static LogicalResult verifyTrace(OrthogonalizeOp op, double eps) {
  constexpr double kLeast = 1e-12;
  if (!(eps >= kLeast))
    return op.emitOpError() << "norm trace without damping needs eps >= 1e-12, got " << printNumber(eps);
  if (op.getOperands() && op.getOperands()->isF16())
    return op.emitOpError("norm trace without damping needs operands of f32's range, got f16");
  return success();
}

/// A metric is one f32 per matrix of X.
static LogicalResult verifyEarlyStop(OrthogonalizeOp op) {
  if (std::optional<APFloat> stop = op.getEarlyStop();
      stop && !(stop->convertToDouble() > 0 && stop->convertToDouble() < 1))
    return op.emitOpError() << "expected 0 < early_stop < 1, got " << printNumber(stop->convertToDouble());
  if (op.getEarlyStop() && op.getForm() && *op.getForm() != Form::gram)
    return op.emitOpError() << "early_stop needs form gram, got " << stringifyForm(*op.getForm());
  // On the long side R has no full rank: it stays 1 and more away from every multiple of the identity.
  ArrayRef<int64_t> shape = typeOf(op.getX()).getShape();
  int64_t rows = shape.end()[-2], columns = shape.back();
  Side shortSide = rows < columns ? Side::left : Side::right;
  if (op.getEarlyStop() && rows != columns && op.getSide().value_or(shortSide) != shortSide)
    return op.emitOpError() << "early_stop needs the short side, " << stringifySide(shortSide) << ", got side "
                            << stringifySide(*op.getSide());
  size_t expected = op.getEarlyStop() ? 2 : 0;
  if (op.getMetrics().size() != expected)
    return op.emitOpError() << "expected " << expected << " metrics, got " << op.getMetrics().size();
  for (Value metric : op.getMetrics())
    if (typeOf(metric).getShape() != typeOf(op.getX()).getShape().drop_back(2))
      return op.emitOpError() << "expected metrics of one number per matrix of " << op.getX().getType() << ", got "
                              << metric.getType();
  return success();
}

/// C11: what would not compute what the op means.
static LogicalResult verifyPrecision(OrthogonalizeOp op, bool damped) {
  bool exact = op.getAccuracy() == Accuracy::exact;
  if ((exact || damped) && op.getOperands() && !op.getOperands()->isF32())
    return op.emitOpError() << "accuracy exact and damping need operands f32, got " << *op.getOperands();
  if (exact && op.getForm() && *op.getForm() != Form::standard)
    return op.emitOpError() << "accuracy exact needs form standard, got " << stringifyForm(*op.getForm());
  if (exact && op.getEarlyStop())
    return op.emitOpError("accuracy exact takes every row of its table, got early_stop");
  return success();
}

LogicalResult OrthogonalizeOp::verify() {
  if (failed(verifyMatrix(*this, getX())) || failed(verifySameShape(*this, getO(), "the result", getX(), "x"))) // C3
    return failure();
  double safety = getSafety().convertToDouble(), eps = getEps().convertToDouble(),
         damping = getDamping().convertToDouble();
  for (auto [name, value, least] :
       {std::tuple("safety", safety, 1), std::tuple("eps", eps, 0), std::tuple("damping", damping, 0)})
    if (!(value >= least) || !std::isfinite(value)) // C5
      return emitOpError() << "expected finite " << name << " >= " << least << ", got " << printNumber(value);
  if (getNorm() == Norm::none && (safety != 1.0 || eps != 0.0)) // C10
    return emitOpError() << "norm none divides by nothing: expected safety 1 and eps 0, got " << printNumber(safety)
                         << " and " << printNumber(eps);
  if (getOperands() && !isOperandType(*getOperands())) // C6
    return emitOpError() << "expected operands " << printChoices(kOperandTypes) << ", got " << *getOperands();
  bool damped = damping > 0.0;
  if (damped && getNorm() != Norm::trace) // C2
    return emitOpError() << "damping > 0 needs norm trace, got norm " << stringifyNorm(getNorm()) << " and damping "
                         << printNumber(damping);
  if (!damped && getNorm() == Norm::trace && failed(verifyTrace(*this, eps))) // C7
    return failure();
  if (damped && getForm() && (*getForm() != Form::gram || (getRestarts() && !getRestarts()->empty()))) // C2
    return emitOpError() << "damping needs form gram and no restarts, got damping " << printNumber(damping) << ", form "
                         << stringifyForm(*getForm()) << " and restarts ["
                         << getRestarts().value_or(ArrayRef<int64_t>()) << "]";
  if (failed(verifyPrecision(*this, damped))) // C11
    return failure();
  if (getRestarts() && failed(verifyRestarts(*this))) // C4
    return failure();
  if (failed(verifyEarlyStop(*this))) // C8
    return failure();
  if (getPairs() && failed(verifyPairs(*this))) // C9
    return failure();
  std::string domain = checkDomain(toTable(getTable()), 1.0 / safety); // C1
  if (!domain.empty())
    return emitOpError() << domain;
  return success();
}

LogicalResult MomentumOp::verify() {
  if (failed(verifySameShape(*this, getMomentum(), "the momentum", getGradient(), "the gradient")) || // C1
      failed(verifySameShape(*this, getX(), "x", getGradient(), "the gradient")) ||
      failed(verifySameShape(*this, getNewMomentum(), "the new momentum", getGradient(), "the gradient")))
    return failure();
  return verifySameElementType(*this, getNewMomentum(), "the new momentum", getMomentum(), "the momentum"); // C2
}

LogicalResult UpdateOp::verify() {
  if (failed(verifySameShape(*this, getUpdate(), "the update", getWeight(), "the weight")) || // C1
      failed(verifySameShape(*this, getNewWeight(), "the new weight", getWeight(), "the weight")))
    return failure();
  return verifySameElementType(*this, getNewWeight(), "the new weight", getWeight(), "the weight"); // C2
}

LogicalResult RoundOp::verify() {
  std::optional<ArrayRef<int64_t>> numbering = getNumbering();
  if (numbering && (numbering->size() != 3 || llvm::any_of(*numbering, [](int64_t n) { return n < 0; }))) // C2
    return emitOpError() << "expected a numbering of three numbers of 0 or more, got [" << *numbering << "]";
  return verifySameShape(*this, getY(), "y", getX(), "x"); // C1
}

LogicalResult DiagonalOp::verify() {
  ArrayRef<int64_t> shape = typeOf(getD()).getShape();
  if (shape.size() < 2 || shape[shape.size() - 1] != shape[shape.size() - 2]) // C1
    return emitOpError() << "expected a square result, got " << getD().getType();
  return success();
}

LogicalResult TopRowsOp::verify() {
  if (typeOf(getScore()).getRank() != 1) // C1
    return emitOpError() << "expected a score of rank 1, got " << getScore().getType();
  int64_t rows = typeOf(getScore()).getDimSize(0), count = getCount();
  if (count < 1 || count > rows) // C2
    return emitOpError() << "expected count between 1 and " << rows << ", got " << count;
  if (typeOf(getIndex()).getShape() != ArrayRef<int64_t>(count) ||
      typeOf(getPosition()).getShape() != ArrayRef<int64_t>(rows)) // C3
    return emitOpError() << "expected " << count << " indices and " << rows << " positions, got "
                         << getIndex().getType() << " and " << getPosition().getType();
  return success();
}

LogicalResult TakeRowsOp::verify() {
  if (typeOf(getX()).getRank() != 2 || typeOf(getMap()).getRank() != 1) // C1
    return emitOpError() << "expected x of rank 2 and a map of rank 1, got " << getX().getType() << " and "
                         << getMap().getType();
  SmallVector<int64_t> expected{typeOf(getMap()).getDimSize(0), typeOf(getX()).getDimSize(1)};
  if (typeOf(getY()).getShape() != ArrayRef<int64_t>(expected)) // C2
    return emitOpError() << "expected y of type " << RankedTensorType::get(expected, typeOf(getX()).getElementType())
                         << ", got " << getY().getType();
  return success();
}

bool ChooseOp::isNumber() { return typeOf(getO()).getRank() == typeOf(getConditions().front()).getRank(); }

LogicalResult ChooseOp::verify() {
  if (getConditions().empty() || getCandidates().size() != getConditions().size() + 1) // C1
    return emitOpError() << "expected a condition or more and one candidate more than conditions, got "
                         << getConditions().size() << " and " << getCandidates().size();
  for (Value candidate : getCandidates())
    if (candidate.getType() != getO().getType()) // C2
      return emitOpError() << "expected candidates of type " << getO().getType() << ", got " << candidate.getType();
  ArrayRef<int64_t> shape = typeOf(getO()).getShape();
  for (Value condition : getConditions())
    if (ArrayRef<int64_t> own = typeOf(condition).getShape();
        own != shape.take_front(own.size()) || condition.getType() != getConditions()[0].getType()) // C3
      return emitOpError() << "expected conditions of one i1 per matrix of " << getO().getType() << ", got "
                           << condition.getType();
  return success();
}

LogicalResult ProgramOp::verify() {
  llvm::StringSet<> seen;
  if (getBody().front().empty()) // C1
    return emitOpError("expected at least one muon.use");
  for (Operation &op : getBody().front()) {
    auto use = dyn_cast<UseOp>(op);
    if (!use) // C1
      return op.emitOpError("expected only muon.use in a muon.program");
    // Verified before the muon.use is: what is no list of names is refused there.
    auto parameters = dyn_cast_or_null<ArrayAttr>(use->getAttr("parameters"));
    for (StringAttr name :
         parameters ? llvm::to_vector(parameters.getAsRange<StringAttr>()) : SmallVector<StringAttr>())
      if (!seen.insert(name.getValue()).second) // C2
        return use.emitOpError() << "parameter " << name << " is named twice";
  }
  return success();
}

LogicalResult UseOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto function = symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getFunctionAttr());
  if (!function) // C1
    return emitOpError() << "expected a func.func, got " << getFunctionAttr();
  if (!isStepFunction(function)) // C1
    return emitOpError() << "expected a step function, got " << getFunctionAttr() << ", which has no weight argument";
  if (getParameters().empty()) // C2
    return emitOpError("expected at least one parameter");
  return success();
}

//===----------------------------------------------------------------------------------------------===//
// Algebra ops
//===----------------------------------------------------------------------------------------------===//

LogicalResult GramOp::verify() {
  if (failed(verifyMatrix(*this, getX()))) // C1
    return failure();
  return verifySquareOf(*this, getR(), "r", getX(), getSide()); // C2
}
bool GramOp::symmetricResult() { return true; }
Value GramOp::getA() { return getX(); }
Value GramOp::getB() { return getX(); }
bool GramOp::aIsTransposed() { return getSide() == Side::right; }
bool GramOp::bIsTransposed() { return getSide() == Side::left; }

LogicalResult SymmetricMatmulOp::verify() {
  if (failed(verifyMatrix(*this, getA())) || failed(verifySquareOf(*this, getA(), "a", getA(), Side::left)) || // C1
      failed(verifySameShape(*this, getB(), "b", getA(), "a")) ||
      failed(verifySameShape(*this, getC(), "c", getA(), "a")))
    return failure();
  return verifySameElementType(*this, getB(), "b", getA(), "a"); // C2
}
bool SymmetricMatmulOp::symmetricResult() { return true; }
bool SymmetricMatmulOp::aIsTransposed() { return false; }
bool SymmetricMatmulOp::bIsTransposed() { return false; }

LogicalResult ApplyOp::verify() {
  if (failed(verifyMatrix(*this, getX())) || failed(verifySquareOf(*this, getP(), "p", getX(), getSide())) || // C1
      failed(verifySameElementType(*this, getP(), "p", getX(), "x")))                                         // C2
    return failure();
  return verifySameShape(*this, getY(), "y", getX(), "x"); // C3
}
bool ApplyOp::symmetricResult() { return false; }
Value ApplyOp::getA() { return getSide() == Side::left ? getP() : getX(); }
Value ApplyOp::getB() { return getSide() == Side::left ? getX() : getP(); }
bool ApplyOp::aIsTransposed() { return false; }
bool ApplyOp::bIsTransposed() { return false; }
