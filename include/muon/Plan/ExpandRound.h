//===- ExpandRound.h - stochastic rounding as integer arithmetic --------------------*- C++ -*-===//

#ifndef MUON_PLAN_EXPAND_ROUND_H
#define MUON_PLAN_EXPAND_ROUND_H

#include "mlir/IR/Builders.h"

namespace muon {

/// Emits, in a kernel body, the bf16 neighbour of the f32 `x` that muon.round asks for. The 16 random bits come from a
/// 64-bit mix (splitmix64's finaliser) of (seed, step, parameter, `element`: row * columns + column): the same wherever
/// and in whatever order the element is computed. Adding them below the kept bits carries with probability (x -
/// lower)/(upper - lower).
mlir::Value expandRound(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x, mlir::Value step, mlir::Value seed,
                        mlir::Value element);

} // namespace muon

#endif // MUON_PLAN_EXPAND_ROUND_H
