//===- Body.h - a kernel's scalar body in one thread --------------------------------*- C++ -*-===//
//
// Uniform values are cloned once per block, row values once per chunk, the rest once per element.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_GPU_BODY_H
#define MUON_GPU_BODY_H

#include "Emitter.h"

#include "muon/IR/KernelBody.h"

#include "mlir/IR/IRMapping.h"

namespace muon::gpu {

using Level = KernelBody::Level;

class Body : public KernelBody {
public:
  Body(Emitter &e, KernelOp kernel) : KernelBody(kernel), e(e) {}

  /// Finds every value's level; an op without an instruction sequence is reported.
  mlir::LogicalResult analyse();

  /// Sets an argument's value before the level it belongs to is emitted.
  void set(Value argument, Value emitted) { mapping.map(argument, emitted); }
  /// Clones the ops of one level. `row` and `column` are the element's (i32), `parameter` the value of muon.parameter.
  void emit(Level level, Value row, Value column, Value parameter);
  /// Clones one op of the body.
  void emit(mlir::Operation &op, Value row, Value column, Value parameter);
  Value lookup(Value value) { return mapping.lookup(value); }
  /// What is yielded for the i-th output, once its level is emitted.
  Value yielded(unsigned i) { return mapping.lookup(yield().getOperand(i)); }
  Level yieldedLevel(unsigned i) { return level(yield().getOperand(i)); }
  Type yieldedType(unsigned i) { return yield().getOperand(i).getType(); }

private:
  Emitter &e;
  mlir::IRMapping mapping;
};

} // namespace muon::gpu

#endif // MUON_GPU_BODY_H
