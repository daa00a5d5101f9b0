//===- Passes.h - kernels to LLVM dialect -------------------------------------------*- C++ -*-===//
#ifndef MUON_CPU_PASSES_H
#define MUON_CPU_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace muon {

/// Kernels of a module to the llvm dialect. The module holds the kernels of ONE target: a single
/// muon.variant, or the target of its `muon.request`. What is left beside llvm functions are the
/// variant (description data) and the step functions; muon::translate ignores both.
void buildCpuPipeline(mlir::OpPassManager &pm);

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "muon/CPU/Passes.h.inc"

} // namespace muon

#endif // MUON_CPU_PASSES_H
