//===- KernelControl.h - control flow of emitted kernels ----------------------------*- C++ -*-===//
//
// What the emitters of CPU and GPU kernels build in the same way, on scf and arith.
//
//===-------------------------------------------------------------------------------------------------===//
#ifndef MUON_IR_KERNEL_CONTROL_H
#define MUON_IR_KERNEL_CONTROL_H

#include "mlir/IR/Builders.h"

namespace muon {

using EmitValues = llvm::function_ref<llvm::SmallVector<mlir::Value>()>;
using EmitIteration = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;

/// for (i = from; i < to; i += step): `body` gets i and the carried values, returns the next ones. The results are the
/// last.
llvm::SmallVector<mlir::Value> buildLoop(mlir::OpBuilder &b, mlir::Location loc, mlir::Value from, mlir::Value to,
                                         mlir::Value step, mlir::ValueRange init, EmitIteration body);

/// The results of `then` where the condition holds, else of `otherwise`; both return values of `types`, which may be
/// none.
llvm::SmallVector<mlir::Value> buildChoice(mlir::OpBuilder &b, mlir::Location loc, mlir::TypeRange types,
                                           mlir::Value condition, EmitValues then, EmitValues otherwise);

/// Runs `then` where the condition holds, else `otherwise`, if given.
void buildWhen(mlir::OpBuilder &b, mlir::Location loc, mlir::Value condition, llvm::function_ref<void()> then,
               llvm::function_ref<void()> otherwise = {});

/// base^exponent by repeated squaring, base a scalar or a vector, exponent one integer: no library call, and the same
/// bits everywhere.
mlir::Value buildPower(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base, mlir::Value exponent);

} // namespace muon

#endif // MUON_IR_KERNEL_CONTROL_H
