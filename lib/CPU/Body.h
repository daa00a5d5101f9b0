//===- Body.h - a kernel's scalar body at 16 lanes ------------------------------------*- C++
//-*-===//
//
// Every value of the body depends on at most: nothing but scalars (uniform), the row, or the
// element. Each level is emitted once where it changes: uniform values at function entry, row
// values once per row, both as scalars; only what differs between columns becomes a vector.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_CPU_BODY_H
#define MUON_CPU_BODY_H

#include "Emitter.h"

namespace muon::cpu {

enum class Level { uniform, row, element };

class Body {
public:
  Body(Emitter &e, KernelOp kernel) : e(e), kernel(kernel) {}

  /// Finds every value's level; an op without an instruction sequence is reported.
  mlir::LogicalResult analyse();
  Level level(Value value) const { return levels.lookup(value); }

  /// The body argument of operand `operand` (an index into the kernel's operands).
  mlir::BlockArgument argument(unsigned operand);
  /// Argument after the operands': the accumulator of a product, then scalars, then coefficients.
  mlir::BlockArgument accumulator();
  mlir::BlockArgument scalar(unsigned i);
  mlir::BlockArgument coefficient(unsigned i);

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
  Level yieldedLevel(unsigned i);
  Type yieldedType(unsigned i);

private:
  Value operandOf(Value original, bool asVector);
  SmallVector<Value> emitOp(mlir::Operation &op, bool asVector);
  Value emitConversion(mlir::Operation &op, Value x, bool asVector);
  Value emitPower(Value base, Value exponent, bool asVector);
  SmallVector<Value> emitSame(mlir::Operation &op, ValueRange operands, bool asVector);
  unsigned firstExtraArgument();
  YieldOp yield();

  Emitter &e;
  KernelOp kernel;
  llvm::DenseMap<Value, Level> levels;
  llvm::DenseMap<Value, Value> scalars, vectors;
};

} // namespace muon::cpu

#endif // MUON_CPU_BODY_H
