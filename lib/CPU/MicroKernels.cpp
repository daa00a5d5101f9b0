//===- MicroKernels.cpp - register tiles on vectors
//-----------------------------------------------===//
//
// Accumulators live in registers over all of k; per step a panel word row of B is loaded as vectors
// and each of A's words is broadcast to feed every vector of B.
//
//===-------------------------------------------------------------------------------------------===//

#include "Kernels.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

namespace {
/// One step of an accumulator: c + a b for one word of depth.
using Step = llvm::function_ref<Value(Emitter &, Value a, Value b, Value c)>;
} // namespace

static constexpr int64_t kUnroll = 4;

/// The accumulators after one word of depth at `a`, `b`.
static SmallVector<Value> emitWord(Emitter &e, Type word, int64_t height, int64_t vectors, Value a, Value b,
                                   ValueRange accumulators, Step step) {
  SmallVector<Value> panel, next;
  for (int64_t v = 0; v < vectors; ++v)
    panel.push_back(e.loadRaw(e.lanes(word), e.offset(b, word, e.index(v * kLanes)), 4));
  for (int64_t r = 0; r < height; ++r) {
    Value element = e.broadcast(e.loadRaw(word, e.offset(a, word, e.index(r)), 4));
    for (int64_t v = 0; v < vectors; ++v)
      next.push_back(step(e, element, panel[v], accumulators[r * vectors + v]));
  }
  return next;
}

static void defineMicro(Emitter &e, ValueRange args, Type word, int64_t height, int64_t vectors, Step step) {
  Value a = args[0], b = args[1], c = args[2], stride = args[3], depth = args[4], fresh = args[5];
  int64_t lanes = e.machine.lanes();
  Type vector = e.lanes(e.f32);
  SmallVector<Value> places;
  for (int64_t r = 0; r < height; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      places.push_back(e.offset(c, e.f32, e.add(e.mul(stride, r), v * kLanes)));
  SmallVector<Value> accumulators = e.choose(
      SmallVector<Type>(places.size(), vector), fresh,
      [&] { return SmallVector<Value>(places.size(), e.zero(vector)); },
      [&] {
        SmallVector<Value> loaded;
        for (Value place : places)
          loaded.push_back(e.loadLanes(e.f32, place));
        return loaded;
      });
  auto words = [&](Value first, int64_t count, ValueRange init) {
    SmallVector<Value> current(init);
    for (int64_t u = 0; u < count; ++u) {
      Value at = e.mul(e.add(first, u), lanes);
      current =
          emitWord(e, word, height, vectors, e.offset(a, word, at), e.offset(b, word, at), current, step);
    }
    return current;
  };
  Value rest = e.rem(depth, kUnroll), whole = e.sub(depth, rest);
  accumulators = e.loop(e.index(0), whole, kUnroll, accumulators,
                        [&](Value k, ValueRange init) { return words(k, kUnroll, init); });
  accumulators = e.loop(whole, depth, 1, accumulators,
                        [&](Value k, ValueRange init) { return words(k, 1, init); });
  for (auto [place, accumulator] : llvm::zip(places, accumulators))
    e.storeLanes(e.f32, accumulator, place);
}

static void callMicro(Emitter &e, Routines &routines, const MicroTile &tile, StringRef kind,
                      Type word, Step step) {
  int64_t vectors = tile.width / kLanes;
  std::string name = ("muon_" + kind + "_" + Twine(tile.height) + "x" + Twine(tile.width)).str();
  routines.call(e, name, {tile.a, tile.b, tile.c, tile.stride, tile.depth, tile.fresh},
                [&](Emitter &e, ValueRange args) { defineMicro(e, args, word, tile.height, vectors, step); });
}

void cpu::callFma(Emitter &e, Routines &routines, const MicroTile &tile) {
  callMicro(e, routines, tile, "fma", e.f32,
            [](Emitter &e, Value a, Value b, Value c) { return e.mulAdd(a, b, c); });
}

/// c + a.odd b.odd, then + a.even b.even: the order of vdpbf16ps. A product of two bf16 is exact in
/// f32, so fused or not makes no difference here.
static Value pairProduct(Emitter &e, Value a, Value b, Value c) {
  Value odd = e.mulAdd(halfOf(e, a, true), halfOf(e, b, true), c);
  return e.mulAdd(halfOf(e, a, false), halfOf(e, b, false), odd);
}

static Value dotInstruction(Emitter &e, Value a, Value b, Value c) {
  Type pairs = VectorType::get({2 * kLanes}, e.b.getBF16Type());
  Value left = e.make<LLVM::BitcastOp>(pairs, a), right = e.make<LLVM::BitcastOp>(pairs, b);
  auto call = e.make<LLVM::CallIntrinsicOp>(Type(e.lanes(e.f32)),
                                            e.b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
                                            ValueRange{c, left, right});
  return call.getResult(0);
}

void cpu::callDot(Emitter &e, Routines &routines, const MicroTile &tile) {
  callMicro(e, routines, tile, "dot", e.i32, e.machine.dot ? dotInstruction : pairProduct);
}
