//===- ChooseOperands.h - the operand type where none is asked ----------------------*- C++ -*-===//
#ifndef MUON_FORM_CHOOSE_OPERANDS_H
#define MUON_FORM_CHOOSE_OPERANDS_H

#include "muon/IR/Muon.h"
#include "muon/Polynomial/Emulate.h"

namespace muon {

/// The table of X / N, with what the safety factor does to its first row.
Table wholeTable(OrthogonalizeOp op);

/// How products of operands of `type` compute. A processor's sums of f16 are f16 too.
OperandType operandType(mlir::Type type, bool onProcessor);

/// Whether operands of `type` carry the singular values that the band is asked for: from the type's servedFloor on.
bool carries(OperandType type, BandAttr asked);

/// The type that products are fastest in on `target` among those that keep what was asked:
///  - f32 for accuracy exact and for damping, which need it;
///  - a 16-bit type only where products of it are faster on this target at this size;
///  - f16 only where emulation finds its sums as accurate as bf16;
///  - a 16-bit type only within the asked band: it carries the floor, and the table's band, widened by the type's
///    rounding (widenBand), lies inside.
mlir::Type openOperands(OrthogonalizeOp op, TargetAttr target, BandAttr asked);

} // namespace muon

#endif // MUON_FORM_CHOOSE_OPERANDS_H
