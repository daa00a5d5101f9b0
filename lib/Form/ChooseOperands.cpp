//===- ChooseOperands.cpp - the operand type where none is asked ------------------------------===//

#include "ChooseOperands.h"

#include "muon/Polynomial/Band.h"
#include "muon/Polynomial/ChooseForm.h"

#include <algorithm>

using namespace mlir;
using namespace muon;

Table muon::wholeTable(OrthogonalizeOp op) {
  Table table = toTable(op.getTable());
  divideArgument(table.rows[0].c, op.getSafety().convertToDouble());
  return table;
}

OperandType muon::operandType(Type type, bool onProcessor) {
  if (type.isF32())
    return OperandType::f32;
  if (isa<FloatTF32Type>(type))
    return OperandType::tf32;
  if (type.isBF16())
    return OperandType::bf16;
  return onProcessor ? OperandType::f16Sums : OperandType::f16;
}

bool muon::carries(OperandType type, BandAttr asked) { return asked.getFloor() >= servedFloor(type); }

/// Matrices that fill a part of one register tile, where narrowing costs more than products save (`muon-bench --small`,
/// docs/benchmarks.md). Sums in f16 pad less, and gain as soon as the long side is long.
static bool isSmall(OrthogonalizeOp op, TargetAttr target) {
  constexpr int64_t kTile = 32, kLong = 256;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getX().getType()).getShape().take_back(2);
  bool padsLittle = target.getIsa() == "half" && std::max(shape[0], shape[1]) >= kLong;
  return std::min(shape[0], shape[1]) < kTile && !padsLittle;
}

/// The 16-bit type that `target` multiplies faster than f32 at this size, or none.
static Type fasterOperands(OrthogonalizeOp op, TargetAttr target) {
  Builder b(op.getContext());
  if (!target || target.isGpu())
    return b.getBF16Type();
  if (target.getIsa() == "fma" || isSmall(op, target))
    return {};
  if (target.getIsa() != "half")
    return b.getBF16Type();
  return op.getNorm() != Norm::trace && f16SumsSuffice(wholeTable(op)) ? Type(b.getF16Type()) : Type();
}

static bool serves(OrthogonalizeOp op, OperandType type, BandAttr asked) {
  if (!carries(type, asked) || !asked.isBounded())
    return carries(type, asked);
  Table table = wholeTable(op);
  Band widened = widenBand(computeBand(table, asked.getFloor()), type, table.steps());
  return asked.getLower() <= widened.lower && widened.upper <= asked.getUpper();
}

Type muon::openOperands(OrthogonalizeOp op, TargetAttr target, BandAttr asked) {
  Type f32 = Float32Type::get(op.getContext());
  if (op.getAccuracy() == Accuracy::exact || op.getDamping().convertToDouble() > 0)
    return f32;
  Type faster = fasterOperands(op, target);
  bool onProcessor = target && !target.isGpu();
  if (!faster || (asked && !serves(op, operandType(faster, onProcessor), asked)))
    return f32;
  return faster;
}
