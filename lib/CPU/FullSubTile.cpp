//===- FullSubTile.cpp - sub-tiles without an edge --------------------------------------------===//
//
// Rows go from memory through the body to memory, two at a time because two rows make a row of
// pairs. Only what is written transposed (a turned layout, a mirror image) passes through the
// slab.
//
//===-------------------------------------------------------------------------------------------===//

#include "SubTile.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

Value cpu::hasUnitStrides(Emitter &e, const Frame &frame) {
  Value unit = e.bits(e.i1, 1), one = e.index(1);
  for (const Operand &operand : frame.operands)
    if (!operand.isPacked() && (operand.isElement() || operand.attr.getSpace() == Space::column))
      unit = e.both(unit, e.equal(operand.columnStride, one));
  return unit;
}

/// Where row 0 of the sub-tile is in an operand whose rows are read or written directly.
Value SubTile::placeOf(const Operand &operand, Value row, Value column) {
  if (operand.attr.getSpace() == Space::column)
    return e.offset(operand.data, operand.attr.getDtype(), column);
  if (!operand.isPacked())
    return elementAddress(e, operand, row, column);
  return isTurned(operand.attr.getLayout()) ? Value() : packedAddress(operand, row, column);
}

/// The distance between rows of an operand in elements (pairs: in words, per two rows).
static Value rowDistance(Emitter &e, const Operand &operand) {
  if (operand.attr.getSpace() == Space::column)
    return e.index(0);
  if (!operand.isPacked())
    return operand.rowStride;
  return e.index(isTiles(operand.attr.getLayout()) ? 32 : e.machine.lanes());
}

/// Whether 16 columns of a row are one run of f32 words of a panel.
static bool isWords(const Operand &operand) {
  return operand.isPacked() && !isTurned(operand.attr.getLayout()) && operand.attr.getDtype().isF32();
}

/// Asks for what is written soon: the line of the mirror image that takes column r of the sub-tile, since rows of words
/// go there one a line, and those right of row r, which the next sub-tile writes.
void SubTile::prefetchLines(Value r, ArrayRef<Value> mirrors, ArrayRef<Value> places) {
  for (Value mirror : mirrors)
    e.prefetchToWrite(e.offset(mirror, e.f32, e.mul(r, e.machine.lanes())));
  for (auto [output, place] : llvm::zip(outputs, places)) {
    const Operand &operand = *output.operand;
    if (place && !isPairs(operand))
      e.prefetchToWrite(
          e.bytes(e.offset(place, operand.attr.getDtype(), e.mul(r, rowDistance(e, operand))), e.index(kLineBytes)));
  }
}

void SubTile::setInputs(Value r, bool odd, ArrayRef<Value> places) {
  Value inTile = e.add(r, odd);
  for (auto [input, place] : llvm::zip(inputs, places)) {
    const Operand &operand = *input.operand;
    Type dtype = operand.attr.getDtype();
    Value value;
    if (!place) {
      value = e.loadLanes(e.f32, e.offset(input.slab, e.f32, e.mul(inTile, kLanes)));
    } else if (isPairs(operand)) {
      Value at = e.offset(place, e.i32, e.mul(e.div(r, 2), rowDistance(e, operand)));
      value = halfOf(e, dtype, e.loadRaw(e.lanes(e.i32), at, 4), odd);
    } else {
      Value at = e.offset(place, dtype, e.mul(inTile, rowDistance(e, operand)));
      value = e.loadLanes(dtype, at);
    }
    body.set(body.argument(input.position), value);
  }
}

void SubTile::storeOutputs(Value r, bool odd, ArrayRef<Value> places) {
  Value inTile = e.add(r, odd);
  llvm::SmallDenseSet<Value> moved;
  for (auto [i, output] : llvm::enumerate(outputs)) {
    const Operand &operand = *output.operand;
    Type dtype = operand.attr.getDtype();
    Value element = body.yielded(output.position);
    if ((kernel.getSymmetric() || !places[i]) && moved.insert(output.slab).second)
      e.storeLanes(e.f32, element, e.offset(output.slab, e.f32, e.mul(inTile, kLanes)));
    if (!places[i])
      continue;
    if (isPairs(operand)) {
      if (!odd) {
        evenRows[i] = element;
        continue;
      }
      Value at = e.offset(places[i], e.i32, e.mul(e.div(r, 2), rowDistance(e, operand)));
      e.storeRaw(pairOf(e, dtype, evenRows[i], element), at, 4);
      continue;
    }
    Value at = e.offset(places[i], dtype, e.mul(inTile, rowDistance(e, operand)));
    e.storeLanes(dtype, element, at);
  }
}

void SubTile::emitFull(Value row, Value column, Accumulators accumulators, Value mirrored) {
  Value all = e.index(kLanes);
  SmallVector<Value> from, to;
  for (const Moved &input : inputs) {
    from.push_back(placeOf(*input.operand, row, column));
    if (!from.back())
      read(input, row, column, all, all);
  }
  for (const Moved &output : outputs)
    to.push_back(placeOf(*output.operand, row, column));
  evenRows.assign(outputs.size(), {});
  SmallVector<Value> mirrors;
  if (mirrored)
    for (const Moved &output : outputs)
      if (isWords(*output.operand))
        mirrors.push_back(packedAddress(*output.operand, column, row));
  e.loop(e.index(0), all, 2, [&](Value r) {
    for (bool odd : {false, true}) {
      Value inTile = e.add(r, odd), matrixRow = e.add(row, inTile);
      emitRowLevel(e, kernel, body, frame, matrixRow);
      setInputs(r, odd, from);
      if (accumulators.data) {
        Value at = e.offset(accumulators.data, e.f32, e.mul(inTile, accumulators.stride));
        body.set(body.accumulator(), e.loadLanes(e.f32, at));
      }
      body.emit(Level::element, matrixRow, column, frame.parameter);
      storeOutputs(r, odd, to);
      if (accumulators.data)
        prefetchLines(inTile, mirrors, to);
      reductions.accumulateInStrip(inTile, {});
    }
  });
  for (auto [output, place] : llvm::zip(outputs, to))
    if (!place)
      writePacked(output, row, column, /*turn=*/true);
  if (mirrored)
    e.when(mirrored, [&] {
      for (const Moved &output : outputs)
        write(output, row, column, all, all, /*mirror=*/true);
    });
}
