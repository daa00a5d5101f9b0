//===- Fragments.cpp - operands of mma.sync in shared memory ----------------------------------===//

#include "Fragments.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

static constexpr int64_t kAccess = 16;   // bytes of one copy, and of one row of an 8x8 matrix
static constexpr int64_t kRowBytes = 64; // of a tile along k
static constexpr int64_t kGroup = 16;    // lines one ldmatrix.x4 covers

SmallVector<Value> muon::gpu::loadMatrices(Emitter &e, Value address, NVVM::MMALayout layout) {
  auto result = LLVM::LLVMStructType::getLiteral(e.b.getContext(), SmallVector<Type>(4, e.i32));
  auto shape = NVVM::LdStMatrixShapeAttr::get(e.b.getContext(), 8, 8);
  Value loaded = e.make<NVVM::LdMatrixOp>(result, address, 4, layout, shape, NVVM::LdStMatrixEltType::B16);
  SmallVector<Value> registers;
  for (int64_t i = 0; i < 4; ++i)
    registers.push_back(e.make<LLVM::ExtractValueOp>(loaded, i));
  return registers;
}

FragmentSource::FragmentSource(Emitter &e, const Operand &operand, bool alongK, int64_t lines, int64_t depth,
                               Value first, Value limit, Value warpLine, int64_t tileOffset, int64_t threads,
                               Value thread, bool isA)
    : e(e), operand(operand), alongK(alongK), isA(isA), lines(lines), depth(depth), elementBytes(operand.bytes()),
      tileOffset(tileOffset) {
  copies = tileBytes() / kAccess / threads;
  planCopies(first, limit, threads, thread);
  if (!alongK && elementBytes == 4)
    planWordLoads(warpLine, e.rem(thread, kWarp));
  else
    planLoads(warpLine, e.rem(thread, kWarp));
}

/// Where chunk `chunk` of row `row` of the tile lies within the row.
Value FragmentSource::swizzled(Value row, Value chunk) {
  constexpr int64_t kAllBanks = 128;
  if (!alongK && elementBytes == 4)
    return e.exclusiveOr(chunk, e.mul(e.rem(row, 4), 2));
  bool byEight = !alongK && lines * elementBytes % kAllBanks == 0;
  return e.exclusiveOr(chunk, byEight ? e.rem(row, 8) : e.rem(e.div(row, 2), 4));
}

/// Neighbouring threads take neighbouring chunks of a row.
void FragmentSource::planCopies(Value first, Value limit, int64_t threads, Value thread) {
  int64_t perRow = (alongK ? depth : lines) * elementBytes / kAccess, elements = kAccess / elementBytes;
  // Lines beyond the matrix are never stored, so any valid address does for them.
  Value last = e.sub(limit, e.index(alongK ? 1 : elements));
  // A thread's copies differ by whole periods of the exchange, so that one place does for all.
  int64_t period = !alongK && elementBytes == 4 ? 4 : 8;
  bool regular = threads % (period * perRow) == 0;
  Value row0 = e.div(thread, e.index(perRow)), chunk0 = e.sub(thread, e.mul(row0, perRow)),
        place0 = swizzled(row0, chunk0);
  for (int64_t i = 0; i < copies; ++i) {
    Value row = e.add(row0, i * threads / perRow), chunk = chunk0, place = place0;
    if (!regular) {
      Value number = e.add(thread, i * threads);
      row = e.div(number, e.index(perRow)), chunk = e.sub(number, e.mul(row, perRow)), place = swizzled(row, chunk);
    }
    Value offset = e.add(e.mul(regular ? row0 : row, perRow * kAccess), e.mul(place, kAccess));
    targets.push_back(e.add(offset, tileOffset + (regular ? i * threads * kAccess : 0)));
    Value line = e.min(e.add(first, alongK ? row : e.mul(chunk, elements)), last),
          k = alongK ? e.mul(chunk, elements) : row;
    Value at = e.add(e.mul(e.wide(alongK ? line : k), operand.rowStride), e.wide(alongK ? k : line));
    sources.push_back(e.bytes(operand.data, e.mul(at, elementBytes)));
  }
}

/// The row of an 8x8 matrix this lane names: matrices 0 and 1 of A are 8 lines apart, 0 and 2 along k; for B the other
/// way round.
void FragmentSource::planLoads(Value warpLine, Value lane) {
  Value inMatrix = e.rem(lane, 8), matrix = e.div(lane, 8), low = e.rem(matrix, 2), high = e.div(matrix, 2);
  Value lineHalf = isA ? low : high, kHalf = isA ? high : low;
  if (alongK) {
    Value line = e.add(e.add(warpLine, e.mul(lineHalf, 8)), inMatrix);
    for (int64_t step = 0; step < kRowBytes / (2 * kAccess); ++step) {
      Value at = swizzled(inMatrix, e.add(kHalf, 2 * step)); // warps and halves are whole groups of 8 lines
      laneOffsets.push_back(e.add(e.add(e.mul(line, kRowBytes), e.mul(at, kAccess)), tileOffset));
    }
    return;
  }
  Value k = e.add(e.mul(kHalf, 8), inMatrix), firstChunk = e.add(e.div(warpLine, 8), lineHalf);
  for (int64_t group = 0; group < lines / kGroup; ++group) {
    Value at = swizzled(inMatrix, e.add(firstChunk, 2 * group));
    laneOffsets.push_back(e.add(e.add(e.mul(k, lines * elementBytes), e.mul(at, kAccess)), tileOffset));
  }
}

/// Lane 4 g + t holds line g (and g + 8) at k = t (and t + 4).
void FragmentSource::planWordLoads(Value warpLine, Value lane) {
  constexpr int64_t kPerChunk = 4;
  Value k = e.rem(lane, 4), line0 = e.add(warpLine, e.div(lane, 4));
  for (int64_t eight = 0; eight < lines / 8; ++eight) {
    Value line = e.add(line0, 8 * eight), chunk = swizzled(k, e.div(line, kPerChunk));
    Value inRow = e.add(e.mul(chunk, kAccess), e.mul(e.rem(line, kPerChunk), elementBytes));
    laneOffsets.push_back(e.add(e.add(e.mul(k, lines * elementBytes), inRow), tileOffset));
  }
}

SmallVector<Value> FragmentSource::loadWords(Value stage, int64_t group, int64_t k) {
  constexpr int64_t kStep = 8, kHalf = 4;
  SmallVector<Value> registers;
  for (int64_t i = 0; i < 4; ++i) {
    int64_t eight = isA ? i % 2 : i / 2, half = isA ? i / 2 : i % 2;
    Value at =
        e.bytes(e.bytes(stage, laneOffsets[2 * group + eight]), (k * kStep + half * kHalf) * lines * elementBytes);
    registers.push_back(e.load(e.i32, at, elementBytes));
  }
  return registers;
}

Value FragmentSource::stepBytes() {
  if (alongK)
    return e.integer(e.i64, depth * elementBytes);
  return e.mul(operand.rowStride, depth * elementBytes);
}

void FragmentSource::copy(Value stage, Value step) {
  for (auto [source, target] : llvm::zip(sources, targets))
    e.make<NVVM::CpAsyncOp>(e.bytes(stage, target), e.bytes(source, step), kAccess, NVVM::LoadCacheModifierKind::CG,
                            Value());
}

SmallVector<Value> FragmentSource::load(Value stage, int64_t group, int64_t k) {
  if (!alongK && elementBytes == 4)
    return loadWords(stage, group, k);
  Value at = alongK ? e.bytes(e.bytes(stage, laneOffsets[k]), group * kGroup * kRowBytes)
                    : e.bytes(e.bytes(stage, laneOffsets[group]), k * 16 * lines * elementBytes);
  return loadMatrices(e, at, alongK ? NVVM::MMALayout::row : NVVM::MMALayout::col);
}
