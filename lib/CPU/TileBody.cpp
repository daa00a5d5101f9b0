//===- TileBody.cpp - the body over an AMX tile
//------------------------------------------===//
//
// 32 x 32 elements in slices: two rows of all columns, or the transpose of 16 x 16 words. bf16 goes to operands in
// up to four arrangements of 32-bit words: a row of a tile is 16 words of adjacent columns, a row of pairs 32 words of adjacent
// rows, and either may be wanted transposed. One conversion narrows 16 columns of two rows, both arrangements come from it by
// moves, and a transpose moves words, half as many as elements.
//
//===-------------------------------------------------------------------------------------------===//

#include "SubTile.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

static constexpr int64_t kSide = 32;
/// Words from one row to the next of a tile, and of pairs.
static constexpr int64_t kTileWords = 16, kPairWords = 32;
/// Slices of two rows, and of an output's transpose.
static constexpr int64_t kRowSlices = kSide / 2, kTurnSlices = 2;

bool cpu::slicesTiles(KernelOp kernel, const Machine &machine) {
  if (!machine.amx || machine.lanes() != kSide)
    return false;
  // Words of one value go to one place of each layout.
  llvm::SmallDenseSet<std::pair<Value, unsigned>> places;
  unsigned output = 0;
  auto yield = cast<YieldOp>(kernel.getBody().front().getTerminator());
  for (auto operand : kernel.getOperands().getAsRange<OperandAttr>())
    if (operand.getDirection() == Direction::out) {
      auto place = std::pair(yield.getOperand(output++), static_cast<unsigned>(operand.getLayout()));
      if (operand.getLayout() != Layout::plain && !places.insert(place).second)
        return false;
    }
  auto bodyOperands = llvm::drop_begin(kernel.getOperands().getAsRange<OperandAttr>(), kernel.numPanels());
  return llvm::all_of(bodyOperands, [&](OperandAttr operand) {
    Layout layout = operand.getLayout();
    if (operand.getDirection() == Direction::in)
      return !isTurned(layout);
    if (operand.getReduction() != Reduction::none)
      return operand.getSpace() == Space::scalar;
    if (layout == Layout::plain)
      return !kernel.getSymmetric();
    return operand.getDtype().isBF16() && !(kernel.getSymmetric() && isTurned(layout));
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

void SubTile::beginTile() {
  llvm::DenseMap<Value, unsigned> known;
  for (Staged &output : outputs) {
    Layout layout = output.operand->attr.getLayout();
    if (layout == Layout::plain)
      continue;
    auto [place, isNew] = known.try_emplace(body.yieldedValue(output.position), words.size());
    output.words = place->second;
    if (isNew)
      words.emplace_back().position = output.position;
    Words &own = words[output.words];
    if (layout == Layout::row_tiles)
      own.tiles = output.operand;
    if (layout == Layout::columns)
      own.pairs = output.operand;
    bool mirrors = kernel.getSymmetric();
    own.needsTiles |= layout == Layout::row_tiles || layout == Layout::rows || mirrors;
    own.needsPairs |= layout == Layout::columns || layout == Layout::column_tiles || mirrors;
    if (mirrors || isTurned(layout))
      transposed.push_back(&output);
  }
  for (Words &own : words) {
    if (own.needsTiles && !own.tiles)
      own.tileStage = e.stack(kSide * kTileWords * 4);
    if (own.needsPairs && !own.pairs)
      own.pairStage = e.stack(kSide / 2 * kPairWords * 4);
  }
}

Value SubTile::tileSlices(Value mirrored) {
  Value all = e.index(kRowSlices + kTurnSlices * transposed.size());
  return mirrored ? e.select(mirrored, all, e.index(kRowSlices)) : all;
}

/// The strip of 16 rows of tile words that starts at `row`, `strip` rows into the tile.
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

/// The body over rows `first` and `first` + 1 of the tile.
void SubTile::emitTileRows(Value first, Value row, Value column, Accumulators accumulators) {
  Value r = e.rem(first, kLanes), strip = e.sub(first, r), atRow = e.add(row, strip), mirrored;
  if (kernel.getSymmetric() && !reductions.empty())
    mirrored = e.value<arith::XOrIOp>(e.equal(row, column), e.bits(e.i1, 1));
  for (int64_t half = 0; half < 2; ++half) {
    Value atColumn = e.add(column, half * kLanes);
    SmallVector<Value> from, rows[2];
    for (const Staged &input : inputs)
      from.push_back(placeOf(*input.operand, atRow, atColumn));
    for (bool odd : {false, true}) {
      Value inTile = e.add(first, odd);
      emitRowLevel(e, kernel, body, frame, e.add(row, inTile));
      setInputs(r, odd, from);
      Value at = e.add(e.mul(inTile, accumulators.stride), half * kLanes);
      body.set(body.accumulator(), e.loadLanes(e.f32, e.offset(accumulators.data, e.f32, at)));
      body.emit(Level::element, e.add(row, inTile), atColumn, frame.parameter);
      reductions.accumulateInTotal(mirrored);
      for (const Words &own : words)
        rows[odd].push_back(body.unrounded(own.position));
      for (const Staged &output : outputs)
        if (!output.operand->isPacked())
          e.storeLanes(output.operand->attr.getDtype(), body.yielded(output.position),
                       elementAddress(e, *output.operand, e.add(row, inTile), atColumn));
    }
    for (auto [i, own] : llvm::enumerate(words)) {
      Value tiles = own.needsTiles ? tileWords(own, row, strip, column) : Value();
      Value pairs = own.needsPairs ? pairWords(own, row, strip, column) : Value();
      storeWords(narrowTwo(e, rows[0][i], rows[1][i]), r, half, tiles, pairs);
    }
  }
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

/// Slice `slice` of the transpose of the tile, written to an output at (column, row): what are tile words of one are pairs of the other.
void SubTile::emitTurnSlice(const Staged &output, Value slice, Value row, Value column) {
  const Words &own = words[output.words];
  Value zero = e.index(0), part = e.mul(slice, kLanes);
  if (isTiles(output.operand->attr.getLayout())) {
    Value source = e.offset(pairWords(own, row, zero, column), e.i32, part);
    routines.transposeWords(e, source, kPairWords, packedAddress(*output.operand, e.add(column, part), row), kTileWords);
  } else {
    Value at = e.offset(packedAddress(*output.operand, column, row), e.i32, part);
    routines.transposeWords(e, tileWords(own, row, part, column), kTileWords, at, kPairWords);
  }
}

/// Asks for the lines that a later slice of rows writes, and for two of those that the transpose will be written to. Tiles and
/// pairs alike have two lines for two rows.
void SubTile::prefetchForSlice(Value slice, Value row, Value column) {
  auto ask = [&](const Operand &output, Value slice, Value row, Value column) {
    Value line;
    if (isTiles(output.attr.getLayout())) {
      Value strip = e.mul(e.div(slice, 8), kLanes);
      line = e.bytes(packedAddress(output, e.add(row, strip), column), e.mul(e.rem(slice, 8), 2 * kLineBytes));
    } else {
      line = e.bytes(packedAddress(output, row, column), e.mul(slice, 2 * kLineBytes));
    }
    e.prefetchToWrite(line);
    e.prefetchToWrite(e.bytes(line, e.index(kLineBytes)));
  };
  constexpr int64_t kAhead = 4;
  for (const Staged &output : outputs)
    if (output.operand->isPacked() && !isTurned(output.operand->attr.getLayout()))
      ask(*output.operand, e.rem(e.add(slice, kAhead), kRowSlices), row, column);
  for (const Staged *output : transposed)
    ask(*output->operand, slice, column, row);
}

void SubTile::emitTileSlice(Value slice, Value row, Value column, Accumulators accumulators) {
  e.when(
      e.less(slice, e.index(kRowSlices)), [&] {
        prefetchForSlice(slice, row, column);
        emitTileRows(e.mul(slice, 2), row, column, accumulators);
      },
      [&] {
        for (auto [i, output] : llvm::enumerate(transposed)) {
          Value own = e.sub(slice, e.index(kRowSlices + kTurnSlices * i));
          Value isOwn = e.value<arith::CmpIOp>(arith::CmpIPredicate::ult, own, e.index(kTurnSlices));
          e.when(isOwn, [&] { emitTurnSlice(*output, own, row, column); });
        }
      });
}

Value SubTile::fitsTile(Value row, Value column, Value rows, Value columns) {
  Value last = e.index(kSide - 1);
  Value inside = e.both(e.less(last, e.sub(rows, row)), e.less(last, e.sub(columns, column)));
  return e.both(inside, unitStrides);
}
