//===- Emitter.h - the vocabulary blocks are written in -----------------------------*- C++ -*-===//
//
// Code of one thread. Positions and counts are i32, strides and addresses i64; values have the type the kernel's body
// gives them. What the whole block agrees on (sizes, strides, the tile) is uniform, and only uniform conditions guard
// barriers.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_GPU_EMITTER_H
#define MUON_GPU_EMITTER_H

#include "muon/GPU/Passes.h"

#include "mlir/IR/Builders.h"

namespace muon::gpu {

using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

constexpr int64_t kWarp = 32;

/// Builder of one function.
class Emitter {
public:
  Emitter(mlir::OpBuilder &builder, mlir::Location loc);

  mlir::OpBuilder &b;
  mlir::Location loc;
  Type i1, i8, i16, i32, i64, f16, bf16, f32, f64, generic, global, shared;

  template <typename Op, typename... Args> auto make(Args &&...args) {
    return Op::create(b, loc, std::forward<Args>(args)...);
  }
  /// An op of one result, folded where its operands are constants.
  template <typename Op, typename... Args> Value value(Args &&...args) {
    return b.createOrFold<Op>(loc, std::forward<Args>(args)...);
  }

  // Constants.
  Value integer(Type type, int64_t value);
  Value index(int64_t value) { return integer(i32, value); }
  Value constant(Type type, double value);
  Value zero(Type type);

  // Integer arithmetic, both operands of one type.
  Value add(Value a, Value c);
  Value add(Value a, int64_t c) { return c ? add(a, integer(a.getType(), c)) : a; }
  Value sub(Value a, Value c);
  Value mul(Value a, Value c);
  Value mul(Value a, int64_t c) { return mul(a, integer(a.getType(), c)); }
  Value div(Value a, Value c); ///< unsigned
  Value div(Value a, int64_t powerOfTwo);
  Value rem(Value a, int64_t powerOfTwo);
  Value exclusiveOr(Value a, Value c);
  Value exclusiveOr(Value a, int64_t c) { return exclusiveOr(a, integer(a.getType(), c)); }
  Value ceilDiv(Value a, int64_t powerOfTwo) { return div(add(a, powerOfTwo - 1), powerOfTwo); }
  Value roundUp(Value a, int64_t powerOfTwo) { return mul(ceilDiv(a, powerOfTwo), powerOfTwo); }
  Value min(Value a, Value c);
  Value max(Value a, Value c);
  Value less(Value a, Value c);
  Value equal(Value a, Value c);
  Value equal(Value a, int64_t c) { return equal(a, integer(a.getType(), c)); }
  Value both(Value a, Value c);
  Value either(Value a, Value c);
  Value negate(Value condition);
  Value select(Value condition, Value a, Value c);
  Value wide(Value i32Value); ///< to i64, unsigned
  Value narrow(Value i64Value);

  // Memory.
  Value bytes(Value pointer, Value count);
  Value bytes(Value pointer, int64_t count) { return count ? bytes(pointer, index(count)) : pointer; }
  Value load(Type type, Value pointer, unsigned alignment);
  void store(Value value, Value pointer, unsigned alignment);
  /// A word of a table in memory.
  Value field(Value pointer, int64_t byte, Type type);
  Value lane(Value vector, int64_t i);
  Value vectorOf(ArrayRef<Value> elements);
  /// The block's dynamic shared memory.
  Value sharedMemory();

  // Threads.
  void barrier();
  /// An i32 that all lanes of a warp have, from the first of them; nothing is known of it at compile time.
  Value firstLane(Value value);
  /// The value of the lane whose number differs in `distance`; f32, f64, i32.
  Value shuffle(Value value, int64_t distance);

  // Control.
  void loop(Value from, Value to, Value step, llvm::function_ref<void(Value)> body);
  SmallVector<Value> loop(Value from, Value to, Value step, ValueRange init,
                          llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body);
  void when(Value condition, llvm::function_ref<void()> then);
  SmallVector<Value> choose(mlir::TypeRange types, Value condition, llvm::function_ref<SmallVector<Value>()> then,
                            llvm::function_ref<SmallVector<Value>()> otherwise);

  // Reductions.
  Value combine(Reduction kind, Value a, Value c);
  Value identity(Reduction kind, Type type);
  /// Over the 32 lanes of a warp; every lane has the result.
  Value acrossLanes(Reduction kind, Value value);
};

/// The name of the block's dynamic shared memory.
inline constexpr llvm::StringLiteral kSharedMemory = "muon_shared";

} // namespace muon::gpu

#endif // MUON_GPU_EMITTER_H
