//===- TileBody.cpp - the body over an AMX tile -----------------------------------------------===//
//
// 32 x 32 elements in slices: four rows of all columns, or the transpose of 16 x 16 words. bf16 goes to operands in
// up to four arrangements of 32-bit words: a row of a tile is 16 words of adjacent columns, a row of pairs 32 words of
// adjacent rows, and either may be wanted transposed. One conversion narrows 16 columns of two rows, both arrangements
// come from it by moves, and a transpose moves words, half as many as elements.
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
/// Slices of rows, and of an output's transpose.
static constexpr int64_t kSliceRows = 4, kRowSlices = kSide / kSliceRows, kTurnSlices = 2;

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
  for (Moved &output : outputs) {
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
      own.tileSlab = e.stack(kSide * kTileWords * 4);
    if (own.needsPairs && !own.pairs)
      own.pairSlab = e.stack(kSide / 2 * kPairWords * 4);
  }
}

Value SubTile::tileSlices(Value mirrored) {
  Value all = e.index(kRowSlices + kTurnSlices * transposed.size());
  return mirrored ? e.select(mirrored, all, e.index(kRowSlices)) : all;
}

/// Where the tile at (row, column) is in an operand. In tiles its lower 16 rows are a strip of their own.
SubTile::Place SubTile::placeInTile(const Operand &operand, Value row, Value column) {
  Type dtype = operand.attr.getDtype();
  int64_t size = dtype.getIntOrFloatBitWidth() / 8;
  if (operand.attr.getSpace() == Space::column)
    return {e.offset(operand.data, dtype, column), {}, e.index(0), kLanes * size};
  if (!operand.isPacked())
    return {elementAddress(e, operand, row, column), {}, e.mul(operand.rowStride, size), kLanes * size};
  Value upper = packedAddress(operand, row, column), rowBytes = e.index(kSide * size);
  if (!isTiles(operand.attr.getLayout()))
    return {upper, {}, rowBytes, kLineBytes};
  Value below = packedAddress(operand, e.add(row, kLanes), column);
  return {upper, e.bytes(below, e.index(-kLanes * kSide * size)), rowBytes, kLanes * size};
}

/// The address of row `r` of the tile.
Value SubTile::rowOf(const Place &place, Value r) {
  Value base = place.upper;
  if (place.lower)
    base = e.select(e.less(r, e.index(kLanes)), place.upper, place.lower);
  return e.bytes(base, e.mul(r, place.rowBytes));
}

SubTile::Tile SubTile::openTile(Value row, Value column, Accumulators sums) {
  Tile tile{row, column, sums, {}, {}, {}, {}, {}};
  for (const Moved &input : inputs)
    tile.inputs.push_back(placeInTile(*input.operand, row, column));
  for (const Moved &output : outputs)
    tile.outputs.push_back(isTurned(output.operand->attr.getLayout()) ? Place()
                                                                      : placeInTile(*output.operand, row, column));
  for (const Moved *output : transposed)
    tile.transposed.push_back(placeInTile(*output->operand, column, row));
  Value lineBytes = e.index(kLineBytes);
  for (const Words &own : words) {
    tile.tiles.push_back(own.tiles ? placeInTile(*own.tiles, row, column) : Place{own.tileSlab, {}, lineBytes});
    tile.pairs.push_back(own.pairs ? placeInTile(*own.pairs, row, column) : Place{own.pairSlab, {}, lineBytes});
  }
  return tile;
}

/// Row `r` after the one that `from` is at, 16 columns of it.
void SubTile::setTileInputs(const Tile &tile, ArrayRef<Value> from, int64_t r, int64_t half) {
  for (auto [input, place, start] : llvm::zip(inputs, tile.inputs, from)) {
    const Operand &operand = *input.operand;
    Type dtype = operand.attr.getDtype();
    bool pairs = isPairs(operand);
    Value at = e.bytes(start, e.add(e.mul(place.rowBytes, pairs ? r & ~1 : r), half * place.halfBytes));
    Value value = pairs ? halfOf(e, dtype, e.loadRaw(e.lanes(e.i32), at, 4), r & 1) : e.loadLanes(dtype, at);
    body.set(body.argument(input.position), value);
  }
}

/// The body over the slice of rows that starts at row `first` of the tile.
void SubTile::emitTileRows(Value first, const Tile &tile) {
  Value mirrored;
  if (kernel.getSymmetric() && !reductions.empty())
    mirrored = e.value<arith::XOrIOp>(e.equal(tile.row, tile.column), e.bits(e.i1, 1));
  auto startsOf = [&](ArrayRef<Place> places) {
    return llvm::map_to_vector(places, [&](const Place &place) { return place.upper ? rowOf(place, first) : Value(); });
  };
  SmallVector<Value> from = startsOf(tile.inputs), to = startsOf(tile.outputs);
  SmallVector<Value> tiles = startsOf(tile.tiles), pairs = startsOf(tile.pairs);
  Value sums = e.offset(tile.sums.data, e.f32, e.mul(first, tile.sums.stride));
  auto emitVector = [&](int64_t r, int64_t half, SmallVector<Value> &narrowed) {
    Value row = e.add(tile.row, e.add(first, r)), column = e.add(tile.column, half * kLanes);
    emitRowLevel(e, kernel, body, frame, row);
    setTileInputs(tile, from, r, half);
    Value at = e.offset(sums, e.f32, e.add(e.mul(tile.sums.stride, r), half * kLanes));
    body.set(body.accumulator(), e.loadLanes(e.f32, at));
    body.emit(Level::element, row, column, frame.parameter);
    reductions.accumulateInTotal(mirrored);
    for (const Words &own : words)
      narrowed.push_back(body.unrounded(own.position));
    for (auto [output, place, start] : llvm::zip(outputs, tile.outputs, to))
      if (!output.operand->isPacked())
        e.storeLanes(output.operand->attr.getDtype(), body.yielded(output.position),
                     e.bytes(start, e.add(e.mul(place.rowBytes, r), half * place.halfBytes)));
  };
  for (int64_t r = 0; r < kSliceRows; r += 2)
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<Value> even, odd;
      emitVector(r, half, even), emitVector(r + 1, half, odd);
      for (size_t i = 0; i < words.size(); ++i)
        storeWords(narrowTwo(e, even[i], odd[i]), r, half, words[i].needsTiles ? tiles[i] : Value(),
                   words[i].needsPairs ? pairs[i] : Value());
    }
}

/// Words of rows `r` and `r` + 1 after those that `tiles` and `pairs` are at.
void SubTile::storeWords(Value both, int64_t r, int64_t half, Value tiles, Value pairs) {
  if (tiles)
    for (int64_t odd = 0; odd < 2; ++odd) {
      int64_t word = (r + odd) * kTileWords + half * kLanes / 2;
      e.storeRaw(halfOfRows(e, both, odd), e.offset(tiles, e.i32, e.index(word)), 4);
    }
  if (pairs) {
    int64_t word = r / 2 * kPairWords + half * kLanes;
    e.storeRaw(pairHalves(e, both), e.offset(pairs, e.i32, e.index(word)), 4);
  }
}

/// Slice `slice` of the transpose of the tile, written to an output at (column, row): what are tile words of one are
/// pairs of the other.
void SubTile::emitTurnSlice(unsigned output, Value slice, const Tile &tile) {
  const Moved &moved = *transposed[output];
  const Place &to = tile.transposed[output], &tiles = tile.tiles[moved.words], &pairs = tile.pairs[moved.words];
  Value strip = e.mul(slice, kLanes), part = e.mul(slice, kLineBytes);
  if (isTiles(moved.operand->attr.getLayout()))
    routines.transposeWords(e, e.bytes(pairs.upper, part), kPairWords, rowOf(to, strip), kTileWords);
  else
    routines.transposeWords(e, rowOf(tiles, strip), kTileWords, e.bytes(to.upper, part), kPairWords);
}

/// Asks for the lines that a later slice of rows writes, and for as many of those that the transpose will be written
/// to. Tiles and pairs alike have a line for a row.
void SubTile::prefetchForRows(Value first, const Tile &tile) {
  auto ask = [&](const Place &place, Value r) {
    Value start = rowOf(place, r);
    for (int64_t line = 0; line < kSliceRows; ++line)
      e.prefetchToWrite(e.bytes(start, e.index(line * kLineBytes)));
  };
  constexpr int64_t kRowsAhead = 8;
  for (auto [output, place] : llvm::zip(outputs, tile.outputs))
    if (output.operand->isPacked() && place.upper)
      ask(place, e.rem(e.add(first, kRowsAhead), kSide));
  for (const Place &place : tile.transposed)
    ask(place, first);
}

void SubTile::emitTileSlice(Value slice, const Tile &tile) {
  e.when(
      e.less(slice, e.index(kRowSlices)),
      [&] {
        Value first = e.mul(slice, kSliceRows);
        prefetchForRows(first, tile);
        emitTileRows(first, tile);
      },
      [&] {
        for (unsigned i = 0; i < transposed.size(); ++i) {
          Value own = e.sub(slice, e.index(kRowSlices + kTurnSlices * i));
          Value isOwn = e.value<arith::CmpIOp>(arith::CmpIPredicate::ult, own, e.index(kTurnSlices));
          e.when(isOwn, [&] { emitTurnSlice(i, own, tile); });
        }
      });
}

Value SubTile::fitsTile(Value row, Value column, Value rows, Value columns) {
  Value last = e.index(kSide - 1);
  Value inside = e.both(e.less(last, e.sub(rows, row)), e.less(last, e.sub(columns, column)));
  return e.both(inside, unitStrides);
}
