//===- NarrowTile.cpp - 32 x 32 elements to bf16 operands
//------------------------------------------===//
//
// What an AMX kernel leaves is bf16 in up to four arrangements of 32-bit words: a row of a tile is 16 words
// of adjacent columns, a row of pairs 32 words of adjacent rows, and either may be wanted transposed. One
// conversion narrows 16 columns of two rows, both arrangements come from it by moves, and a transpose moves
// words, half as many as elements.
//
//===-------------------------------------------------------------------------------------------===//

#include "SubTile.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

static constexpr int64_t kSide = 32;
/// Words from one row to the next of a tile, and of pairs.
static constexpr int64_t kTileWords = 16, kPairWords = 32;

bool cpu::narrowsTiles(KernelOp kernel, const Machine &machine) {
  if (!machine.amx || machine.lanes() != kSide)
    return false;
  auto bodyOperands = llvm::drop_begin(kernel.getOperands().getAsRange<OperandAttr>(), kernel.numPanels());
  return llvm::all_of(bodyOperands, [&](OperandAttr operand) {
    Layout layout = operand.getLayout();
    if (operand.getDirection() == Direction::in)
      return !isTurned(layout);
    return layout != Layout::plain && operand.getDtype().isBF16() && !(kernel.getSymmetric() && isTurned(layout));
  });
}

/// 16 columns of two rows as 32 bf16: the first row's in the lower half.
static Value narrowTwo(Emitter &e, Value first, Value second) {
  Type halves = VectorType::get({2 * kLanes}, e.b.getBF16Type());
  auto name = e.b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512");
  Value both = e.make<LLVM::CallIntrinsicOp>(halves, name, ValueRange{second, first}).getResult(0);
  return e.value<vector::BitCastOp>(VectorType::get({2 * kLanes}, e.i16), both);
}

/// Words of the first row's element below the second's.
static Value pairHalves(Emitter &e, Value both) {
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < kLanes; ++i)
    mask.append({i, kLanes + i});
  return e.shuffle(both, both, mask);
}

static Value halfOfRows(Emitter &e, Value both, int64_t row) {
  return e.make<vector::ExtractStridedSliceOp>(both, ArrayRef<int64_t>{kLanes * row}, ArrayRef<int64_t>{kLanes},
                                               ArrayRef<int64_t>{1});
}

SmallVector<SubTile::Words> SubTile::planWords() {
  SmallVector<Words> plan;
  llvm::DenseMap<Value, unsigned> known;
  for (const Staged &output : outputs) {
    auto [place, isNew] = known.try_emplace(body.yieldedValue(output.position), plan.size());
    if (isNew)
      plan.emplace_back().position = output.position;
    Words &words = plan[place->second];
    Layout layout = output.operand->attr.getLayout();
    if (layout == Layout::row_tiles)
      words.tiles = output.operand;
    if (layout == Layout::columns)
      words.pairs = output.operand;
    bool mirrors = kernel.getSymmetric();
    words.needsTiles |= layout == Layout::row_tiles || layout == Layout::rows || mirrors;
    words.needsPairs |= layout == Layout::columns || layout == Layout::column_tiles || mirrors;
  }
  for (Words &words : plan) {
    if (words.needsTiles && !words.tiles)
      words.tileStage = e.stack(kSide * kTileWords * 4);
    if (words.needsPairs && !words.pairs)
      words.pairStage = e.stack(kSide / 2 * kPairWords * 4);
  }
  return plan;
}

/// The strip of 16 rows of tile words that starts at `row`, `strip` rows into the 32 x 32 block.
Value SubTile::tileWords(const Words &words, Value row, Value strip, Value column) {
  if (words.tiles)
    return packedAddress(*words.tiles, e.add(row, strip), column);
  return e.offset(words.tileStage, e.i32, e.mul(strip, kTileWords));
}

Value SubTile::pairWords(const Words &words, Value row, Value strip, Value column) {
  if (words.pairs)
    return packedAddress(*words.pairs, e.add(row, strip), column);
  return e.offset(words.pairStage, e.i32, e.mul(e.div(strip, 2), kPairWords));
}

/// The body over `strip` to `strip` + 15 of the block's rows, narrowed.
void SubTile::emitNarrowStrip(ArrayRef<Words> plan, Value row, Value strip, Value column, Accumulators accumulators) {
  SmallVector<Value> from[2], tiles, pairs;
  for (int64_t half = 0; half < 2; ++half)
    for (const Staged &input : inputs)
      from[half].push_back(placeOf(*input.operand, e.add(row, strip), e.add(column, half * kLanes)));
  for (const Words &words : plan) {
    tiles.push_back(words.needsTiles ? tileWords(words, row, strip, column) : Value());
    pairs.push_back(words.needsPairs ? pairWords(words, row, strip, column) : Value());
  }
  e.loop(e.index(0), e.index(kLanes), 2, [&](Value r) {
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<Value> rows[2];
      for (bool odd : {false, true}) {
        Value inBlock = e.add(e.add(strip, r), odd);
        emitRowLevel(e, kernel, body, frame, e.add(row, inBlock));
        setInputs(r, odd, from[half]);
        Value at = e.add(e.mul(inBlock, accumulators.stride), half * kLanes);
        body.set(body.accumulator(), e.loadLanes(e.f32, e.offset(accumulators.data, e.f32, at)));
        body.emit(Level::element, e.add(row, inBlock), e.add(column, half * kLanes), frame.parameter);
        for (const Words &words : plan)
          rows[odd].push_back(body.unrounded(words.position));
      }
      for (unsigned i = 0; i < plan.size(); ++i)
        storeWords(narrowTwo(e, rows[0][i], rows[1][i]), r, half, tiles[i], pairs[i]);
    }
  });
}

void SubTile::storeWords(Value both, Value r, int64_t half, Value tiles, Value pairs) {
  if (tiles)
    for (int64_t odd = 0; odd < 2; ++odd) {
      Value word = e.add(e.mul(e.add(r, odd), kTileWords), half * kLanes / 2);
      e.storeRaw(halfOfRows(e, both, odd), e.offset(tiles, e.i32, word), 4);
    }
  if (pairs) {
    Value word = e.add(e.mul(e.div(r, 2), kPairWords), half * kLanes);
    e.storeRaw(pairHalves(e, both), e.offset(pairs, e.i32, word), 4);
  }
}

/// Writes the transpose of the block to an output at (column, row): what are tile words of one are pairs of the
/// other.
void SubTile::writeTransposed(const Operand &output, const Words &words, Value row, Value column) {
  for (int64_t part = 0; part < 2; ++part) {
    Value zero = e.index(0), start = e.index(part * kLanes);
    if (isTiles(output.attr.getLayout())) {
      Value at = packedAddress(output, e.add(column, part * kLanes), row);
      Value source = e.offset(pairWords(words, row, zero, column), e.i32, start);
      routines.transposeWords(e, source, kPairWords, at, kTileWords);
    } else {
      Value at = e.offset(packedAddress(output, column, row), e.i32, start);
      routines.transposeWords(e, tileWords(words, row, start, column), kTileWords, at, kPairWords);
    }
  }
}

void SubTile::emitNarrow(Value row, Value column, Accumulators accumulators, Value mirrored) {
  SmallVector<Words> plan = planWords();
  e.loop(e.index(0), e.index(kSide), kLanes,
         [&](Value strip) { emitNarrowStrip(plan, row, strip, column, accumulators); });
  auto transposeAll = [&](llvm::function_ref<bool(Layout)> isWanted) {
    for (const Staged &output : outputs) {
      auto sameValue = [&](const Words &words) {
        return body.yieldedValue(words.position) == body.yieldedValue(output.position);
      };
      if (isWanted(output.operand->attr.getLayout()))
        writeTransposed(*output.operand, *llvm::find_if(plan, sameValue), row, column);
    }
  };
  transposeAll(isTurned);
  if (mirrored)
    e.when(mirrored, [&] { transposeAll([](Layout) { return true; }); });
}

Value SubTile::fitsNarrow(Value row, Value column, Value rows, Value columns) {
  Value last = e.index(kSide - 1);
  Value inside = e.both(e.less(last, e.sub(rows, row)), e.less(last, e.sub(columns, column)));
  return e.both(inside, unitStrides);
}
