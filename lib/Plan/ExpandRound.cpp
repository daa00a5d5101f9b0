//===- ExpandRound.cpp - stochastic rounding as integer arithmetic ----------------------------===//

#include "muon/Plan/ExpandRound.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "muon/IR/Muon.h"

using namespace mlir;
using namespace muon;

namespace {
struct Integers {
  OpBuilder &builder;
  Location loc;
  Value constant(uint64_t value, unsigned width) {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getIntegerAttr(builder.getIntegerType(width), APInt(width, value)));
  }
  Value c64(uint64_t value) { return constant(value, 64); }
  Value add(Value a, Value b) { return arith::AddIOp::create(builder, loc, a, b); }
  Value mul(Value a, Value b) { return arith::MulIOp::create(builder, loc, a, b); }
  /// Vigna's splitmix64 finaliser: every input bit reaches every output bit.
  Value mix(Value z) {
    auto step = [&](Value v, uint64_t shift, uint64_t factor) {
      Value shifted = arith::ShRUIOp::create(builder, loc, v, c64(shift));
      Value folded = arith::XOrIOp::create(builder, loc, v, shifted);
      return factor ? mul(folded, c64(factor)) : folded;
    };
    return step(step(step(z, 30, 0xbf58476d1ce4e5b9ull), 27, 0x94d049bb133111ebull), 31, 0);
  }
};
} // namespace

Value muon::expandRound(OpBuilder &builder, Location loc, Value x, Value step, Value seed, Value element) {
  Integers in{builder, loc};
  Type i64 = builder.getI64Type(), i32 = builder.getI32Type();
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ull; // splitmix64's increment keeps neighbouring keys apart
  Value key = in.mix(in.add(seed, in.mul(step, in.c64(kGolden))));
  key = in.mix(in.add(key, in.mul(ParameterOp::create(builder, loc, i64), in.c64(kGolden))));
  Value random = in.mix(in.add(key, in.mul(element, in.c64(kGolden))));
  Value bits16 = arith::TruncIOp::create(builder, loc, i32, arith::ShRUIOp::create(builder, loc, random, in.c64(48)));
  Value bits = arith::BitcastOp::create(builder, loc, i32, x);
  Value sum = arith::AndIOp::create(builder, loc, in.add(bits, bits16), in.constant(0xffff0000u, 32));
  // The exponent of infinities and NaNs is all ones; adding could turn one into the other or into a finite value.
  Value exponent = arith::AndIOp::create(builder, loc, bits, in.constant(0x7f800000u, 32));
  Value special = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, exponent, in.constant(0x7f800000u, 32));
  Value chosen = arith::SelectOp::create(builder, loc, special, bits, sum);
  Value rounded = arith::BitcastOp::create(builder, loc, builder.getF32Type(), chosen);
  return arith::TruncFOp::create(builder, loc, builder.getBF16Type(), rounded);
}
