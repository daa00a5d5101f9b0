//===- Triangle.cpp - symmetric matrices in a block's shared memory ---------------------------===//

#include "Triangle.h"

#include "Fragments.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

Triangle::Triangle(Emitter &e, Type element, Value lane)
    : element(element), elementBytes(element.getIntOrFloatBitWidth() / 8), e(e), lane(lane) {
  if (elementBytes == 4) {
    Value line = e.div(lane, 4), k = e.rem(lane, 4);
    for (int64_t half = 0; half < 2; ++half) {
      straightWords.push_back(place(line, e.add(k, 4 * half)));
      turnedWords.push_back(place(e.add(k, 4 * half), line));
    }
    return;
  }
  Value inCore = e.rem(lane, 8), core = e.div(lane, 8);
  straight = e.mul(lane, kRowBytes);
  Value exchanged = e.add(e.mul(e.rem(core, 2), 2), e.div(core, 2));
  crossed = e.add(e.mul(exchanged, kCoreBytes), e.mul(inCore, kRowBytes));
}

Value Triangle::offsetOf(Position tile) {
  Value number = e.add(e.div(e.mul(tile.row, e.add(tile.row, 1)), 2), tile.column);
  return e.mul(number, kChainTile * kChainTile * elementBytes);
}

/// Where in a tile an element of its first 8 rows and columns is.
Value Triangle::place(Value row, Value column) {
  if (elementBytes == 2)
    return e.add(e.mul(row, kRowBytes), e.mul(column, elementBytes));
  Value across = e.div(column, 4), inRow = e.mul(e.rem(column, 4), elementBytes);
  return e.add(e.add(e.mul(across, 2 * kCoreBytes), e.mul(e.exclusiveOr(row, e.mul(across, 4)), kRowBytes)), inRow);
}

Position Triangle::firstElement(Position tile) {
  return {e.add(e.mul(tile.row, kChainTile), e.div(lane, 4)),
          e.add(e.mul(tile.column, kChainTile), e.mul(e.rem(lane, 4), 2))};
}

void Triangle::copyTile(const Operand &from, Value matrix, Position at) {
  int64_t perRow = kChainTile * elementBytes / kRowBytes, rows = kWarp / perRow;
  Value row = e.div(lane, perRow), chunk = e.rem(lane, perRow), target = tile(matrix, at);
  Value placed = elementBytes == 4 ? e.exclusiveOr(row, e.mul(e.rem(chunk, 2), 4)) : row;
  Value inTile = e.add(e.mul(chunk, 2 * kCoreBytes), e.mul(placed, kRowBytes));
  Value column = e.add(e.mul(at.column, kChainTile), e.mul(chunk, kRowBytes / elementBytes));
  for (int64_t first = 0; first < kChainTile; first += rows) {
    Value source = elementAddress(e, from, e.add(e.add(e.mul(at.row, kChainTile), row), first), column);
    e.make<NVVM::CpAsyncOp>(e.bytes(target, e.add(inTile, first * kRowBytes)), source, kRowBytes,
                            NVVM::LoadCacheModifierKind::CG, Value());
  }
}

/// Lane 4 g + t holds line g (and g + 8) at k = t (and t + 4). One way for both sides of the diagonal: a branch would
/// keep the loads of the next fragment from being under way.
SmallVector<Value> Triangle::words(Value matrix, Value line, Value k, int64_t step, bool isB) {
  Value above = e.less(line, k), at = tile(matrix, {e.select(above, k, line), e.select(above, line, k)});
  SmallVector<Value> registers;
  for (int64_t i = 0; i < 4; ++i) {
    int64_t eight = isB ? i / 2 : i % 2, half = isB ? i % 2 : i / 2;
    Value inCore = e.select(above, turnedWords[half], straightWords[half]);
    Value core = e.index(halfOffset(step, eight));
    if (step != eight)
      core = e.select(above, core, e.index(halfOffset(eight, step)));
    registers.push_back(e.load(e.i32, e.bytes(e.bytes(at, inCore), core), elementBytes));
  }
  return registers;
}

SmallVector<Value> Triangle::fragment(Value matrix, Value line, Value k, int64_t step, bool isB) {
  if (elementBytes == 4)
    return words(matrix, line, k, step, isB);
  auto from = [&](Position at, Value inTile, NVVM::MMALayout layout) {
    return loadMatrices(e, e.bytes(matrix, e.add(offsetOf(at), inTile)), layout);
  };
  return e.choose(
      SmallVector<Type>(4, e.i32), e.less(line, k),
      [&] { return from({k, line}, isB ? straight : crossed, NVVM::MMALayout::col); },
      [&] { return from({line, k}, isB ? crossed : straight, NVVM::MMALayout::row); });
}

/// A word is two elements of 16 bits, or one.
void Triangle::storeTile(Value matrix, Position at, ArrayRef<Operand> to) {
  int64_t perWord = 4 / elementBytes;
  Value row = e.add(e.mul(at.row, kChainTile), e.div(lane, 4));
  Value column = e.add(e.mul(at.column, kChainTile), e.mul(e.rem(lane, 4), perWord));
  for (int64_t step = 0; step < stepsPerTile(); ++step)
    for (auto [i, word] : llvm::enumerate(fragment(matrix, at.row, at.column, step, /*isB=*/false)))
      for (const Operand &operand : to)
        e.store(word,
                elementAddress(e, operand, e.add(row, i % 2 * 8), e.add(column, (2 * step + i / 2) * 4 * perWord)), 4);
}

void Triangle::mirrorTile(Value tile) {
  Type word = elementBytes == 4 ? e.i32 : e.i16;
  Value row = e.div(lane, 4);
  for (int64_t odd = 0; odd < 2; ++odd) {
    Value column = e.add(e.mul(e.rem(lane, 4), 2), odd), above = place(row, column), below = place(column, row);
    auto copy = [&](int64_t from, int64_t to) {
      Value bits = e.load(word, e.bytes(tile, e.add(below, from)), elementBytes);
      e.store(bits, e.bytes(tile, e.add(above, to)), elementBytes);
    };
    copy(halfOffset(1, 0), halfOffset(0, 1));
    e.when(e.less(row, column), [&] {
      copy(0, 0);
      copy(halfOffset(1, 1), halfOffset(1, 1));
    });
  }
}
