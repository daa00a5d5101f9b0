//===- Reductions.cpp -------------------------------------------------------------------------===//

#include "Reductions.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

Reductions::Reductions(Emitter &e, Body &body, const Frame &frame) : e(e), body(body), frame(frame) {
  unsigned output = 0;
  for (const Operand &operand : frame.operands) {
    if (operand.isIn())
      continue;
    if (operand.isReduction())
      entries.push_back({&operand, output, body.yieldedType(output), {}, {}});
    ++output;
  }
}

void Reductions::begin() {
  for (Entry &entry : entries) {
    int64_t size = kLanes * alignment(entry);
    if (!entry.perRow()) {
      entry.total = e.stack(size);
      e.storeRaw(identity(e, entry.kind(), e.lanes(entry.type)), entry.total, alignment(entry));
    }
  }
}

SmallVector<Value> Reductions::rowStart() {
  SmallVector<Value> lanes;
  for (Entry &entry : entries)
    lanes.push_back(identity(e, entry.kind(), e.lanes(entry.type)));
  return lanes;
}

SmallVector<Value> Reductions::accumulate(ValueRange lanes, Value mask) {
  SmallVector<Value> next;
  for (auto [entry, sum] : llvm::zip(entries, lanes)) {
    Value element = body.yielded(entry.output);
    if (mask)
      element = e.select(mask, element, identity(e, entry.kind(), e.lanes(entry.type)));
    next.push_back(combine(e, entry.kind(), sum, element));
  }
  return next;
}

/// Halves are combined, then quarters, and so on: 16 lanes in four steps.
Value Reductions::acrossLanes(const Entry &entry, Value lanes) {
  for (int64_t distance = kLanes / 2; distance; distance /= 2) {
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < kLanes; ++i)
      mask.push_back(i ^ distance);
    lanes = combine(e, entry.kind(), lanes, e.shuffle(lanes, lanes, mask));
  }
  return e.lane(lanes, 0);
}

/// A scalar of a body type as an element of `dtype`.
static Value converted(Emitter &e, Value x, Type dtype) {
  if (dtype.isF64())
    return x.getType().isF64() ? x : Value(e.make<arith::ExtFOp>(e.f64, x));
  if (x.getType().isF64())
    x = e.make<arith::TruncFOp>(e.f32, x);
  return isHalf(dtype) ? e.roundTo(dtype, x) : x;
}

void Reductions::endRow(ValueRange lanes, Value row) {
  for (auto [entry, sum] : llvm::zip(entries, lanes)) {
    if (entry.perRow()) {
      Type dtype = entry.operand->attr.getDtype();
      Value at = e.offset(entry.operand->data, dtype, e.mul(row, entry.operand->rowStride));
      e.storeElement(dtype, converted(e, acrossLanes(entry, sum), dtype), at);
      continue;
    }
    Value total = e.loadRaw(e.lanes(entry.type), entry.total, alignment(entry));
    e.storeRaw(combine(e, entry.kind(), total, sum), entry.total, alignment(entry));
  }
}

void Reductions::finish() {
  for (Entry &entry : entries) {
    if (entry.perRow())
      continue;
    Value total = e.loadRaw(e.lanes(entry.type), entry.total, alignment(entry));
    Value result = converted(e, acrossLanes(entry, total), e.f64);
    e.storeElement(e.f64, result, e.offset(entry.operand->data, e.f64, frame.tile));
  }
}

/// What the lanes of a symmetric matrix's element stand for: twice in a sum where the transpose is written too.
Value Reductions::weighed(const Entry &entry, Value lanes, Value mirrored) {
  if (!mirrored || entry.perRow() || entry.kind() != Reduction::add)
    return lanes;
  return e.select(mirrored, combine(e, entry.kind(), lanes, lanes), lanes);
}

void Reductions::accumulateInTotal(Value mirrored) {
  for (Entry &entry : entries) {
    Value total = e.loadRaw(e.lanes(entry.type), entry.total, alignment(entry));
    Value element = weighed(entry, body.yielded(entry.output), mirrored);
    e.storeRaw(combine(e, entry.kind(), total, element), entry.total, alignment(entry));
  }
}

//===----------------------------------------------------------------------------------------------===//
// Strips
//===----------------------------------------------------------------------------------------------===//

Value Reductions::stripLanes(const Entry &entry, Value rowInStrip) {
  return e.offset(entry.strip, entry.type, e.mul(rowInStrip, kLanes));
}

void Reductions::beginStrip() {
  for (Entry &entry : entries) {
    entry.strip = e.stack(kLanes * kLanes * alignment(entry));
    e.loop(e.index(0), e.index(kLanes), 1, [&](Value r) {
      Value start = identity(e, entry.kind(), e.lanes(entry.type));
      e.storeRaw(start, stripLanes(entry, r), alignment(entry));
    });
  }
}

void Reductions::accumulateInStrip(Value rowInStrip, Value mask) {
  SmallVector<Value> lanes;
  for (Entry &entry : entries)
    lanes.push_back(e.loadRaw(e.lanes(entry.type), stripLanes(entry, rowInStrip), alignment(entry)));
  for (auto [entry, next] : llvm::zip(entries, accumulate(lanes, mask)))
    e.storeRaw(next, stripLanes(entry, rowInStrip), alignment(entry));
}

void Reductions::endStrip(Value firstRow, Value rows, Value mirrored) {
  if (empty())
    return;
  e.loop(e.index(0), rows, 1, [&](Value r) {
    SmallVector<Value> lanes;
    for (Entry &entry : entries) {
      Value sum = e.loadRaw(e.lanes(entry.type), stripLanes(entry, r), alignment(entry));
      lanes.push_back(weighed(entry, sum, mirrored));
    }
    endRow(lanes, e.add(firstRow, r));
  });
}
