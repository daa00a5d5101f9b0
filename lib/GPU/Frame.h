//===- Frame.h - a block and what it is launched with -------------------------------*- C++ -*-===//
#ifndef MUON_GPU_FRAME_H
#define MUON_GPU_FRAME_H

#include "Body.h"
#include "Emitter.h"

namespace muon::gpu {

/// One operand of the kernel as this block sees it; strides in elements, i64.
struct Operand {
  OperandAttr attr;
  Value data, rowStride, columnStride;
  bool isIn() const { return attr.getDirection() == Direction::in; }
  bool isElement() const { return attr.getSpace() == Space::element; }
  bool isPadded() const { return attr.getLayout() == Layout::padded; }
  bool isInParts() const { return attr.isInParts(); }
  bool isReduction() const { return attr.getReduction() != Reduction::none && !isInParts(); }
  int64_t bytes() const { return attr.getDtype().getIntOrFloatBitWidth() / 8; }
  Value parts; ///< of an input in parts: how many (i32)
};

/// The launch data of one block, loaded at its start.
struct Frame {
  SmallVector<Value> sizes; ///< the launch's sizes, by SweepSize or ProductSize
  Value tile, thread;       ///< within the matrix; within the block
  Value parameter;          ///< the value of muon.parameter
  SmallVector<Operand> operands;
};

/// Emits the function of `kernel`: finds the launch, matrix and tile, returns where there is nothing to do, loads the
/// frame, emits the body's uniform values, and calls `emitBlock` for the rest.
void emitFrame(Emitter &e, KernelOp kernel, Body &body, mlir::LLVM::LLVMFuncOp function,
               llvm::function_ref<void(const Frame &)> emitBlock);

/// Address of element (row, column), each an i32 or null, of an operand with strides.
Value elementAddress(Emitter &e, const Operand &operand, Value row, Value column);

} // namespace muon::gpu

#endif // MUON_GPU_FRAME_H
