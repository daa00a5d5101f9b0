//===- Body.h - a kernel's scalar body in one thread ------------------------------------*- C++ -*-===//
//
// Every value of the body depends on at most: nothing but scalars (uniform), the row, or the element. Each level is cloned
// where it changes: uniform values once per block, row values once per chunk, the rest once per element.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_GPU_BODY_H
#define MUON_GPU_BODY_H

#include "Emitter.h"

#include "mlir/IR/IRMapping.h"

namespace muon::gpu {

enum class Level { uniform, row, element };

class Body {
public:
  Body(Emitter &e, KernelOp kernel) : e(e), kernel(kernel) {}

  /// Finds every value's level; an op without an instruction sequence is reported.
  mlir::LogicalResult analyse();

  /// The body argument of operand `operand` (an index into the kernel's operands).
  mlir::BlockArgument argument(unsigned operand);
  mlir::BlockArgument accumulator();
  mlir::BlockArgument scalar(unsigned i);
  mlir::BlockArgument coefficient(unsigned i);

  /// Sets an argument's value before the level it belongs to is emitted.
  void set(Value argument, Value emitted) { mapping.map(argument, emitted); }
  /// Clones the ops of one level. `row` and `column` are the element's (i32), `parameter` the value of muon.parameter.
  void emit(Level level, Value row, Value column, Value parameter);
  /// What is yielded for the i-th output, once its level is emitted.
  Value yielded(unsigned i) { return mapping.lookup(yield().getOperand(i)); }
  Level yieldedLevel(unsigned i) { return levels.lookup(yield().getOperand(i)); }
  Type yieldedType(unsigned i) { return yield().getOperand(i).getType(); }

private:
  Value emitPower(Value base, Value exponent);
  unsigned firstExtraArgument();
  YieldOp yield();

  Emitter &e;
  KernelOp kernel;
  llvm::DenseMap<Value, Level> levels;
  mlir::IRMapping mapping;
};

} // namespace muon::gpu

#endif // MUON_GPU_BODY_H
