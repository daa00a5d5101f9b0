//===- Emitter.cpp - the vocabulary blocks are written in -------------------------------------===//

#include "Emitter.h"

#include "muon/IR/KernelControl.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

Emitter::Emitter(OpBuilder &builder, Location loc) : b(builder), loc(loc) {
  i1 = b.getI1Type(), i8 = b.getI8Type(), i16 = b.getIntegerType(16), i32 = b.getI32Type(), i64 = b.getI64Type();
  f16 = b.getF16Type(), bf16 = b.getBF16Type(), f32 = b.getF32Type(), f64 = b.getF64Type();
  generic = LLVM::LLVMPointerType::get(b.getContext());
  global = LLVM::LLVMPointerType::get(b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
  shared = LLVM::LLVMPointerType::get(b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
}

//===----------------------------------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------------------------------===//

Value Emitter::integer(Type type, int64_t value) { return make<arith::ConstantOp>(b.getIntegerAttr(type, value)); }
Value Emitter::constant(Type type, double value) { return make<arith::ConstantOp>(b.getFloatAttr(type, value)); }
Value Emitter::zero(Type type) { return make<arith::ConstantOp>(cast<TypedAttr>(b.getZeroAttr(type))); }

Value Emitter::add(Value a, Value c) { return value<arith::AddIOp>(a, c); }
Value Emitter::sub(Value a, Value c) { return value<arith::SubIOp>(a, c); }
Value Emitter::mul(Value a, Value c) { return value<arith::MulIOp>(a, c); }
Value Emitter::div(Value a, Value c) { return value<arith::DivUIOp>(a, c); }
Value Emitter::div(Value a, int64_t c) { return value<arith::ShRUIOp>(a, integer(a.getType(), llvm::Log2_64(c))); }
Value Emitter::rem(Value a, int64_t c) { return value<arith::AndIOp>(a, integer(a.getType(), c - 1)); }
Value Emitter::exclusiveOr(Value a, Value c) { return value<arith::XOrIOp>(a, c); }
Value Emitter::min(Value a, Value c) { return value<arith::MinSIOp>(a, c); }
Value Emitter::max(Value a, Value c) { return value<arith::MaxSIOp>(a, c); }
Value Emitter::less(Value a, Value c) { return value<arith::CmpIOp>(arith::CmpIPredicate::slt, a, c); }
Value Emitter::equal(Value a, Value c) { return value<arith::CmpIOp>(arith::CmpIPredicate::eq, a, c); }
Value Emitter::both(Value a, Value c) { return value<arith::AndIOp>(a, c); }
Value Emitter::either(Value a, Value c) { return value<arith::OrIOp>(a, c); }
Value Emitter::negate(Value condition) { return exclusiveOr(condition, 1); }
Value Emitter::select(Value condition, Value a, Value c) { return value<arith::SelectOp>(condition, a, c); }
Value Emitter::wide(Value a) { return value<arith::ExtUIOp>(i64, a); }
Value Emitter::narrow(Value a) { return value<arith::TruncIOp>(i32, a); }

//===----------------------------------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------------------------------===//

Value Emitter::bytes(Value pointer, Value count) {
  return make<LLVM::GEPOp>(pointer.getType(), i8, pointer, ArrayRef<LLVM::GEPArg>{count});
}

Value Emitter::load(Type type, Value pointer, unsigned alignment) {
  return make<LLVM::LoadOp>(type, pointer, alignment);
}
void Emitter::store(Value value, Value pointer, unsigned alignment) { make<LLVM::StoreOp>(value, pointer, alignment); }

Value Emitter::field(Value pointer, int64_t byte, Type type) {
  return load(type, bytes(pointer, byte), type == i32 ? 4 : 8);
}

Value Emitter::lane(Value vector, int64_t i) { return make<LLVM::ExtractElementOp>(vector, index(i)); }

Value Emitter::vectorOf(ArrayRef<Value> elements) {
  auto type = VectorType::get({static_cast<int64_t>(elements.size())}, elements.front().getType());
  Value vector = make<LLVM::PoisonOp>(type);
  for (auto [i, element] : llvm::enumerate(elements))
    vector = make<LLVM::InsertElementOp>(vector, element, index(i));
  return vector;
}

Value Emitter::sharedMemory() { return make<LLVM::AddressOfOp>(shared, kSharedMemory); }

//===----------------------------------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------------------------------===//

void Emitter::barrier() { make<NVVM::BarrierOp>(); }

Value Emitter::firstLane(Value value) {
  return make<NVVM::ShflOp>(i32, index(-1), value, index(0), index(kWarp - 1), NVVM::ShflKind::idx, UnitAttr());
}

Value Emitter::shuffle(Value value, int64_t distance) {
  auto exchange = [&](Value word) -> Value {
    return make<NVVM::ShflOp>(word.getType(), index(-1), word, index(distance), index(kWarp - 1), NVVM::ShflKind::bfly,
                              UnitAttr());
  };
  if (!value.getType().isF64())
    return exchange(value);
  Value bits = make<arith::BitcastOp>(i64, value), half = integer(i64, 32);
  Value low = exchange(narrow(bits)), high = exchange(narrow(make<arith::ShRUIOp>(bits, half)));
  Value joined = make<arith::OrIOp>(wide(low), make<arith::ShLIOp>(wide(high), half));
  return make<arith::BitcastOp>(f64, joined);
}

//===----------------------------------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------------------------------===//

void Emitter::loop(Value from, Value to, Value step, llvm::function_ref<void(Value)> body) {
  loop(from, to, step, {}, [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>{};
  });
}

SmallVector<Value> Emitter::loop(Value from, Value to, Value step, ValueRange init,
                                 llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  return buildLoop(b, loc, from, to, step, init, body);
}

void Emitter::when(Value condition, llvm::function_ref<void()> then) { buildWhen(b, loc, condition, then); }

SmallVector<Value> Emitter::choose(TypeRange types, Value condition, llvm::function_ref<SmallVector<Value>()> then,
                                   llvm::function_ref<SmallVector<Value>()> otherwise) {
  return buildChoice(b, loc, types, condition, then, otherwise);
}

//===----------------------------------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------------------------------===//

Value Emitter::combine(Reduction kind, Value a, Value c) {
  switch (kind) {
  case Reduction::max:
    return make<arith::MaximumFOp>(a, c);
  case Reduction::min:
    return make<arith::MinimumFOp>(a, c);
  default:
    return make<arith::AddFOp>(a, c);
  }
}

Value Emitter::identity(Reduction kind, Type type) {
  double infinity = std::numeric_limits<double>::infinity();
  return constant(type, kind == Reduction::max ? -infinity : kind == Reduction::min ? infinity : 0.0);
}

Value Emitter::acrossLanes(Reduction kind, Value value) {
  for (int64_t distance = kWarp / 2; distance; distance /= 2)
    value = combine(kind, value, shuffle(value, distance));
  return value;
}
