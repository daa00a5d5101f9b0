//===- MuonPlanOps.cpp - verifiers of kernels, stages and launches ----------------------------===//

#include "muon/IR/LaunchSizes.h"
#include "muon/IR/ProductTile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace muon;

/// The types the body's arguments must have, in the order the op's description gives.
static SmallVector<Type> bodyArgumentTypes(KernelOp kernel) {
  Builder builder(kernel.getContext());
  SmallVector<Type> types;
  for (unsigned i = kernel.numPanels(), e = kernel.getOperands().size(); i < e; ++i) {
    OperandAttr operand = kernel.operandAt(i);
    if (operand.getDirection() == Direction::in)
      types.push_back(operand.getReduction() == Reduction::none || operand.isInParts() ? operand.getDtype()
                                                                                       : builder.getF64Type());
  }
  if (kernel.getKind() == KernelKind::product)
    types.push_back(builder.getF32Type());
  for (bool integer : kernel.getIntegerScalars())
    types.push_back(integer ? Type(builder.getI64Type()) : Type(builder.getF64Type()));
  return types;
}

static LogicalResult verifyArguments(KernelOp kernel) { // C1
  Block &body = kernel.getBody().front();
  SmallVector<Type> expected = bodyArgumentTypes(kernel);
  size_t count = expected.size() + kernel.getNumCoefficients();
  if (body.getNumArguments() != count)
    return kernel.emitOpError() << "expected " << count << " body arguments, got " << body.getNumArguments();
  for (auto [i, type] : llvm::enumerate(expected))
    if (body.getArgument(i).getType() != type)
      return kernel.emitOpError() << "expected body argument " << i << " of type " << type << ", got "
                                  << body.getArgument(i).getType();
  for (BlockArgument coefficient : body.getArguments().drop_front(expected.size()))
    if (!coefficient.getType().isF32() && !coefficient.getType().isF64())
      return kernel.emitOpError() << "expected coefficients of type f32 or f64, got " << coefficient.getType();
  return success();
}

static LogicalResult verifyYield(KernelOp kernel) { // C1
  Block &body = kernel.getBody().front();
  auto yield = body.empty() ? nullptr : dyn_cast<YieldOp>(body.back());
  if (!yield)
    return kernel.emitOpError("expected the body to end in muon.yield");
  SmallVector<Type> expected;
  for (auto operand : kernel.getOperands().getAsRange<OperandAttr>())
    if (operand.getDirection() == Direction::out)
      expected.push_back(operand.getDtype());
  if (yield.getOperandTypes() != TypeRange(expected))
    return kernel.emitOpError() << "expected muon.yield of types (" << expected << "), got (" << yield.getOperandTypes()
                                << ")";
  return success();
}

static LogicalResult verifyChain(KernelOp kernel) { // C8
  auto products = llvm::to_vector(kernel.getBody().front().getOps<ContractOp>());
  if (kernel.getKind() != KernelKind::chain)
    return products.empty() ? success() : products.front().emitOpError("expected a kernel of kind chain around it");
  if (!kernel.getOperandType() || products.empty())
    return kernel.emitOpError("a chain needs an operand type and at least one muon.contract");
  Type kept = *kernel.getOperandType();
  if (isa<FloatTF32Type>(kept))
    kept = Float32Type::get(kernel.getContext());
  for (ContractOp product : products)
    if (product.getA().getType() != kept)
      return product.emitOpError() << "expected operands of type " << kept << ", got " << product.getA().getType();
  return success();
}

static LogicalResult verifyPanels(KernelOp kernel) { // C2
  if (kernel.getKind() == KernelKind::chain)
    return success();
  if (kernel.getKind() == KernelKind::sweep)
    return kernel.getOperandType() ? kernel.emitOpError("a sweep has no operand type") : success();
  if (!kernel.getOperandType() || kernel.getOperands().size() < 2)
    return kernel.emitOpError("a product needs an operand type and two packed operands");
  for (unsigned i = 0; i < 2; ++i)
    if (kernel.operandAt(i).getDirection() != Direction::in || kernel.operandAt(i).getLayout() == Layout::plain)
      return kernel.emitOpError() << "expected operand " << i << " to be a packed input, got " << kernel.operandAt(i);
  return success();
}

static LogicalResult verifyTile(KernelOp kernel) { // C5
  std::optional<ArrayRef<int64_t>> tile = kernel.getTile();
  if (!tile)
    return success();
  if (kernel.getKind() != KernelKind::chain)
    return kernel.getKind() == KernelKind::product && gpu::ProductTile::areValid(*tile)
               ? success()
               : kernel.emitOpError() << "expected a tile of six positive numbers on a product, got [" << *tile << "]";
  if (tile->size() != 1 || tile->front() < gpu::kPadding || tile->front() % gpu::kPadding)
    return kernel.emitOpError() << "expected a chain's tile to be one positive multiple of " << gpu::kPadding
                                << ", got [" << *tile << "]";
  return success();
}

static LogicalResult verifyGradients(KernelOp kernel) { // C6
  for (int64_t i : kernel.getGradients().value_or(ArrayRef<int64_t>())) {
    bool known = i >= kernel.numPanels() && i < static_cast<int64_t>(kernel.getOperands().size());
    OperandAttr operand = known ? kernel.operandAt(i) : OperandAttr();
    if (!operand || operand.getDirection() != Direction::in || operand.getLayout() != Layout::plain ||
        operand.getSpace() != Space::element)
      return kernel.emitOpError() << "expected gradients to be plain element inputs, got operand " << i;
  }
  return success();
}

static LogicalResult verifyParts(KernelOp kernel) { // C7
  bool product = kernel.getKind() == KernelKind::product;
  unsigned outputs = llvm::count_if(kernel.getOperands().getAsRange<OperandAttr>(),
                                    [](OperandAttr o) { return o.getDirection() == Direction::out; });
  for (auto [i, operand] : llvm::enumerate(kernel.getOperands().getAsRange<OperandAttr>())) {
    if (!operand.isInParts())
      continue;
    bool placed = operand.getDirection() == Direction::out ? product && outputs == 1 : !product;
    if (!placed || operand.getReduction() != Reduction::add || operand.getLayout() != Layout::plain ||
        !operand.getDtype().isF32())
      return kernel.emitOpError() << "expected parts to be the plain f32 output of a product, or an input of a sweep, "
                                     "to be added, got operand "
                                  << i << " " << operand;
  }
  if (kernel.numInParts() > sizes::kMostInParts)
    return kernel.emitOpError() << "expected at most " << sizes::kMostInParts << " operands in parts, got "
                                << kernel.numInParts();
  return success();
}

unsigned KernelOp::numInParts() {
  return llvm::count_if(getOperands().getAsRange<OperandAttr>(),
                        [](OperandAttr operand) { return operand.isInParts(); });
}

LogicalResult KernelOp::verify() {
  if (getIntegerScalars().size() != getScalars().size())
    return emitOpError() << "expected " << getScalars().size() << " scalar kinds, got " << getIntegerScalars().size();
  if (failed(verifyArguments(*this)) || failed(verifyYield(*this)) || failed(verifyPanels(*this)) ||
      failed(verifyTile(*this)) || failed(verifyGradients(*this)) || failed(verifyParts(*this)) ||
      failed(verifyChain(*this)))
    return failure();
  if (getSymmetric() && getKind() != KernelKind::product) // C3
    return emitOpError("symmetric needs a product");
  if (getSquare() && !getSymmetric()) // C3
    return emitOpError("square needs a symmetric product");
  for (Operation &op : getBody().front()) { // C4
    if (!isa<YieldOp, IndexOp, ParameterOp, ContractOp, arith::ConstantOp>(op) &&
        !op.hasTrait<OpTrait::Scalarizable>() && !isa<math::FPowIOp>(op))
      return op.emitOpError("is not elementwise: a kernel body holds scalar arith and math only");
    if (op.getNumResults() > 1)
      return op.emitOpError() << "expected one result in a kernel body, got " << op.getNumResults();
  }
  return success();
}

/// Checks that a container holds only ops of one kind.
template <typename Child> static LogicalResult verifyHolds(Operation *op, Region &body, StringRef child) {
  for (Operation &inner : body.front())
    if (!isa<Child>(inner))
      return inner.emitOpError() << "expected only " << child << " in a " << op->getName();
  return success();
}

LogicalResult VariantOp::verify() { return verifyHolds<StageOp>(*this, getBody(), "muon.stage"); } // C1

LogicalResult StageOp::verify() { // C1
  if (getBody().front().empty())
    return emitOpError("expected at least one muon.launch");
  return verifyHolds<LaunchOp>(*this, getBody(), "muon.launch");
}

/// On a GPU a product has one more where its k is in parts, a sweep one for each operand in parts. No more than
/// sizes::kMost: see C7 of muon.kernel.
static LogicalResult verifySizes(LaunchOp launch, KernelOp kernel) { // C5
  bool isGpu = launch->getParentOfType<VariantOp>().getTarget().isGpu();
  size_t expected = sizes::kCommon;
  if (kernel.getKind() == KernelKind::chain)
    expected = sizes::kColumns + 1;
  else if (kernel.getKind() == KernelKind::product && !isGpu)
    expected = sizes::kChunk + 1;
  else if (isGpu)
    expected += kernel.numInParts();
  if (launch.getSizes().size() != expected)
    return launch.emitOpError() << "expected " << expected << " sizes, got " << launch.getSizes().size();
  return success();
}

static LogicalResult verifyPredicate(LaunchOp launch, KernelOp kernel) { // C4
  int64_t places = launch.getPlaces().size(), predicate = launch.getPredicate();
  if (predicate < -1 || predicate >= places)
    return launch.emitOpError() << "expected a predicate of -1 to " << places - 1 << ", got " << predicate;
  if (predicate < 0)
    return success();
  OperandAttr word = kernel.operandAt(predicate);
  if (word.getDirection() != Direction::in || word.getSpace() != Space::scalar || !word.getDtype().isInteger(32))
    return launch.emitOpError() << "expected the predicate to be a scalar i32 input, got " << word;
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getFunctionAttr())) // C2
    return emitOpError() << "expected a func.func, got " << getFunctionAttr();
  Operation *symbol = symbols.lookupNearestSymbolFrom(*this, getKernelAttr());
  // A lowered kernel is a function of the same name; its launches only describe it.
  if (symbol && !isa<func::FuncOp>(symbol) && isa<FunctionOpInterface>(symbol))
    return success();
  auto kernel = dyn_cast_or_null<KernelOp>(symbol);
  if (!kernel) // C1
    return emitOpError() << "expected a muon.kernel, got " << getKernelAttr();
  if (getPlaces().size() != kernel.getOperands().size())
    return emitOpError() << "expected " << kernel.getOperands().size() << " places, got " << getPlaces().size();
  if (failed(verifyPredicate(*this, kernel)) || failed(verifySizes(*this, kernel)))
    return failure();
  if (getCoefficients().size() != kernel.getNumCoefficients())
    return emitOpError() << "expected " << kernel.getNumCoefficients() << " coefficients, got "
                         << getCoefficients().size();
  return success();
}
