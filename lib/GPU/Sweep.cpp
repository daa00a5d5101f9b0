//===- Sweep.cpp - a run of chunks of one matrix, or whole rows of it -------------------------===//

#include "Blocks.h"
#include "Chunk.h"
#include "LaunchAbi.h"

#include "muon/Plan/GpuTiles.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

static constexpr int64_t kWarps = kSweepThreads / kWarp;

namespace {
class Sweep {
public:
  Sweep(Emitter &e, KernelOp kernel, Body &body, const Frame &frame)
      : e(e), kernel(kernel), body(body), frame(frame), rows(frame.sizes[abi::kRows]),
        chunk(e, kernel, body, frame, rows, frame.sizes[abi::kColumns]) {}
  void emit();

private:
  SmallVector<Value> start();
  SmallVector<Value> walkChunks();
  SmallVector<Value> walkRows();
  SmallVector<Value> walkRow(Value row, ValueRange totals);
  void storePartials(ValueRange sums);
  void storeUniform();

  Emitter &e;
  KernelOp kernel;
  Body &body;
  const Frame &frame;
  Value rows;
  Chunk chunk;
};
} // namespace

bool muon::gpu::reducesRows(KernelOp kernel) {
  return llvm::any_of(kernel.getOperands().getAsRange<OperandAttr>(), [](OperandAttr operand) {
    return operand.getDirection() == Direction::out && operand.getReduction() != Reduction::none &&
           operand.getSpace() == Space::row;
  });
}

static int64_t numFullReductions(KernelOp kernel) {
  return llvm::count_if(kernel.getOperands().getAsRange<OperandAttr>(), [](OperandAttr operand) {
    return operand.getDirection() == Direction::out && operand.getReduction() != Reduction::none &&
           operand.getSpace() == Space::scalar;
  });
}

unsigned muon::gpu::sweepSharedBytes(KernelOp kernel) { return numFullReductions(kernel) * kWarps * sizeof(double); }

/// What the reduced outputs start from.
SmallVector<Value> Sweep::start() {
  SmallVector<Value> sums;
  for (const Chunk::Reduced &reduced : chunk.reduced())
    sums.push_back(e.identity(reduced.kind(), reduced.type));
  return sums;
}

/// The tile's chunks, counted along the rows; neighbouring threads take neighbouring chunks.
SmallVector<Value> Sweep::walkChunks() {
  Value perRow = e.ceilDiv(chunk.extentColumns(), kChunk);
  Value total = e.mul(perRow, chunk.extentRows()), first = e.mul(frame.tile, frame.sizes[abi::kTile]);
  Value last = e.min(total, e.add(first, frame.sizes[abi::kTile]));
  return e.loop(e.add(first, frame.thread), last, e.index(kSweepThreads), start(), [&](Value i, ValueRange sums) {
    Value row = e.div(i, perRow), inRow = e.sub(i, e.mul(row, perRow));
    return chunk.emit(row, e.mul(inRow, kChunk), nullptr, sums);
  });
}

/// One row in one warp. Results per row are stored; `totals` gain the row's share of the others.
SmallVector<Value> Sweep::walkRow(Value row, ValueRange totals) {
  Value lane = e.rem(frame.thread, kWarp), first = e.mul(lane, kChunk);
  SmallVector<Value> sums =
      e.loop(first, chunk.extentColumns(), e.index(kWarp * kChunk), start(),
             [&](Value column, ValueRange sums) { return chunk.emit(row, column, nullptr, sums); });
  SmallVector<Value> next;
  Value stores = e.both(e.equal(lane, 0), e.less(row, rows));
  for (auto [reduced, sum, total] : llvm::zip(chunk.reduced(), sums, totals)) {
    if (reduced.operand->attr.getSpace() != Space::row) {
      next.push_back(e.combine(reduced.kind(), total, sum));
      continue;
    }
    next.push_back(total);
    const Operand &operand = *reduced.operand;
    Value result = e.acrossLanes(reduced.kind(), sum);
    e.when(stores, [&] { e.store(result, elementAddress(e, operand, row, {}), operand.bytes()); });
  }
  return next;
}

/// The tile's rows, one after the other in each warp.
SmallVector<Value> Sweep::walkRows() {
  Value first = e.mul(frame.tile, frame.sizes[abi::kTile]), warp = e.div(frame.thread, kWarp);
  Value last = e.min(chunk.extentRows(), e.add(first, frame.sizes[abi::kTile]));
  return e.loop(e.add(first, warp), last, e.index(kWarps), start(),
                [&](Value row, ValueRange totals) { return walkRow(row, totals); });
}

/// A tile's share of every full reduction: lanes, then warps in order, stored as f64.
void Sweep::storePartials(ValueRange sums) {
  Value lane = e.rem(frame.thread, kWarp), warp = e.div(frame.thread, kWarp);
  SmallVector<std::pair<const Chunk::Reduced *, Value>> places;
  for (auto [reduced, sum] : llvm::zip(chunk.reduced(), sums)) {
    if (reduced.operand->attr.getSpace() == Space::row)
      continue;
    Value inWarp = e.acrossLanes(reduced.kind(), sum);
    if (!inWarp.getType().isF64())
      inWarp = e.make<arith::ExtFOp>(e.f64, inWarp);
    Value place = e.bytes(e.sharedMemory(), places.size() * kWarps * sizeof(double));
    e.when(e.equal(lane, 0), [&] { e.store(inWarp, e.bytes(place, e.mul(warp, sizeof(double))), sizeof(double)); });
    places.push_back({&reduced, place});
  }
  if (places.empty())
    return;
  e.barrier();
  e.when(e.equal(frame.thread, 0), [&] {
    for (auto [reduced, place] : places) {
      Value total = e.load(e.f64, place, sizeof(double));
      for (int64_t i = 1; i < kWarps; ++i)
        total = e.combine(reduced->kind(), total, e.load(e.f64, e.bytes(place, i * sizeof(double)), sizeof(double)));
      e.store(total, e.bytes(reduced->operand->data, e.mul(frame.tile, sizeof(double))), sizeof(double));
    }
  });
}

/// Results that are the same for all elements: one thread of the matrix stores them.
void Sweep::storeUniform() {
  Value first = e.both(e.equal(frame.tile, 0), e.equal(frame.thread, 0));
  unsigned output = 0;
  for (const Operand &operand : frame.operands) {
    if (operand.isIn())
      continue;
    if (operand.attr.getSpace() == Space::scalar && !operand.isReduction())
      e.when(first, [&] { e.store(body.yielded(output), operand.data, operand.bytes()); });
    ++output;
  }
}

void Sweep::emit() {
  storeUniform();
  storePartials(reducesRows(kernel) ? walkRows() : walkChunks());
}

void muon::gpu::emitSweep(Emitter &e, KernelOp kernel, Body &body, const Frame &frame) {
  Sweep(e, kernel, body, frame).emit();
}
