//===- Fragments.cpp - operands of mma.sync in shared memory --------------------------------------===//

#include "Fragments.h"

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

static constexpr int64_t kAccess = 16;   // bytes of one copy, and of one row of an 8x8 matrix
static constexpr int64_t kRowBytes = 64; // of a tile along k
static constexpr int64_t kGroup = 16;    // lines one ldmatrix.x4 covers

FragmentSource::FragmentSource(Emitter &e, const Operand &operand, bool alongK, int64_t lines, int64_t depth, Value first, Value limit,
                               Value warpLine, int64_t tileOffset, int64_t threads, Value thread, bool isA)
    : e(e), operand(operand), alongK(alongK), isA(isA), lines(lines), depth(depth), elementBytes(operand.bytes()), tileOffset(tileOffset) {
  int64_t perRow = (alongK ? depth : lines) * elementBytes / kAccess, rowsPerPass = threads / perRow;
  int64_t elements = kAccess / elementBytes;
  copies = tileBytes() / kAccess / threads;
  Value row = e.div(thread, perRow), chunk = e.rem(thread, perRow);
  Value key = alongK ? e.rem(e.div(row, 2), 4) : e.rem(row, 8);
  Value offset = e.add(e.mul(row, perRow * kAccess), e.mul(e.exclusiveOr(chunk, key), kAccess));
  target = e.add(offset, tileOffset);
  copyDistance = rowsPerPass * perRow * kAccess;
  // Lines beyond the matrix are never stored, so any valid address does for them.
  Value last = e.sub(limit, e.index(alongK ? 1 : elements));
  for (int64_t i = 0; i < copies; ++i) {
    Value line = alongK ? e.add(e.add(first, row), i * rowsPerPass) : e.add(first, e.mul(chunk, elements));
    Value clamped = e.min(line, last);
    Value k = alongK ? e.mul(chunk, elements) : e.add(row, i * rowsPerPass);
    Value at = e.add(e.mul(e.wide(alongK ? clamped : k), operand.rowStride), e.wide(alongK ? k : clamped));
    sources.push_back(e.bytes(operand.data, e.mul(at, elementBytes)));
  }
  // The row of an 8x8 matrix this lane names: matrices 0 and 1 of A are 8 lines apart, 0 and 2 along k; for B the other way round.
  Value lane = e.rem(thread, kWarp), inMatrix = e.rem(lane, 8), matrix = e.div(lane, 8);
  Value low = e.rem(matrix, 2), high = e.div(matrix, 2);
  Value lineHalf = isA ? low : high, kHalf = isA ? high : low;
  if (alongK) {
    Value line = e.add(e.add(warpLine, e.mul(lineHalf, 8)), inMatrix);
    Value swizzle = e.rem(e.div(inMatrix, 2), 4);
    for (int64_t step = 0; step < kRowBytes / (2 * kAccess); ++step) {
      Value at = e.exclusiveOr(e.add(kHalf, 2 * step), swizzle);
      laneOffsets.push_back(e.add(e.add(e.mul(line, kRowBytes), e.mul(at, kAccess)), tileOffset));
    }
    return;
  }
  Value k = e.add(e.mul(kHalf, 8), inMatrix), firstChunk = e.add(e.div(warpLine, 8), lineHalf);
  for (int64_t group = 0; group < lines / kGroup; ++group) {
    // The warp's first chunk is a multiple of 4, a block's row at least 8 chunks: only the lowest three bits are exchanged.
    Value at = e.exclusiveOr(e.add(firstChunk, 2 * group), inMatrix);
    laneOffsets.push_back(e.add(e.add(e.mul(k, lines * elementBytes), e.mul(at, kAccess)), tileOffset));
  }
}

Value FragmentSource::stepBytes() {
  if (alongK)
    return e.integer(e.i64, depth * elementBytes);
  return e.mul(operand.rowStride, depth * elementBytes);
}

void FragmentSource::copy(Value stage, Value step) {
  Value to = e.bytes(stage, target);
  for (auto [i, source] : llvm::enumerate(sources))
    e.make<NVVM::CpAsyncOp>(e.bytes(to, i * copyDistance), e.bytes(source, step), kAccess, NVVM::LoadCacheModifierKind::CG, Value());
}

SmallVector<Value> FragmentSource::load(Value stage, int64_t group, int64_t k) {
  Value at = alongK ? e.bytes(e.bytes(stage, laneOffsets[k]), group * kGroup * kRowBytes)
                    : e.bytes(e.bytes(stage, laneOffsets[group]), k * 16 * lines * elementBytes);
  SmallVector<Type> words(4, e.i32);
  auto result = LLVM::LLVMStructType::getLiteral(e.b.getContext(), words);
  auto layout = alongK ? NVVM::MMALayout::row : NVVM::MMALayout::col;
  auto shape = NVVM::LdStMatrixShapeAttr::get(e.b.getContext(), 8, 8);
  Value loaded = e.make<NVVM::LdMatrixOp>(result, at, 4, layout, shape, NVVM::LdStMatrixEltType::B16);
  SmallVector<Value> registers;
  for (int64_t i = 0; i < 4; ++i)
    registers.push_back(e.make<LLVM::ExtractValueOp>(loaded, i));
  return registers;
}
