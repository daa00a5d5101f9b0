//===- StepFunction.h - what the arguments of a step function say -------------------*- C++ -*-===//

#ifndef MUON_IR_STEP_FUNCTION_H
#define MUON_IR_STEP_FUNCTION_H

#include "muon/IR/Muon.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace muon {

/// Of an argument its role, none of a scalar; of an argument or a metric its name.
inline constexpr llvm::StringLiteral kArgument = "muon.arg", kName = "muon.name";
std::optional<Role> roleOf(mlir::FunctionOpInterface function, unsigned argument);
/// Null where it has none.
mlir::StringAttr nameOf(mlir::FunctionOpInterface function, unsigned argument);

/// Whether it has a weight; its body may be elsewhere.
bool isStepFunction(mlir::FunctionOpInterface function);
/// The step function's weight; null if it has none, or no body.
mlir::BlockArgument findWeight(mlir::func::FuncOp function);
/// Null if it has none, or no body.
mlir::BlockArgument findGradient(mlir::func::FuncOp function);

/// The arguments whose memory the first results take, in the order of these: the weight, then the states in argument
/// order.
llvm::SmallVector<mlir::BlockArgument> donatedArguments(mlir::func::FuncOp function);

/// Matrices of one parameter: the product of the weight's sizes but the last two, 1 without a weight.
int64_t matricesPerParameter(mlir::func::FuncOp function);

/// What the runtime's structs can count: MUON_MAX_RANK dimensions, and tiles of a group in 32 bits.
constexpr int64_t mostDimensions = 8;
/// Whether it is an element type that muon_dtype names: f32, bf16, f16, f64, i32 or i64.
bool isRuntimeType(mlir::Type element);
/// Whether `count` tensors of this shape have more than 2^40 elements.
bool hasTooManyElements(llvm::ArrayRef<int64_t> shape, int64_t count = 1);

} // namespace muon

#endif // MUON_IR_STEP_FUNCTION_H
