//===- TileKernels.cpp - register tiles on AMX ------------------------------------------------===//
//
// Tile registers are named by number and configured once per tile function: LLVM's automatic
// configuration would load it anew in every micro kernel. C takes tiles 0-3, A 4-5, B 6-7.
//
//===-------------------------------------------------------------------------------------------===//

#include "Kernels.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

static constexpr int64_t kTileBytes = 1024;

/// An intrinsic without result; `numbers` are its tile registers.
static void tileOp(Emitter &e, StringRef name, ArrayRef<int64_t> numbers, ValueRange operands = {}) {
  SmallVector<Value> all;
  for (int64_t number : numbers)
    all.push_back(e.make<LLVM::ConstantOp>(e.i8, e.b.getI8IntegerAttr(number)));
  all.append(operands.begin(), operands.end());
  e.make<LLVM::CallIntrinsicOp>(e.b.getStringAttr(("llvm.x86." + name).str()), all);
}

void cpu::openTiles(Emitter &e) {
  if (!e.machine.amx)
    return;
  // Palette 1; eight tiles of 16 rows (bytes 48..) by 64 bytes (16-bit words from byte 16).
  SmallVector<int32_t> words(16, 0);
  words[0] = 1;
  for (int i = 4; i < 8; ++i)
    words[i] = 64 | 64 << 16;
  words[12] = words[13] = 0x10101010;
  Value place = e.stack(64);
  auto type = cast<ShapedType>(Type(e.lanes(e.i32)));
  Value configuration = e.make<arith::ConstantOp>(DenseElementsAttr::get(type, ArrayRef<int32_t>(words)));
  e.storeRaw(configuration, place, 64);
  tileOp(e, "ldtilecfg", {}, place);
}

void cpu::closeTiles(Emitter &e) {
  if (e.machine.amx)
    tileOp(e, "tilerelease", {});
}

/// Asks for a tile of A, which comes from the second-level cache, a step ahead: that hides its latency where another
/// thread shares the core.
static void prefetch(Emitter &e, Value tile) {
  for (int64_t line = 0; line < kTileBytes; line += 64)
    e.make<LLVM::Prefetch>(e.bytes(tile, e.index(line)), /*rw=*/0, /*hint=*/3, /*cache=*/1);
}

/// Accumulator tiles 2i + j and where they are in C, rows `stride` floats apart.
static void forEachAccumulator(Emitter &e, Value c, Value stride, llvm::function_ref<void(int64_t, Value)> action) {
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 2; ++j)
      action(2 * i + j, e.offset(c, e.f32, e.add(e.mul(stride, 16 * i), 16 * j)));
}

void cpu::zeroTiles(Emitter &e) {
  for (int64_t t = 0; t < 4; ++t)
    tileOp(e, "tilezero", {t});
}

void cpu::loadTiles(Emitter &e, Value c, Value stride) {
  Value bytes = e.mul(stride, 4);
  forEachAccumulator(e, c, stride, [&](int64_t t, Value at) { tileOp(e, "tileloadd64", {t}, {at, bytes}); });
}

void cpu::storeTiles(Emitter &e, Value c, Value stride) {
  Value bytes = e.mul(stride, 4);
  forEachAccumulator(e, c, stride, [&](int64_t t, Value at) { tileOp(e, "tilestored64", {t}, {at, bytes}); });
}

void cpu::loadOperandTiles(Emitter &e, Value a, Value strip, Value b, Value step) {
  Value bStride = e.index(4 * e.machine.lanes()), aStride = e.index(64);
  Value a0 = e.bytes(a, e.mul(step, kTileBytes)), a1 = e.bytes(a0, e.mul(strip, 2));
  Value b0 = e.bytes(b, e.mul(e.mul(step, 16), bStride)), b1 = e.bytes(b0, e.index(64));
  // All loads first, and prefetches: each load beside its product, and no prefetch, is 2 to 8 % faster on a core of
  // one's own, but a tenth slower on a shared one.
  tileOp(e, "tileloadd64", {6}, {b0, bStride});
  tileOp(e, "tileloadd64", {7}, {b1, bStride});
  tileOp(e, "tileloadd64", {4}, {a0, aStride});
  tileOp(e, "tileloadd64", {5}, {a1, aStride});
  prefetch(e, e.bytes(a0, e.index(kTileBytes)));
  prefetch(e, e.bytes(a1, e.index(kTileBytes)));
}

void cpu::multiplyTiles(Emitter &e, int64_t accumulator) {
  tileOp(e, "tdpbf16ps", {accumulator, 4 + accumulator / 2, 6 + accumulator % 2});
}

static void defineNative(Emitter &e, ValueRange args) {
  Value a = args[0], b = args[1], c = args[2], stride = args[3], depth = args[4], fresh = args[5], strip = args[6];
  e.when(fresh, [&] { zeroTiles(e); }, [&] { loadTiles(e, c, stride); });
  e.loop(e.index(0), depth, 1, [&](Value step) {
    loadOperandTiles(e, a, strip, b, step);
    for (int64_t t = 0; t < 4; ++t)
      multiplyTiles(e, t);
  });
  storeTiles(e, c, stride);
}

/// The sums one tdpbf16ps adds to 16 elements of a row of C: Intel defines it as the even products
/// of the 16 pairs summed on their own, the odd ones likewise, then both added. (It flushes
/// subnormals, which this does not.)
static Value stepSum(Emitter &e, Value aRow, Value bTile, Value bStride) {
  Type words = e.lanes(e.i32);
  Value zero = e.zero(e.lanes(e.f32));
  SmallVector<Value> sums = e.loop(e.index(0), e.index(16), 1, {zero, zero}, [&](Value p, ValueRange sums) {
    Value x = e.broadcast(e.loadRaw(e.i32, e.offset(aRow, e.i32, p), 4));
    Value y = e.loadRaw(words, e.bytes(bTile, e.mul(p, bStride)), 4);
    return SmallVector<Value>{e.mulAdd(halfOf(e, e.bf16, x, false), halfOf(e, e.bf16, y, false), sums[0]),
                              e.mulAdd(halfOf(e, e.bf16, x, true), halfOf(e, e.bf16, y, true), sums[1])};
  });
  return e.make<arith::AddFOp>(sums[0], sums[1]);
}

static void defineEmulated(Emitter &e, ValueRange args) {
  Value a = args[0], b = args[1], c = args[2], depth = args[4], fresh = args[5];
  Value bStride = e.index(4 * e.machine.lanes()), zero = e.zero(e.lanes(e.f32));
  e.loop(e.index(0), e.index(32), 1, [&](Value row) {
    Value strip = e.mul(e.div(row, 16), args[6]);
    Value aRow = e.offset(a, e.b.getBF16Type(), e.add(strip, e.mul(e.rem(row, 16), 32)));
    e.loop(e.index(0), e.index(2), 1, [&](Value half) {
      Value at = e.offset(c, e.f32, e.add(e.mul(row, args[3]), e.mul(half, kLanes)));
      Value start = e.select(fresh, zero, e.loadLanes(e.f32, at));
      Value sum = e.loop(e.index(0), depth, 1, start, [&](Value step, ValueRange sum) {
        Value aStep = e.bytes(aRow, e.mul(step, kTileBytes));
        Value bStep = e.bytes(b, e.add(e.mul(e.mul(step, 16), bStride), e.mul(half, 64)));
        Value added = stepSum(e, aStep, bStep, bStride);
        return SmallVector<Value>{e.make<arith::AddFOp>(sum[0], added)};
      })[0];
      e.storeLanes(e.f32, sum, at);
    });
  });
}

void cpu::callTiles(Emitter &e, Routines &routines, const MicroTile &tile, Value strip) {
  routines.call(e, "muon_tiles_32x32", {tile.a, tile.b, tile.c, tile.stride, tile.depth, tile.fresh, strip},
                e.machine.amx ? defineNative : defineEmulated);
}
