//===- Sweep.cpp - all columns of some rows ---------------------------------------------------===//

#include "Kernels.h"
#include "LaunchAbi.h"
#include "SubTile.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

namespace {
class Sweep {
public:
  Sweep(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame)
      : e(e), routines(routines), kernel(kernel), body(body), frame(frame), reductions(e, body, frame) {}
  void emit();

private:
  bool touchesPacked() const;
  void walkRows();
  SmallVector<Value> emitLanes(Value row, Value column, Value count, ValueRange lanes);
  void walkSubTiles();

  Emitter &e;
  Routines &routines;
  KernelOp kernel;
  Body &body;
  const Frame &frame;
  Reductions reductions;
  Value first, last, rows, columns;
};
} // namespace

bool Sweep::touchesPacked() const {
  return llvm::any_of(frame.operands, [](const Operand &o) { return o.isPacked(); });
}

/// 16 columns of one row (or `count` of them); returns the reduction lanes after it.
SmallVector<Value> Sweep::emitLanes(Value row, Value column, Value count, ValueRange lanes) {
  for (auto [i, operand] : llvm::enumerate(frame.operands)) {
    bool alongColumns = operand.isElement() || operand.attr.getSpace() == Space::column;
    if (!operand.isIn() || !alongColumns)
      continue;
    Value start = operand.isElement() ? row : e.index(0);
    Value at = elementAddress(e, operand, start, column);
    body.set(body.argument(i), e.loadLanes(operand.attr.getDtype(), at, count));
  }
  body.emit(Level::element, row, column, frame.parameter);
  // Before the stores: LLVM makes one load of a masked load and the choice of its identity, where the choice stands.
  SmallVector<Value> next = reductions.accumulate(lanes, count ? e.firstLanes(count) : Value());
  unsigned output = 0;
  for (const Operand &operand : frame.operands) {
    if (operand.isIn())
      continue;
    if (operand.isElement()) {
      Value at = elementAddress(e, operand, row, column);
      e.storeLanes(operand.attr.getDtype(), body.yielded(output), at, count);
    }
    ++output;
  }
  return next;
}

void Sweep::walkRows() {
  Value tail = e.rem(columns, kLanes), whole = e.sub(columns, tail);
  e.loop(first, last, 1, [&](Value row) {
    emitRowLevel(e, kernel, body, frame, row);
    SmallVector<Value> lanes =
        e.loop(e.index(0), whole, kLanes, reductions.rowStart(),
               [&](Value column, ValueRange lanes) { return emitLanes(row, column, {}, lanes); });
    SmallVector<Type> types(ValueRange(lanes).getTypes());
    Value ragged = e.less(e.index(0), tail);
    if (types.empty())
      e.when(ragged, [&] { emitLanes(row, whole, tail, {}); });
    else
      lanes = e.choose(types, ragged, [&] { return emitLanes(row, whole, tail, lanes); }, [&] { return lanes; });
    reductions.endRow(lanes, row);
  });
}

void Sweep::walkSubTiles() {
  SubTile subTile(e, routines, kernel, body, frame, reductions);
  Padding padding = paddingOf(kernel, e.machine);
  // The tile with the last rows writes the padding below them too.
  Value end = e.select(e.equal(last, rows), e.roundUp(rows, padding.rows), last);
  // Two strips at a time fill a turned panel's words in one go; reductions keep the lanes of one
  // only.
  bool turned = llvm::any_of(frame.operands, [](const Operand &o) {
    return !o.isIn() && o.attr.getLayout() == Layout::rows && o.attr.getDtype().isF32();
  });
  int64_t strips = turned && reductions.empty() ? 2 * kLanes : kLanes;
  e.loop(first, end, strips, [&](Value row) {
    reductions.beginStrip();
    Value endOfStrips = e.min(end, e.add(row, strips));
    e.loop(e.index(0), e.roundUp(columns, padding.columns), kLanes, [&](Value column) {
      e.loop(row, endOfStrips, kLanes,
             [&](Value strip) { subTile.emit(strip, column, last, columns, {}, /*mirrored=*/{}); });
    });
    reductions.endStrip(row, e.min(e.index(kLanes), e.sub(last, row)));
  });
}

void Sweep::emit() {
  rows = frame.sizes[abi::kRows], columns = frame.sizes[abi::kColumns];
  first = e.mul(frame.tile, frame.sizes[abi::kTile]);
  last = e.min(rows, e.add(first, frame.sizes[abi::kTile]));
  reductions.begin();
  if (touchesPacked())
    walkSubTiles();
  else
    e.when(hasUnitStrides(e, frame), [&] { walkRows(); }, [&] { walkSubTiles(); });
  reductions.finish();
}

void cpu::emitSweep(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame) {
  Sweep(e, routines, kernel, body, frame).emit();
}
