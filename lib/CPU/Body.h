//===- Body.h - a kernel's scalar body at 16 lanes ----------------------------------*- C++ -*-===//
//
// Uniform values are emitted at function entry, row values once per row, both as scalars; only what differs between
// columns becomes a vector.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_CPU_BODY_H
#define MUON_CPU_BODY_H

#include "Emitter.h"

#include "muon/IR/KernelBody.h"

namespace muon::cpu {

using Level = KernelBody::Level;

class Body : public KernelBody {
public:
  Body(Emitter &e, KernelOp kernel) : KernelBody(kernel), e(e) {}

  /// Finds every value's level; an op without an instruction sequence is reported.
  mlir::LogicalResult analyse();

  /// Sets an argument's value before the level it belongs to is emitted.
  void set(Value argument, Value emitted);
  /// Emits the ops of one level at the insertion point. `row` and `column` are the indices of the
  /// element (of the vector's first lane); `parameter` the value of muon.parameter.
  void emit(Level level, Value row, Value column, Value parameter);
  /// The value yielded for the i-th output, as a vector once the element level is emitted.
  Value yielded(unsigned i);
  /// The same before it is rounded to bf16, where rounding is the last thing the body does to it.
  Value unrounded(unsigned i);
  Value yieldedScalar(unsigned i);
  /// The body's own value.
  Value yieldedValue(unsigned i) { return yield().getOperand(i); }
  Level yieldedLevel(unsigned i) { return level(yieldedValue(i)); }
  Type yieldedType(unsigned i);

private:
  Value operandOf(Value original, bool asVector);
  Value emitOp(mlir::Operation &op, bool asVector);
  Value emitConversion(mlir::Operation &op, Value x, bool asVector);
  Value emitSame(mlir::Operation &op, ValueRange operands, bool asVector);

  Emitter &e;
  llvm::DenseMap<Value, Value> scalars, vectors;
};

} // namespace muon::cpu

#endif // MUON_CPU_BODY_H
