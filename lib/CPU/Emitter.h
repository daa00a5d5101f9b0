//===- Emitter.h - the vocabulary kernels are written in ----------------------------*- C++ -*-===//
//
// Values are scalars or vectors of exactly 16 lanes, whatever the processor: one summation order
// and one set of bits everywhere, and LLVM splits a vector into what registers there are. Memory is
// raw pointers. A half in a register is the f32 of its value; in memory, which is panels only, an f16 is f16Scale times
// that (Emulate.h).
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_CPU_EMITTER_H
#define MUON_CPU_EMITTER_H

#include "muon/CPU/Passes.h"
#include "muon/CPU/Targets.h"

#include "mlir/IR/Builders.h"

namespace muon::cpu {

using llvm::SmallVector;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using mlir::VectorType;

constexpr int64_t kLanes = 16;
constexpr int64_t kLineBytes = 64;

/// What emission asks of a processor, looked up once.
struct Machine {
  explicit Machine(TargetAttr target);
  TargetAttr target;
  bool fma, maskWords, maskHalves, roundInstructions, convertF16, addF16, dot, amx;
  int64_t lanes() const { return target.getLanes(); }
};

/// bf16 or f16: two of them, adjacent along the depth, are a word of a panel.
inline bool isHalf(Type type) { return type.isBF16() || type.isF16(); }

/// Builder of one function.
class Emitter {
public:
  Emitter(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine);

  mlir::OpBuilder &b;
  mlir::Location loc;
  const Machine &machine;
  Type i1, i8, i16, i32, i64, bf16, f16, f32, f64, ptr;

  template <typename Op, typename... Args> auto make(Args &&...args) {
    return Op::create(b, loc, std::forward<Args>(args)...);
  }
  /// An op of one result, folded where its operands are constants.
  template <typename Op, typename... Args> Value value(Args &&...args) {
    return b.createOrFold<Op>(loc, std::forward<Args>(args)...);
  }

  // Types.
  VectorType lanes(Type element) const { return VectorType::get({kLanes}, element); }
  /// The type a value of `type` has in a register.
  Type carried(Type type) const { return isHalf(type) ? f32 : type; }
  static bool isVector(Value value) { return mlir::isa<VectorType>(value.getType()); }

  // Constants.
  Value index(int64_t value);
  Value constant(Type type, double value);
  Value bits(Type integerOrVector, int64_t value);
  Value iota(Type element);
  Value zero(Type scalarOrVector);

  // Integer arithmetic on i64.
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, index(b)); }
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b) { return mul(a, index(b)); }
  Value div(Value a, int64_t b);
  Value rem(Value a, int64_t b);
  Value ceilDiv(Value a, Value b);
  Value roundUp(Value a, int64_t multiple) { return mul(div(add(a, multiple - 1), multiple), multiple); }
  Value min(Value a, Value b);
  Value less(Value a, Value b);
  Value equal(Value a, Value b);
  Value both(Value a, Value b);
  Value select(Value condition, Value a, Value b);
  /// The same i64, of whose origin LLVM knows nothing.
  Value opaque(Value value);

  // Vectors.
  Value broadcast(Value scalar);
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask);
  Value lane(Value vector, int64_t lane);
  /// Lanes below `count`.
  Value firstLanes(Value count);

  // Floating point, scalars or vectors.
  Value mulAdd(Value a, Value x, Value y);  ///< a x + y, fused where the processor can
  Value roundTo(Type half, Value f32Value); ///< to nearest even, NaN kept
  Value halfBits(Type half, Value carried); ///< of a value that is rounded already, i16
  Value fromBits(Type half, Value i16Value);
  Value asInt(Value f32Value); ///< the bits
  Value asFloat(Value i32Value);

  // Memory. Offsets and strides are in elements of `element`; alignment is that of one element.
  Value offset(Value pointer, Type element, Value index);
  Value bytes(Value pointer, Value count);
  Value loadRaw(Type type, Value pointer, unsigned alignment);
  void storeRaw(Value value, Value pointer, unsigned alignment);
  Value field(Value pointer, int64_t byte, Type type);
  /// One element, as carried.
  Value loadElement(Type dtype, Value pointer);
  void storeElement(Type dtype, Value value, Value pointer);
  /// 16 adjacent elements; with `count` only the first ones, the rest zero or left alone.
  Value loadLanes(Type dtype, Value pointer, Value count = {});
  void storeLanes(Type dtype, Value value, Value pointer, Value count = {});
  /// Asks for the cache line at `pointer`, which is going to be written.
  void prefetchToWrite(Value pointer);
  /// Stack memory of the function, 64-byte aligned.
  Value stack(int64_t bytes);

  // Control.
  void loop(Value from, Value to, Value step, llvm::function_ref<void(Value)> body);
  void loop(Value from, Value to, int64_t step, llvm::function_ref<void(Value)> body) {
    loop(from, to, index(step), body);
  }
  SmallVector<Value> loop(Value from, Value to, int64_t step, ValueRange init,
                          llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body);
  void when(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise = {});
  SmallVector<Value> choose(mlir::TypeRange types, Value condition, llvm::function_ref<SmallVector<Value>()> then,
                            llvm::function_ref<SmallVector<Value>()> otherwise);

private:
  bool maskable(Type dtype) const;
  Value roundToBf16(Value f32Value);
  Type memoryType(Type dtype) const { return isHalf(dtype) ? i16 : dtype; }
  Value widen(Type dtype, Value memory) { return isHalf(dtype) ? fromBits(dtype, memory) : memory; }
  Value narrow(Type dtype, Value carriedValue) { return isHalf(dtype) ? halfBits(dtype, carriedValue) : carriedValue; }
};

/// The f32 values' layout on the stack while a sub-tile is worked on: 16 rows of 16 lanes.
constexpr int64_t kSlabBytes = kLanes * kLanes * 4;

} // namespace muon::cpu

#endif // MUON_CPU_EMITTER_H
