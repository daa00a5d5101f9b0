//===- Emitter.cpp ----------------------------------------------------------------------------===//

#include "Emitter.h"

#include "muon/IR/KernelControl.h"
#include "muon/Polynomial/Emulate.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

Machine::Machine(TargetAttr target) : target(target) {
  bool x86 = target.getTriple().starts_with("x86_64");
  fma = !x86 || hasFeature(target, "fma");
  bool masks512 = x86 && hasFeature(target, "avx512bw") && hasFeature(target, "avx512vl");
  maskHalves = masks512;
  maskWords = masks512 || (x86 && hasFeature(target, "avx"));
  roundInstructions = !x86 || hasFeature(target, "sse4.1");
  addF16 = hasFeature(target, x86 ? "avx512fp16" : "fullfp16");
  convertF16 = !x86 || hasFeature(target, "f16c");
  dot = x86 && hasFeature(target, "avx512bf16");
  amx = x86 && hasFeature(target, "amx-bf16");
}

Emitter::Emitter(OpBuilder &builder, Location loc, const Machine &machine) : b(builder), loc(loc), machine(machine) {
  i1 = b.getI1Type(), i8 = b.getI8Type(), i16 = b.getIntegerType(16), i32 = b.getI32Type();
  i64 = b.getI64Type(), bf16 = b.getBF16Type(), f16 = b.getF16Type(), f32 = b.getF32Type(), f64 = b.getF64Type();
  ptr = LLVM::LLVMPointerType::get(b.getContext());
}

//===----------------------------------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------------------------------===//

Value Emitter::index(int64_t value) { return make<arith::ConstantOp>(b.getI64IntegerAttr(value)); }

Value Emitter::constant(Type type, double value) {
  auto attribute = b.getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    return make<arith::ConstantOp>(DenseElementsAttr::get(vector, attribute));
  return make<arith::ConstantOp>(attribute);
}

Value Emitter::bits(Type type, int64_t value) {
  auto attribute = b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    return make<arith::ConstantOp>(DenseElementsAttr::get(vector, attribute));
  return make<arith::ConstantOp>(attribute);
}

Value Emitter::iota(Type element) {
  SmallVector<Attribute> values;
  for (int64_t i = 0; i < kLanes; ++i)
    values.push_back(b.getIntegerAttr(element, i));
  return make<arith::ConstantOp>(DenseElementsAttr::get(lanes(element), values));
}

Value Emitter::zero(Type type) { return make<arith::ConstantOp>(cast<TypedAttr>(b.getZeroAttr(type))); }

//===----------------------------------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------------------------------===//

// Sizes and offsets are far below 2^63: the flags let LLVM fold them into addresses.
static constexpr auto kNoWrap = arith::IntegerOverflowFlags::nsw;

Value Emitter::add(Value a, Value c) { return value<arith::AddIOp>(a, c, kNoWrap); }
Value Emitter::sub(Value a, Value c) { return value<arith::SubIOp>(a, c, kNoWrap); }
Value Emitter::mul(Value a, Value c) { return value<arith::MulIOp>(a, c, kNoWrap); }
Value Emitter::div(Value a, int64_t c) {
  if (llvm::isPowerOf2_64(c))
    return value<arith::ShRUIOp>(a, index(llvm::Log2_64(c)));
  return value<arith::DivUIOp>(a, index(c));
}
Value Emitter::rem(Value a, int64_t c) {
  if (llvm::isPowerOf2_64(c))
    return value<arith::AndIOp>(a, index(c - 1));
  return value<arith::RemUIOp>(a, index(c));
}
Value Emitter::ceilDiv(Value a, Value c) { return value<arith::DivUIOp>(add(a, sub(c, index(1))), c); }
Value Emitter::min(Value a, Value c) { return value<arith::MinSIOp>(a, c); }
Value Emitter::less(Value a, Value c) { return value<arith::CmpIOp>(arith::CmpIPredicate::slt, a, c); }
Value Emitter::equal(Value a, Value c) { return value<arith::CmpIOp>(arith::CmpIPredicate::eq, a, c); }
Value Emitter::both(Value a, Value c) { return value<arith::AndIOp>(a, c); }
Value Emitter::select(Value condition, Value a, Value c) { return value<arith::SelectOp>(condition, a, c); }

Value Emitter::opaque(Value value) {
  auto inOneRegister = b.getStringAttr("=r,0");
  return make<LLVM::InlineAsmOp>(TypeRange{i64}, ValueRange{value}, b.getStringAttr(""), inOneRegister, UnitAttr(),
                                 UnitAttr(), LLVM::TailCallKindAttr(), LLVM::AsmDialectAttr(), ArrayAttr())
      .getRes();
}

//===----------------------------------------------------------------------------------------------===//
// Vectors and floating point
//===----------------------------------------------------------------------------------------------===//

Value Emitter::broadcast(Value scalar) {
  if (isVector(scalar))
    return scalar;
  return value<vector::BroadcastOp>(lanes(scalar.getType()), scalar);
}

Value Emitter::shuffle(Value a, Value c, ArrayRef<int64_t> mask) { return make<vector::ShuffleOp>(a, c, mask); }

Value Emitter::lane(Value vector, int64_t lane) { return make<vector::ExtractOp>(vector, lane); }

Value Emitter::firstLanes(Value count) {
  Value narrow = value<arith::TruncIOp>(i32, count);
  return make<arith::CmpIOp>(arith::CmpIPredicate::slt, iota(i32), broadcast(narrow));
}

Value Emitter::mulAdd(Value a, Value x, Value y) {
  if (machine.fma)
    return make<math::FmaOp>(a, x, y);
  return make<arith::AddFOp>(make<arith::MulFOp>(a, x), y);
}

Value Emitter::asInt(Value x) { return value<arith::BitcastOp>(isVector(x) ? Type(lanes(i32)) : i32, x); }
Value Emitter::asFloat(Value x) { return value<arith::BitcastOp>(isVector(x) ? Type(lanes(f32)) : f32, x); }

Value Emitter::roundToBf16(Value x) {
  Value word = asInt(x);
  Type type = word.getType();
  // Adding 0x7fff, and 1 more if the kept part is odd, carries into the kept part exactly when
  // round-to-nearest-even rounds up; an infinity has no low bits and stays.
  Value odd = make<arith::AndIOp>(make<arith::ShRUIOp>(word, bits(type, 16)), bits(type, 1));
  Value rounded = make<arith::AddIOp>(word, make<arith::AddIOp>(odd, bits(type, 0x7fff)));
  Value quiet = make<arith::OrIOp>(word, bits(type, 0x00400000));
  Value isNan = make<arith::CmpFOp>(arith::CmpFPredicate::UNO, x, x);
  Value kept = make<arith::SelectOp>(isNan, quiet, rounded);
  return asFloat(make<arith::AndIOp>(kept, bits(type, int32_t(0xffff0000))));
}

Value Emitter::roundTo(Type half, Value x) {
  return half.isBF16() ? roundToBf16(x) : fromBits(half, halfBits(half, x));
}

Value Emitter::halfBits(Type half, Value x) {
  auto typed = [&](Type element) { return isVector(x) ? Type(lanes(element)) : element; };
  if (half.isBF16())
    return make<arith::TruncIOp>(typed(i16), make<arith::ShRUIOp>(asInt(x), bits(typed(i32), 16)));
  Value scaled = make<arith::MulFOp>(x, constant(x.getType(), f16Scale));
  return make<arith::BitcastOp>(typed(i16), Value(make<arith::TruncFOp>(typed(half), scaled)));
}

Value Emitter::fromBits(Type half, Value memory) {
  auto typed = [&](Type element) { return isVector(memory) ? Type(lanes(element)) : element; };
  if (half.isBF16())
    return asFloat(make<arith::ShLIOp>(make<arith::ExtUIOp>(typed(i32), memory), bits(typed(i32), 16)));
  Value scaled = make<arith::ExtFOp>(typed(f32), Value(make<arith::BitcastOp>(typed(half), memory)));
  return make<arith::MulFOp>(scaled, constant(scaled.getType(), 1 / f16Scale));
}

//===----------------------------------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------------------------------===//

Value Emitter::offset(Value pointer, Type element, Value index) {
  return make<LLVM::GEPOp>(ptr, memoryType(element), pointer, ArrayRef<LLVM::GEPArg>{index});
}

Value Emitter::bytes(Value pointer, Value count) { return offset(pointer, i8, count); }

Value Emitter::loadRaw(Type type, Value pointer, unsigned alignment) {
  return make<LLVM::LoadOp>(type, pointer, alignment);
}

void Emitter::storeRaw(Value value, Value pointer, unsigned alignment) {
  make<LLVM::StoreOp>(value, pointer, alignment);
}

Value Emitter::field(Value pointer, int64_t byte, Type type) {
  Value address = byte ? bytes(pointer, index(byte)) : pointer;
  return loadRaw(type, address, type == i32 ? 4 : 8);
}

static unsigned byteWidth(Type dtype) { return dtype.getIntOrFloatBitWidth() / 8; }

Value Emitter::loadElement(Type dtype, Value pointer) {
  return widen(dtype, loadRaw(memoryType(dtype), pointer, byteWidth(dtype)));
}

void Emitter::storeElement(Type dtype, Value x, Value pointer) {
  storeRaw(narrow(dtype, x), pointer, byteWidth(dtype));
}

bool Emitter::maskable(Type dtype) const { return byteWidth(dtype) >= 4 ? machine.maskWords : machine.maskHalves; }

Value Emitter::loadLanes(Type dtype, Value pointer, Value count) {
  VectorType type = lanes(memoryType(dtype));
  unsigned width = byteWidth(dtype);
  if (!count)
    return widen(dtype, loadRaw(type, pointer, width));
  if (maskable(dtype)) {
    Value mask = firstLanes(count), none = zero(type);
    return widen(dtype, make<LLVM::MaskedLoadOp>(type, pointer, mask, none, width));
  }
  // No masked load: a whole vector where there is one, else element by element through the stack.
  Value whole = less(index(kLanes - 1), count);
  auto full = [&] { return SmallVector<Value>{loadRaw(type, pointer, width)}; };
  auto part = [&] {
    Value buffer = stack(kLanes * width);
    storeRaw(zero(type), buffer, width);
    loop(index(0), count, 1, [&](Value i) {
      Value element = loadRaw(memoryType(dtype), offset(pointer, dtype, i), width);
      storeRaw(element, offset(buffer, dtype, i), width);
    });
    return SmallVector<Value>{loadRaw(type, buffer, width)};
  };
  return widen(dtype, choose(Type(type), whole, full, part)[0]);
}

void Emitter::storeLanes(Type dtype, Value x, Value pointer, Value count) {
  Value memory = narrow(dtype, x);
  unsigned width = byteWidth(dtype);
  if (!count)
    return storeRaw(memory, pointer, width);
  if (maskable(dtype)) {
    make<LLVM::MaskedStoreOp>(memory, pointer, firstLanes(count), width);
    return;
  }
  auto part = [&] {
    Value buffer = stack(kLanes * width);
    storeRaw(memory, buffer, width);
    loop(index(0), count, 1, [&](Value i) {
      Value element = loadRaw(memoryType(dtype), offset(buffer, dtype, i), width);
      storeRaw(element, offset(pointer, dtype, i), width);
    });
  };
  when(less(index(kLanes - 1), count), [&] { storeRaw(memory, pointer, width); }, part);
}

void Emitter::prefetchToWrite(Value pointer) { make<LLVM::Prefetch>(pointer, /*rw=*/1, /*hint=*/3, /*cache=*/1); }

Value Emitter::stack(int64_t size) {
  OpBuilder::InsertionGuard guard(b);
  auto function = b.getInsertionBlock()->getParentOp();
  if (!isa<LLVM::LLVMFuncOp>(function))
    function = function->getParentOfType<LLVM::LLVMFuncOp>();
  b.setInsertionPointToStart(&cast<LLVM::LLVMFuncOp>(function).getBody().front());
  return make<LLVM::AllocaOp>(ptr, i8, make<LLVM::ConstantOp>(i64, b.getI64IntegerAttr(size)), 64);
}

//===----------------------------------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------------------------------===//

void Emitter::loop(Value from, Value to, Value step, llvm::function_ref<void(Value)> body) {
  buildLoop(b, loc, from, to, step, {}, [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>{};
  });
}

SmallVector<Value> Emitter::loop(Value from, Value to, int64_t step, ValueRange init,
                                 llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  return buildLoop(b, loc, from, to, index(step), init, body);
}

void Emitter::when(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise) {
  buildWhen(b, loc, condition, then, otherwise);
}

SmallVector<Value> Emitter::choose(TypeRange types, Value condition, llvm::function_ref<SmallVector<Value>()> then,
                                   llvm::function_ref<SmallVector<Value>()> otherwise) {
  return buildChoice(b, loc, types, condition, then, otherwise);
}
