//===- Frame.h - a tile function and what it is called with -------------------------*- C++ -*-===//
#ifndef MUON_CPU_FRAME_H
#define MUON_CPU_FRAME_H

#include "Body.h"
#include "Emitter.h"

namespace muon::cpu {

/// One operand of the kernel as this call sees it.
struct Operand {
  OperandAttr attr;
  Value data, rowStride, columnStride;
  bool isIn() const { return attr.getDirection() == Direction::in; }
  bool isElement() const { return attr.getSpace() == Space::element; }
  bool isPacked() const { return attr.getLayout() != Layout::plain; }
  bool isReduction() const { return attr.getReduction() != Reduction::none; }
};

/// The launch data of one call, loaded at function entry.
struct Frame {
  SmallVector<Value> sizes; ///< the launch's sizes, by SweepSize or ProductSize
  Value tile;               ///< the tile within the matrix
  Value scratch, parameter;
  SmallVector<Operand> operands;
};

/// The function of `kernel` with its body started: launch data loaded, uniform values emitted.
Frame openFrame(Emitter &e, KernelOp kernel, Body &body, mlir::LLVM::LLVMFuncOp function);

/// Address of element (row, column) of an operand with strides.
Value elementAddress(Emitter &e, const Operand &operand, Value row, Value column);

/// a combined with b as a reduction of this kind, and what leaves a value as it is.
Value combine(Emitter &e, Reduction kind, Value a, Value b);
Value identity(Emitter &e, Reduction kind, Type type);

} // namespace muon::cpu

#endif // MUON_CPU_FRAME_H
