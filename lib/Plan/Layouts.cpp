//===- Layouts.cpp - what each layout needs in memory -----------------------------------------===//

#include "muon/Plan/CpuTiles.h"
#include "muon/Plan/StepPlan.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace muon;

Layout muon::operandLayout(ProductOpInterface product, bool isA, bool symmetric, TargetAttr target) {
  if (target.isGpu()) { // adjacent along k where the matrix allows it; a symmetric one always does
    bool turned = isA ? product.aIsTransposed() && !symmetric : product.bIsTransposed() || symmetric;
    return turned ? Layout::turned : Layout::padded;
  }
  bool bf16 = cast<RankedTensorType>(product.getA().getType()).getElementType().isBF16();
  bool tiles = isA && bf16 && target.getIsa() == "amx";
  // The panel's lane is i for A and j for B; the tensor's rows provide it unless the role transposes the tensor.
  bool laneIsRow = isA ? !product.aIsTransposed() : product.bIsTransposed();
  if (symmetric)
    laneIsRow = false;
  if (tiles)
    return laneIsRow || symmetric ? Layout::row_tiles : Layout::column_tiles;
  return laneIsRow ? Layout::rows : Layout::columns;
}

Type muon::packedType(Type type, TargetAttr target) {
  bool multiplied = target.isGpu() || target.getIsa() == "dot" || target.getIsa() == "amx";
  bool widened = (type.isBF16() && !multiplied) || isa<FloatTF32Type>(type); // tf32 is f32 words, rounded
  return widened ? Float32Type::get(type.getContext()) : type;
}

/// Elements a panel's or a tile's depth is padded to.
static int64_t paddedDepth(int64_t depth, Type dtype) { return llvm::alignTo(depth, cpu::depthGrain(dtype)); }

static int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

void muon::layOut(Buffer &buffer, int64_t rows, int64_t columns, TargetAttr target) {
  int64_t lanes = target.getLanes(), size = bytesOf(buffer.dtype);
  auto panels = [&](int64_t lane, int64_t depth) {
    // row_stride counts words: an f32, or two halves adjacent along the depth.
    int64_t words = paddedDepth(depth, buffer.dtype) * size / 4;
    buffer.rowStride = words * lanes;
    buffer.columnStride = 1;
    buffer.bytes = llvm::divideCeil(lane, lanes) * buffer.rowStride * 4;
  };
  auto tiles = [&](int64_t lane, int64_t depth) {
    buffer.rowStride = cpu::kStripRows * paddedDepth(depth, buffer.dtype);
    buffer.columnStride = 1;
    buffer.bytes = llvm::alignTo(lane, cpu::kStripPair) / cpu::kStripRows * buffer.rowStride * size;
  };
  switch (buffer.layout) {
  case Layout::plain:
    // Rows of whole chunks keep a GPU's 16-byte accesses aligned.
    buffer.rowStride = target.isGpu() && columns > gpu::kChunk ? llvm::alignTo(columns, gpu::kChunk) : columns;
    buffer.columnStride = 1;
    buffer.bytes = rows * buffer.rowStride * size * buffer.parts;
    break;
  case Layout::padded:
  case Layout::turned:
    buffer.rowStride = llvm::alignTo(columns, gpu::kPadding);
    buffer.columnStride = 1;
    buffer.bytes = llvm::alignTo(rows, gpu::kPadding) * buffer.rowStride * size;
    break;
  case Layout::columns:
    return panels(columns, rows);
  case Layout::rows:
    return panels(rows, columns);
  case Layout::row_tiles:
    return tiles(rows, columns);
  case Layout::column_tiles:
    return tiles(columns, rows);
  }
}

int64_t muon::assignOffsets(MutableArrayRef<Buffer> buffers) {
  constexpr int64_t kAlignment = 64;
  SmallVector<Buffer *> order;
  for (Buffer &buffer : buffers)
    order.push_back(&buffer);
  // Largest first leaves the small ones to fill the gaps.
  llvm::sort(order, [](Buffer *a, Buffer *b) { return std::pair(-a->bytes, a) < std::pair(-b->bytes, b); });
  SmallVector<Buffer *> placed;
  int64_t size = 0;
  for (Buffer *buffer : order) {
    SmallVector<std::pair<int64_t, int64_t>> taken;
    for (Buffer *other : placed)
      if (other->firstStage <= buffer->lastStage && buffer->firstStage <= other->lastStage)
        taken.push_back({other->offset, other->offset + other->bytes});
    llvm::sort(taken);
    int64_t offset = 0;
    for (auto [begin, end] : taken)
      if (offset + buffer->bytes > begin)
        offset = std::max(offset, static_cast<int64_t>(llvm::alignTo(end, kAlignment)));
    buffer->offset = offset;
    size = std::max(size, offset + buffer->bytes);
    placed.push_back(buffer);
  }
  return llvm::alignTo(size, kAlignment);
}
