//===- Recurrence.h - The iteration as the compiler emits it ------------------------*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_RECURRENCE_H
#define MUON_LIB_POLYNOMIAL_RECURRENCE_H

#include "FloatMatrix.h"

namespace muon {

/// Runs the recurrence of Emulate.h on `x` (short side = rows), already normalised, f32. What a
/// later launch reads from memory has the operand type; what an epilogue finds in the accumulator
/// is f32. Symmetric products add the inner index as `order` says, others in whole runs.
FloatMatrix runRecurrence(const Table &table, const FormChoice &choice, OperandType type, FloatMatrix x,
                          SumOrder order = plainSum);

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_RECURRENCE_H
