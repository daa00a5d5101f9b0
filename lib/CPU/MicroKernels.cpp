//===- MicroKernels.cpp - register tiles on vectors -------------------------------------------===//
//
// Accumulators live in registers; per step a panel word row of B is loaded as vectors and each of A's words is
// broadcast to feed every vector of B. With f32 operands they start from zero every part of sumRun words of k
// (SumOrder), and runs are added to C: a long sum would round every term at the size of all, which costs the gram form
// its accuracy (docs/numerics.md). f16 operands have f16 sums, which are widened every f16Run words. Dot products keep
// theirs over all of k: bf16 operands have rounded more than that.
//
//===-------------------------------------------------------------------------------------------===//

#include "Kernels.h"

#include "muon/Polynomial/Emulate.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

namespace {
/// One step of an accumulator: c + a b for one word of depth.
using Step = llvm::function_ref<Value(Emitter &, Value a, Value b, Value c)>;
} // namespace

static constexpr int64_t kUnroll = 4;

/// The accumulators after one word of depth, `at` words from where A's panel and each vector of B's begin.
static SmallVector<Value> emitWord(Emitter &e, Type word, int64_t height, Value a, ValueRange b, Value at,
                                   ValueRange accumulators, Step step) {
  SmallVector<Value> panel, next;
  for (Value vector : b)
    panel.push_back(e.loadRaw(e.lanes(word), e.offset(vector, word, at), 4));
  Value rows = e.offset(a, word, at);
  for (int64_t r = 0; r < height; ++r) {
    Value element = e.broadcast(e.loadRaw(word, e.offset(rows, word, e.index(r)), 4));
    for (size_t v = 0; v < panel.size(); ++v)
      next.push_back(step(e, element, panel[v], accumulators[r * panel.size() + v]));
  }
  return next;
}

namespace {
/// One micro kernel: its C as vectors, and what it adds up to there. Arguments: A, B, C, the floats from a row of C to
/// the next, the words of depth, whether C holds nothing yet, and where B is two panels the words between them.
class MicroKernel {
public:
  MicroKernel(Emitter &e, ValueRange args, Type word, VectorType sum, int64_t height, int64_t vectors, Step step)
      : e(e), a(args[0]), depth(args[4]), fresh(args[5]), word(word), sum(sum), height(height), step(step) {
    for (int64_t v = 0, lanes = e.machine.lanes(); v < vectors; ++v) {
      Value panel = v * kLanes < lanes ? args[1] : e.offset(args[1], word, e.mul(args.back(), v * kLanes / lanes));
      b.push_back(e.offset(panel, word, e.index(v * kLanes % lanes)));
    }
    for (int64_t r = 0; r < height; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        places.push_back(e.offset(args[2], e.f32, e.add(e.mul(args[3], r), v * kLanes)));
  }
  void emitWhole();
  void emitInRuns(int64_t words);
  void emitInParts();

private:
  SmallVector<Value> zeros() { return SmallVector<Value>(places.size(), e.zero(sum)); }
  SmallVector<Value> load(ValueRange from) {
    return llvm::map_to_vector(from, [&](Value place) { return e.loadLanes(e.f32, place); });
  }
  void store(ValueRange sums, ValueRange to) {
    for (auto [place, sum] : llvm::zip(to, sums))
      e.storeLanes(e.f32, sum, place);
  }
  void addTo(ValueRange to, ValueRange sums) {
    for (auto [place, before, sum] : llvm::zip(to, load(to), sums))
      e.storeLanes(e.f32, e.make<arith::AddFOp>(before, sum), place);
  }
  SmallVector<Value> addWords(Value first, ValueRange sums);
  SmallVector<Value> addUp(Value begin, Value end);
  void addRun(Value begin, ValueRange sums);

  Emitter &e;
  Value a, depth, fresh;
  Type word;
  VectorType sum;
  int64_t height;
  SmallVector<Value> b;
  Step step;
  SmallVector<Value> places;
};
} // namespace

/// kUnroll words.
SmallVector<Value> MicroKernel::addWords(Value first, ValueRange sums) {
  SmallVector<Value> current(sums);
  for (int64_t u = 0; u < kUnroll; ++u) {
    Value at = e.mul(e.add(first, u), e.machine.lanes());
    current = emitWord(e, word, height, a, b, at, current, step);
  }
  return current;
}

/// The sums of the words from `begin` to `end`.
SmallVector<Value> MicroKernel::addUp(Value begin, Value end) {
  return e.loop(begin, end, kUnroll, zeros(), [&](Value k, ValueRange sums) { return addWords(k, sums); });
}

void MicroKernel::emitWhole() {
  SmallVector<Value> start = e.choose(
      SmallVector<Type>(places.size(), e.lanes(e.f32)), fresh, [&] { return zeros(); }, [&] { return load(places); });
  store(e.loop(e.index(0), depth, kUnroll, start, [&](Value k, ValueRange sums) { return addWords(k, sums); }), places);
}

/// 32 f16 as f32.
static Value widened(Emitter &e, Value halves) {
  return e.make<arith::ExtFOp>(VectorType::get({2 * kLanes}, e.f32), halves);
}

/// a + b of f16. f32 has more than twice its bits, so that rounding twice is rounding once.
static Value addF16(Emitter &e, Value a, Value b) {
  if (e.machine.addF16)
    return e.make<arith::AddFOp>(a, b);
  return e.make<arith::TruncFOp>(a.getType(), Value(e.make<arith::AddFOp>(widened(e, a), widened(e, b))));
}

/// f16Scale^2 times the value of two f16 sums per lane, those of the even and of the odd terms.
static Value widenSums(Emitter &e, Value sums) {
  Type words = e.lanes(e.i32);
  Value odd = e.make<arith::ShRUIOp>(e.make<LLVM::BitcastOp>(words, sums), e.bits(words, 16));
  Value both = addF16(e, sums, e.make<LLVM::BitcastOp>(sums.getType(), odd));
  Value low = e.make<arith::TruncIOp>(e.lanes(e.i16), e.make<LLVM::BitcastOp>(words, both));
  return e.make<arith::ExtFOp>(e.lanes(e.f32), Value(e.make<arith::BitcastOp>(e.lanes(e.f16), low)));
}

/// A run of the sum to C, or instead of what is there.
void MicroKernel::addRun(Value begin, ValueRange sums) {
  Value first = e.both(fresh, e.equal(begin, e.index(0)));
  if (!sum.getElementType().isF16())
    return e.when(first, [&] { store(sums, places); }, [&] { addTo(places, sums); });
  Value unscale = e.constant(e.lanes(e.f32), 1 / (f16Scale * f16Scale)); // exact, fused or not
  SmallVector<Value> run = llvm::map_to_vector(sums, [&](Value value) { return widenSums(e, value); });
  auto addScaled = [&](ValueRange before) {
    for (auto [place, value, old] : llvm::zip(places, run, before))
      e.storeLanes(e.f32, e.mulAdd(value, unscale, old), place);
  };
  e.when(
      first, [&] { addScaled(SmallVector<Value>(places.size(), e.zero(e.lanes(e.f32)))); },
      [&] { addScaled(load(places)); });
}

/// Runs of `words` in one part each: little more than the loop, so that every sum stays in its register.
void MicroKernel::emitInRuns(int64_t words) {
  e.loop(e.index(0), depth, words,
         [&](Value begin) { addRun(begin, addUp(begin, e.min(e.add(begin, words), depth))); });
}

/// Parts of a run are added up in memory.
void MicroKernel::emitInParts() {
  SmallVector<Value> kept;
  Value stack = e.stack(static_cast<int64_t>(places.size()) * kLanes * 4);
  for (size_t i = 0; i < places.size(); ++i)
    kept.push_back(e.offset(stack, e.f32, e.index(i * kLanes)));
  e.loop(e.index(0), depth, sumRun, [&](Value begin) {
    Value end = e.min(e.add(begin, sumRun), depth);
    e.loop(begin, end, narrowPart, [&](Value from) {
      SmallVector<Value> sums = addUp(from, e.min(e.add(from, narrowPart), end));
      e.when(e.equal(from, begin), [&] { store(sums, kept); }, [&] { addTo(kept, sums); });
    });
    addRun(begin, load(kept));
  });
}

/// How a micro kernel adds up k: all of it, in runs, in runs of parts, or in runs of f16. One routine for all spills:
/// its hot loop had an eighth of its time in moves between registers.
enum class Sums { whole, runs, parts, f16 };

static void callMicro(Emitter &e, Routines &routines, const MicroTile &tile, StringRef kind, Type word, Sums sums,
                      Step step) {
  int64_t vectors = tile.width / kLanes;
  std::string name = ("muon_" + kind + "_" + Twine(tile.height) + "x" + Twine(tile.width)).str();
  SmallVector<Value> args{tile.a, tile.b, tile.c, tile.stride, tile.depth, tile.fresh};
  if (tile.width > e.machine.lanes())
    args.push_back(tile.apart);
  routines.call(e, name, args, [&](Emitter &e, ValueRange args) {
    VectorType sum = sums == Sums::f16 ? VectorType::get({2 * kLanes}, e.f16) : e.lanes(e.f32);
    MicroKernel kernel(e, args, word, sum, tile.height, vectors, step);
    if (sums == Sums::parts)
      return kernel.emitInParts();
    sums == Sums::whole ? kernel.emitWhole() : kernel.emitInRuns(sums == Sums::runs ? sumRun : f16Run);
  });
}

Value cpu::unrolledDepth(Emitter &e, Value depth) { return e.roundUp(depth, kUnroll); }

void cpu::callFma(Emitter &e, Routines &routines, const MicroTile &tile) {
  callMicro(e, routines, tile, tile.inParts ? "fma_parts" : "fma", e.f32, tile.inParts ? Sums::parts : Sums::runs,
            [](Emitter &e, Value a, Value b, Value c) { return e.mulAdd(a, b, c); });
}

/// c + a.odd b.odd, then + a.even b.even: the order of vdpbf16ps. A product of two bf16 is exact in
/// f32, so fused or not makes no difference here.
static Value pairProduct(Emitter &e, Value a, Value b, Value c) {
  Value odd = e.mulAdd(halfOf(e, e.bf16, a, true), halfOf(e, e.bf16, b, true), c);
  return e.mulAdd(halfOf(e, e.bf16, a, false), halfOf(e, e.bf16, b, false), odd);
}

static Value dotInstruction(Emitter &e, Value a, Value b, Value c) {
  Type pairs = VectorType::get({2 * kLanes}, e.bf16);
  Value left = e.make<LLVM::BitcastOp>(pairs, a), right = e.make<LLVM::BitcastOp>(pairs, b);
  auto call = e.make<LLVM::CallIntrinsicOp>(Type(e.lanes(e.f32)), e.b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
                                            ValueRange{c, left, right});
  return call.getResult(0);
}

void cpu::callDot(Emitter &e, Routines &routines, const MicroTile &tile) {
  callMicro(e, routines, tile, "dot", e.i32, Sums::whole, e.machine.dot ? dotInstruction : pairProduct);
}

/// x + y rounded to the neighbour whose last bit is odd, unless it is exact: so it is rounded to f16 afterwards as x +
/// y would be.
static Value addToOdd(Emitter &e, Value x, Value y) {
  Type words = VectorType::get(cast<VectorType>(x.getType()).getShape(), e.i32);
  Value sum = e.make<arith::AddFOp>(x, y), part = e.make<arith::SubFOp>(sum, x); // Knuth's two-sum
  Value lostOfX = e.make<arith::SubFOp>(x, Value(e.make<arith::SubFOp>(sum, part))),
        lostOfY = e.make<arith::SubFOp>(y, part);
  Value lost = e.make<arith::AddFOp>(lostOfX, lostOfY), bits = e.make<arith::BitcastOp>(words, sum);
  Value away = e.make<arith::XOrIOp>(bits, Value(e.make<arith::BitcastOp>(words, lost)));
  // One unit, up or down.
  Value toward = e.make<arith::OrIOp>(Value(e.make<arith::ShRSIOp>(away, e.bits(words, 31))), e.bits(words, 1));
  Value even = e.make<arith::CmpIOp>(arith::CmpIPredicate::eq, Value(e.make<arith::AndIOp>(bits, e.bits(words, 1))),
                                     e.zero(words));
  Value inexact = e.make<arith::CmpFOp>(arith::CmpFPredicate::ONE, lost, e.zero(lost.getType()));
  Value odd = e.make<arith::SelectOp>(e.both(even, inexact), Value(e.make<arith::AddIOp>(bits, toward)), bits);
  return e.make<arith::BitcastOp>(x.getType(), odd);
}

/// c + a b for 32 f16 each, rounded once: two terms of every lane's sum. Without arithmetic of f16 in f32, where a b is
/// exact.
static Value multiplyF16(Emitter &e, Value a, Value b, Value c) {
  auto asF16 = [&](Value words) -> Value { return e.make<LLVM::BitcastOp>(c.getType(), words); };
  if (e.machine.addF16)
    return e.make<math::FmaOp>(asF16(a), asF16(b), c);
  Value product = e.make<arith::MulFOp>(widened(e, asF16(a)), widened(e, asF16(b)));
  return e.make<arith::TruncFOp>(c.getType(), addToOdd(e, product, widened(e, c)));
}

void cpu::callF16(Emitter &e, Routines &routines, const MicroTile &tile) {
  callMicro(e, routines, tile, "f16", e.i32, Sums::f16, multiplyF16);
}
