//===- Blocks.h - the kinds of thread blocks ----------------------------------------*- C++ -*-===//
#ifndef MUON_GPU_BLOCKS_H
#define MUON_GPU_BLOCKS_H

#include "Frame.h"

namespace muon::gpu {

/// Refuses what no block of this room computes, with a diagnostic that says what.
mlir::LogicalResult checkOperands(KernelOp kernel, Body &body, TargetAttr target);

void emitSweep(Emitter &e, KernelOp kernel, Body &body, const Frame &frame);
/// Refuses a chain that one block cannot compute on this chip.
mlir::LogicalResult checkChain(KernelOp kernel, TargetAttr target);
void emitChain(Emitter &e, KernelOp kernel, Body &body, const Frame &frame);
/// Dynamic shared memory of a chain.
unsigned chainSharedBytes(KernelOp kernel);
void emitProduct(Emitter &e, KernelOp kernel, Body &body, const Frame &frame);

/// Whether a sweep's tile is whole rows: it has a result per row.
bool reducesRows(KernelOp kernel);
/// Dynamic shared memory of a sweep.
unsigned sweepSharedBytes(KernelOp kernel);

} // namespace muon::gpu

#endif // MUON_GPU_BLOCKS_H
