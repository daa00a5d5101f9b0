//===- Chunk.cpp - a kernel's body over 8 adjacent elements of a row --------------------------===//

#include "Chunk.h"

#include "muon/Plan/GpuTiles.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

static constexpr int64_t kAccess = 16; // bytes

Chunk::Chunk(Emitter &e, KernelOp kernel, Body &body, const Frame &frame, Value rows, Value columns)
    : e(e), kernel(kernel), body(body), frame(frame), rows(rows), columns(columns) {
  unsigned output = 0;
  for (const Operand &operand : frame.operands) {
    if (operand.isIn())
      continue;
    pads |= operand.isPadded();
    if (operand.isReduction())
      reductions.push_back({output, &operand, body.yieldedType(output)});
    ++output;
  }
  writtenRows = pads ? e.roundUp(rows, kPadding) : rows;
  writtenColumns = pads ? e.roundUp(columns, kPadding) : columns;
  aligned = findAligned();
}

/// Whether rows of every matrix the body touches start on 16 bytes and have unit column stride.
Value Chunk::findAligned() {
  Value odd = e.integer(e.i64, 0);
  for (unsigned i = kernel.numPanels(); i < frame.operands.size(); ++i) {
    const Operand &operand = frame.operands[i];
    if (!operand.isElement())
      continue;
    Value address = e.make<LLVM::PtrToIntOp>(e.i64, operand.data);
    Value low = e.rem(e.either(address, e.mul(operand.rowStride, operand.bytes())), kAccess);
    odd = e.either(odd, e.either(low, e.exclusiveOr(operand.columnStride, 1)));
  }
  return e.equal(odd, 0);
}

SmallVector<Value> Chunk::combine(ValueRange sums) {
  SmallVector<Value> next;
  for (auto [reduced, sum] : llvm::zip(reductions, sums))
    next.push_back(e.combine(reduced.kind(), sum, body.yielded(reduced.output)));
  return next;
}

/// Row values; a result per row is stored by the chunk at column 0.
void Chunk::emitRow(Value row, Value column) {
  Value inside = e.min(row, e.sub(rows, e.index(1))); // rows of the padding have no values of their own
  for (unsigned i = kernel.numPanels(); i < frame.operands.size(); ++i) {
    const Operand &operand = frame.operands[i];
    if (operand.isIn() && operand.attr.getSpace() == Space::row)
      body.set(body.argument(i),
               e.load(operand.attr.getDtype(), elementAddress(e, operand, inside, {}), operand.bytes()));
  }
  body.emit(Level::row, row, {}, frame.parameter);
  Value first = e.both(e.equal(column, 0), e.less(row, rows));
  unsigned output = 0;
  for (const Operand &operand : frame.operands) {
    if (operand.isIn())
      continue;
    if (operand.attr.getSpace() == Space::row && !operand.isReduction())
      e.when(first, [&] { e.store(body.yielded(output), elementAddress(e, operand, row, {}), operand.bytes()); });
    ++output;
  }
}

//===----------------------------------------------------------------------------------------------===//
// Full chunks
//===----------------------------------------------------------------------------------------------===//

SmallVector<Value> Chunk::loadFull(const Operand &operand, Value row, Value column) {
  Type dtype = operand.attr.getDtype();
  SmallVector<Value> elements;
  if (!operand.isElement()) { // along the columns: shared by all rows, so it comes from the cache
    for (int64_t i = 0; i < kChunk; ++i)
      elements.push_back(e.load(dtype, elementAddress(e, operand, {}, e.add(column, i)), operand.bytes()));
    return elements;
  }
  Value at = elementAddress(e, operand, row, column);
  if (operand.isInParts())
    return addParts(operand, at, [&](Value part) { return loadVectors(operand, part); });
  return loadVectors(operand, at);
}

SmallVector<Value> Chunk::loadVectors(const Operand &operand, Value address) {
  SmallVector<Value> elements;
  int64_t each = kAccess / operand.bytes();
  for (int64_t begin = 0; begin < kChunk; begin += each) {
    Value part =
        e.load(VectorType::get({each}, operand.attr.getDtype()), e.bytes(address, begin * operand.bytes()), kAccess);
    for (int64_t i = 0; i < each; ++i)
      elements.push_back(e.lane(part, i));
  }
  return elements;
}

/// What lies at `address` in the first part plus the same of the others, one after the other.
SmallVector<Value> Chunk::addParts(const Operand &operand, Value address,
                                   llvm::function_ref<SmallVector<Value>(Value)> loadAt) {
  Value partBytes = e.mul(e.mul(e.wide(rows), operand.rowStride), operand.bytes());
  return e.loop(e.index(1), operand.parts, e.index(1), loadAt(address), [&](Value part, ValueRange sums) {
    SmallVector<Value> next = loadAt(e.bytes(address, e.mul(e.wide(part), partBytes)));
    for (auto [value, sum] : llvm::zip(next, sums))
      value = e.make<arith::AddFOp>(sum, value);
    return next;
  });
}

void Chunk::storeFull(const Operand &operand, Value row, Value column, ArrayRef<Value> elements) {
  Value at = elementAddress(e, operand, row, column);
  int64_t each = kAccess / operand.bytes();
  for (int64_t begin = 0; begin < kChunk; begin += each)
    e.store(e.vectorOf(elements.slice(begin, each)), e.bytes(at, begin * operand.bytes()), kAccess);
}

SmallVector<Value> Chunk::emitFull(Value row, Value column, const Accumulators *accumulators, ValueRange sums) {
  SmallVector<std::pair<unsigned, SmallVector<Value>>> inputs;
  for (unsigned i = kernel.numPanels(); i < frame.operands.size(); ++i) {
    const Operand &operand = frame.operands[i];
    if (operand.isIn() && (operand.isElement() || operand.attr.getSpace() == Space::column))
      inputs.push_back({i, loadFull(operand, row, column)});
  }
  SmallVector<Value> accumulated = accumulators ? accumulators->all() : SmallVector<Value>();
  SmallVector<Value> running(sums);
  SmallVector<SmallVector<Value>> results(frame.operands.size());
  for (int64_t i = 0; i < kChunk; ++i) {
    for (auto &[operand, elements] : inputs)
      body.set(body.argument(operand), elements[i]);
    if (accumulators)
      body.set(body.accumulator(), accumulated[i]);
    body.emit(Level::element, row, e.add(column, i), frame.parameter);
    running = combine(running);
    unsigned output = 0;
    for (auto [operand, elements] : llvm::zip(frame.operands, results))
      if (!operand.isIn())
        elements.push_back(body.yielded(output++));
  }
  for (auto [operand, elements] : llvm::zip(frame.operands, results))
    if (!operand.isIn() && operand.isElement())
      storeFull(operand, row, column, elements);
  return running;
}

//===----------------------------------------------------------------------------------------------===//
// Ragged chunks
//===----------------------------------------------------------------------------------------------===//

void Chunk::loadElement(unsigned i, Value row, Value column) {
  const Operand &operand = frame.operands[i];
  if (!operand.isIn() || (!operand.isElement() && operand.attr.getSpace() != Space::column))
    return;
  Value at = elementAddress(e, operand, operand.isElement() ? row : Value(), column);
  auto load = [&](Value address) {
    return SmallVector<Value>{e.load(operand.attr.getDtype(), address, operand.bytes())};
  };
  body.set(body.argument(i), operand.isInParts() ? addParts(operand, at, load)[0] : load(at)[0]);
}

SmallVector<Value> Chunk::emitRagged(Value row, Value column, const Accumulators *accumulators, ValueRange sums) {
  SmallVector<std::pair<const Operand *, unsigned>> padded, plain;
  unsigned output = 0;
  for (const Operand &operand : frame.operands) {
    if (!operand.isIn() && operand.isElement())
      (operand.isPadded() ? padded : plain).push_back({&operand, output});
    output += !operand.isIn();
  }
  SmallVector<Type> types;
  for (auto [operand, position] : padded)
    types.push_back(operand->attr.getDtype());
  llvm::append_range(types, sums.getTypes());
  return e.loop(e.index(0), e.index(kChunk), e.index(1), sums, [&](Value i, ValueRange running) {
    Value at = e.add(column, i);
    auto compute = [&] {
      for (unsigned operand = kernel.numPanels(); operand < frame.operands.size(); ++operand)
        loadElement(operand, row, at);
      if (accumulators)
        body.set(body.accumulator(), accumulators->one(i));
      body.emit(Level::element, row, at, frame.parameter);
      SmallVector<Value> results;
      for (auto [operand, position] : plain)
        e.store(body.yielded(position), elementAddress(e, *operand, row, at), operand->bytes());
      for (auto [operand, position] : padded)
        results.push_back(body.yielded(position));
      llvm::append_range(results, combine(running));
      return results;
    };
    auto pad = [&] {
      SmallVector<Value> results;
      for (auto [operand, position] : padded)
        results.push_back(e.zero(operand->attr.getDtype()));
      llvm::append_range(results, running);
      return results;
    };
    SmallVector<Value> results = e.choose(types, e.both(e.less(row, rows), e.less(at, columns)), compute, pad);
    for (auto [target, result] : llvm::zip(padded, results))
      e.store(result, elementAddress(e, *target.first, row, at), target.first->bytes());
    return SmallVector<Value>(ArrayRef<Value>(results).drop_front(padded.size()));
  });
}

SmallVector<Value> Chunk::emit(Value row, Value column, const Accumulators *accumulators, ValueRange sums) {
  emitRow(row, column);
  Value whole = e.negate(e.less(columns, e.add(column, kChunk)));
  Value full = e.both(aligned, e.both(e.less(row, rows), whole));
  SmallVector<Type> types(sums.getTypes());
  return e.choose(
      types, full, [&] { return emitFull(row, column, accumulators, sums); },
      [&] { return emitRagged(row, column, accumulators, sums); });
}
