//===- SubTile.cpp ----------------------------------------------------------------------------===//

#include "SubTile.h"

#include "muon/Plan/CpuTiles.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

Padding cpu::paddingOf(OperandAttr output, const Machine &machine) {
  if (output.getLayout() == Layout::plain)
    return {kLanes, kLanes};
  int64_t depth = depthGrain(output.getDtype());
  int64_t across = isTiles(output.getLayout()) ? kStripPair : machine.lanes();
  bool depthIsColumns = isTurned(output.getLayout()) != isTiles(output.getLayout());
  return depthIsColumns ? Padding{across, depth} : Padding{depth, across};
}

Padding cpu::paddingOf(KernelOp kernel, const Machine &machine) {
  Padding padding;
  for (auto operand : kernel.getOperands().getAsRange<OperandAttr>()) {
    if (operand.getDirection() == Direction::in)
      continue;
    Padding own = paddingOf(operand, machine);
    padding.rows = std::max(padding.rows, own.rows);
    padding.columns = std::max(padding.columns, own.columns);
  }
  if (kernel.getSymmetric())
    padding.rows = padding.columns = std::max(padding.rows, padding.columns);
  return padding;
}

SubTile::SubTile(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame,
                 Reductions &reductions)
    : e(e), routines(routines), kernel(kernel), body(body), frame(frame), reductions(reductions) {
  unsigned output = 0;
  llvm::DenseMap<Value, Value> slabs; // one for all outputs of the same value
  for (auto [i, operand] : llvm::enumerate(frame.operands)) {
    bool lanes = operand.isElement() || operand.attr.getSpace() == Space::column;
    if (operand.isIn() && i >= kernel.numPanels() && lanes)
      inputs.push_back({&operand, unsigned(i), e.stack(kSlabBytes), {}});
    if (operand.isIn())
      continue;
    if (operand.isElement()) {
      Value &slab = slabs[body.yieldedValue(output)];
      if (!slab)
        slab = e.stack(kSlabBytes);
      outputs.push_back({&operand, output, slab, paddingOf(operand.attr, e.machine)});
    }
    ++output;
  }
  walk = paddingOf(kernel, e.machine);
  turned = e.stack(kSlabBytes);
  unitStrides = hasUnitStrides(e, frame);
}

void cpu::emitRowLevel(Emitter &e, KernelOp kernel, Body &body, const Frame &frame, Value row) {
  unsigned output = 0;
  for (auto [i, operand] : llvm::enumerate(frame.operands)) {
    if (i < kernel.numPanels() || operand.attr.getSpace() != Space::row || !operand.isIn())
      continue;
    Type dtype = operand.attr.getDtype();
    Value at = e.offset(operand.data, dtype, e.mul(row, operand.rowStride));
    body.set(body.argument(i), e.loadElement(dtype, at));
  }
  body.emit(Level::row, row, {}, frame.parameter);
  for (const Operand &operand : frame.operands) {
    if (operand.isIn())
      continue;
    if (operand.attr.getSpace() == Space::row && !operand.isReduction()) {
      Type dtype = operand.attr.getDtype();
      Value at = e.offset(operand.data, dtype, e.mul(row, operand.rowStride));
      e.storeElement(dtype, body.yieldedScalar(output), at);
    }
    ++output;
  }
}

//===----------------------------------------------------------------------------------------------===//
// Moves
//===----------------------------------------------------------------------------------------------===//

/// Address of sub-tile (row, column) in a layout whose lanes run along columns (words, pairs) or
/// whose tiles hold 16 rows.
Value SubTile::packedAddress(const Operand &operand, Value row, Value column) {
  Type dtype = operand.attr.getDtype();
  if (isTiles(operand.attr.getLayout())) {
    Value strip = e.mul(e.div(row, kStripRows), operand.rowStride);
    Value tile = e.add(e.mul(e.div(column, kTileDepth), kStripRows * kTileDepth), e.rem(column, kTileDepth));
    return e.offset(operand.data, dtype, e.add(strip, tile));
  }
  int64_t lanes = e.machine.lanes();
  Value depth = isHalf(dtype) ? e.div(row, 2) : row;
  Value panel = e.mul(e.div(column, lanes), operand.rowStride);
  Value word = e.add(e.mul(depth, lanes), e.rem(column, lanes));
  return e.offset(operand.data, e.i32, e.add(panel, word));
}

void SubTile::read(const Moved &input, Value row, Value column, Value validRows, Value validColumns) {
  const Operand &operand = *input.operand;
  Type dtype = operand.attr.getDtype();
  if (operand.attr.getSpace() == Space::column) {
    Value at = e.offset(operand.data, dtype, e.mul(column, operand.columnStride));
    return routines.gather(e, dtype, input.slab, at, e.index(0), operand.columnStride, e.index(1), validColumns);
  }
  if (!operand.isPacked())
    return routines.gather(e, dtype, input.slab, elementAddress(e, operand, row, column), operand.rowStride,
                           operand.columnStride, validRows, validColumns);
  bool turn = isTurned(operand.attr.getLayout());
  Value at = turn ? packedAddress(operand, column, row) : packedAddress(operand, row, column);
  Value slab = turn ? turned : input.slab;
  if (isTiles(operand.attr.getLayout()))
    routines.readTile(e, slab, at);
  else if (isHalf(dtype))
    routines.readPairs(e, dtype, slab, at);
  else
    routines.readWords(e, slab, at);
  if (turn)
    routines.transpose(e, turned, input.slab);
}

void SubTile::write(const Moved &output, Value row, Value column, Value validRows, Value validColumns, bool mirror) {
  const Operand &operand = *output.operand;
  if (!operand.isPacked()) {
    Value at = mirror ? elementAddress(e, operand, column, row) : elementAddress(e, operand, row, column);
    Value rowStride = mirror ? operand.columnStride : operand.rowStride;
    Value columnStride = mirror ? operand.rowStride : operand.columnStride;
    return routines.scatter(e, operand.attr.getDtype(), output.slab, at, rowStride, columnStride, validRows,
                            validColumns);
  }
  // The transpose of a turned layout is the plain one at swapped coordinates, and so is a mirror
  // image.
  writePacked(output, row, column, isTurned(operand.attr.getLayout()) != mirror);
}

void SubTile::writePacked(const Moved &output, Value row, Value column, bool turn) {
  const Operand &operand = *output.operand;
  Type dtype = operand.attr.getDtype();
  Value at = turn ? packedAddress(operand, column, row) : packedAddress(operand, row, column);
  if (isPairs(operand))
    return turn ? routines.writeTurnedPairs(e, dtype, output.slab, at) : routines.writePairs(e, dtype, output.slab, at);
  using Write = void (Routines::*)(Emitter &, Value, Value);
  bool tiles = isTiles(operand.attr.getLayout());
  Write straight = tiles ? &Routines::writeTile : &Routines::writeWords;
  Write turning = tiles ? &Routines::writeTurnedTile : &Routines::writeTurnedWords;
  (routines.*(turn ? turning : straight))(e, output.slab, at);
}

/// Outputs padded less far than the walk goes have no memory for the last sub-tiles.
void SubTile::writeAll(Value row, Value column, Value rows, Value columns, bool mirror) {
  Value validRows = clamped(e.sub(rows, row)), validColumns = clamped(e.sub(columns, column));
  for (const Moved &output : outputs) {
    auto store = [&] { write(output, row, column, validRows, validColumns, mirror); };
    Padding own = output.padding;
    if (mirror)
      std::swap(own.rows, own.columns);
    if (!output.operand->isPacked() || (own.rows >= walk.rows && own.columns >= walk.columns)) {
      store();
      continue;
    }
    e.when(e.both(e.less(row, e.roundUp(rows, own.rows)), e.less(column, e.roundUp(columns, own.columns))), store);
  }
}

//===----------------------------------------------------------------------------------------------===//
// The body over the slab
//===----------------------------------------------------------------------------------------------===//

void SubTile::emitRow(Value r, Value row, Value column, Value validColumns, Accumulators accumulators) {
  Value slabOffset = e.mul(r, kLanes), mask = e.firstLanes(validColumns);
  emitRowLevel(e, kernel, body, frame, e.add(row, r));
  for (const Moved &input : inputs) {
    bool perColumn = input.operand->attr.getSpace() == Space::column;
    Value at = perColumn ? input.slab : e.offset(input.slab, e.f32, slabOffset);
    body.set(body.argument(input.position), e.loadLanes(e.f32, at));
  }
  if (accumulators.data) {
    Value at = e.offset(accumulators.data, e.f32, e.mul(r, accumulators.stride));
    body.set(body.accumulator(), e.loadLanes(e.f32, at));
  }
  body.emit(Level::element, e.add(row, r), column, frame.parameter);
  for (const Moved &output : outputs) {
    // Masked stores need no zeros, padding does.
    Value element = body.yielded(output.position);
    if (writesPacked())
      element = e.select(mask, element, e.zero(element.getType()));
    e.storeLanes(e.f32, element, e.offset(output.slab, e.f32, slabOffset));
  }
  reductions.accumulateInStrip(r, mask);
}

bool SubTile::writesPacked() const {
  return llvm::any_of(outputs, [](const Moved &o) { return o.operand->isPacked(); });
}

void SubTile::clearRows(Value from) {
  if (!writesPacked())
    return;
  e.loop(from, e.index(kLanes), 1, [&](Value r) {
    for (const Moved &output : outputs)
      e.storeLanes(e.f32, e.zero(e.lanes(e.f32)), e.offset(output.slab, e.f32, e.mul(r, kLanes)));
  });
}

Value SubTile::clamped(Value extent) { return e.value<arith::MaxSIOp>(e.min(extent, e.index(kLanes)), e.index(0)); }

void SubTile::emitRagged(Value row, Value column, Value rows, Value columns, Accumulators accumulators,
                         Value mirrored) {
  Value zero = e.index(0);
  Value validRows = clamped(e.sub(rows, row)), validColumns = clamped(e.sub(columns, column));
  // Beyond the matrix there is only padding to write; an input may not be as far padded.
  if (!inputs.empty())
    e.when(e.both(e.less(zero, validRows), e.less(zero, validColumns)), [&] {
      for (const Moved &input : inputs)
        read(input, row, column, validRows, validColumns);
    });
  e.loop(zero, validRows, 1, [&](Value r) { emitRow(r, row, column, validColumns, accumulators); });
  clearRows(validRows);
  writeAll(row, column, rows, columns, /*mirror=*/false);
  if (mirrored)
    e.when(mirrored, [&] { writeAll(row, column, rows, columns, /*mirror=*/true); });
}

void SubTile::emit(Value row, Value column, Value rows, Value columns, Accumulators accumulators, Value mirrored) {
  Value last = e.index(kLanes - 1);
  Value full = e.both(e.less(last, e.sub(rows, row)), e.less(last, e.sub(columns, column)));
  e.when(
      e.both(full, unitStrides), [&] { emitFull(row, column, accumulators, mirrored); },
      [&] { emitRagged(row, column, rows, columns, accumulators, mirrored); });
}
