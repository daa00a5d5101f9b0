//===- StepPlan.cpp - shapes and tiles of a step's drafts -------------------------------------===//

#include "muon/Plan/StepPlan.h"

#include "muon/IR/Request.h"
#include "muon/Plan/CpuTiles.h"
#include "muon/Polynomial/Emulate.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace muon;

std::pair<int64_t, int64_t> StepPlan::matrixShape(ArrayRef<int64_t> shape) const {
  ArrayRef<int64_t> matrix = shape.drop_front(std::min<size_t>(levels.batchRank(), shape.size()));
  if (matrix.empty())
    return {1, 1};
  return {matrix.size() > 1 ? matrix.front() : 1, matrix.back()};
}

Space StepPlan::spaceOf(const Axes &axes, size_t rank) const {
  int64_t last = static_cast<int64_t>(rank) - 1, batch = levels.batchRank();
  int64_t column = last >= batch ? last : -1, row = last > batch ? last - 1 : -1;
  bool hasRow = row >= 0 && llvm::is_contained(axes, row), hasColumn = column >= 0 && llvm::is_contained(axes, column);
  if (column >= 0 && hasColumn && (hasRow || row < 0))
    return Space::element;
  if (hasRow)
    return Space::row;
  return hasColumn ? Space::column : Space::scalar;
}

int64_t StepPlan::tileRows(const Draft &draft) const {
  auto [rows, columns] = matrixShape(draft.shape);
  // A sweep's tile: about 64 Ki elements, in whole panel pairs so that no two tiles share a packed word.
  constexpr int64_t kElements = 1 << 16;
  int64_t wanted = llvm::alignTo(llvm::divideCeil(kElements, columns), cpu::kGrain);
  return std::min<int64_t>(wanted, llvm::alignTo(rows, cpu::kGrain));
}

std::optional<SmallVector<int64_t>> StepPlan::askedTile() const { return Asked(function).tile(); }

/// Whether the product's operands go to hardware tiles.
bool StepPlan::usesTiles(const Draft &draft) const {
  return target.getIsa() == "amx" && getElementTypeOrSelf(cast<ProductOpInterface>(draft.product).getA()).isBF16();
}

int64_t StepPlan::blockDepth(const Draft &draft, int64_t depth) const {
  std::optional<SmallVector<int64_t>> asked = askedTile();
  if (asked && (*asked)[1])
    return std::min((*asked)[1], depth);
  // Hardware tiles gain nothing from chunks: their sums have to be stored and loaded.
  if (usesTiles(draft))
    return depth;
  // A chunk of the panels of B that a register tile spans takes a third of the first-level cache, which holds the rows
  // of A and the sums too and may be shared with another thread: `muon-tune` times others beside it.
  Type type = packedType(getElementTypeOrSelf(cast<ProductOpInterface>(draft.product).getA()), target);
  int64_t panels = type.isBF16() ? 1 : cpu::panelsOfTile(target);
  int64_t rowBytes = target.getLanes() * panels * type.getIntOrFloatBitWidth() / 8;
  constexpr int64_t kRun = sumRun; // whole runs of a sum: its bits do not depend on the cache
  int64_t fitting = target.getL1() / 3 / rowBytes / kRun * kRun;
  return std::min(depth, std::max(kRun, fitting));
}

int64_t StepPlan::blockSize(const Draft &draft) const {
  if (auto asked = askedTile())
    return asked->front();
  auto [rows, columns] = matrixShape(draft.shape);
  int64_t side = std::min(rows, columns);
  if (!usesTiles(draft))
    return side >= 512 ? 128 : 64;
  // Hardware tiles outrun the second-level cache: a larger block reads each panel less often. That pays where every
  // worker still gets some blocks; sums over the product follow the matrix's shape only, so that every batch gives the
  // same bits.
  constexpr int64_t kSmall = 128, kLarge = 256, kEnough = 32;
  bool sums = llvm::any_of(draft.outputs, [](const Output &output) { return output.reduction != Reduction::none; });
  int64_t blocks = countBlocks(draft, kLarge) * (sums ? 1 : matrices);
  return side >= 512 && blocks >= kEnough ? kLarge : kSmall;
}

int64_t StepPlan::countBlocks(const Draft &draft, int64_t side) const {
  auto [rows, columns] = matrixShape(draft.shape);
  int64_t down = llvm::divideCeil(rows, side), across = llvm::divideCeil(columns, side);
  return cast<ProductOpInterface>(draft.product).symmetricResult() ? down * (down + 1) / 2 : down * across;
}

gpu::ProductShape StepPlan::productShape(const Draft &draft) const {
  gpu::ProductShape shape = gpu::productShape(cast<ProductOpInterface>(draft.product), matrices);
  shape.parts = partsOf(draft.product);
  return shape;
}

gpu::ProductTile StepPlan::productTile(const Draft &draft) const {
  gpu::ProductShape shape = productShape(draft);
  if (auto asked = askedTile())
    return gpu::ProductTile::of(*asked);
  return gpu::chooseTile(target, shape);
}

bool StepPlan::walksRows(const Draft &draft) const {
  return llvm::any_of(draft.outputs, [](const Output &output) {
    return output.reduction != Reduction::none && output.space == Space::row;
  });
}

std::pair<int64_t, int64_t> StepPlan::sweepExtent(const Draft &draft) const {
  auto [rows, columns] = matrixShape(draft.shape);
  bool pads = llvm::any_of(
      draft.outputs, [&](const Output &o) { return o.buffer >= 0 && buffers[o.buffer].layout == Layout::padded; });
  if (pads)
    return {llvm::alignTo(rows, gpu::kPadding), llvm::alignTo(columns, gpu::kPadding)};
  return {rows, columns};
}

int64_t StepPlan::sweepTile(const Draft &draft) const {
  auto [rows, columns] = sweepExtent(draft);
  return walksRows(draft) ? gpu::rowsPerTile(rows, columns)
                          : gpu::chunksPerTile(rows * llvm::divideCeil(columns, gpu::kChunk));
}

int64_t StepPlan::numTiles(const Draft &draft) const {
  auto [rows, columns] = matrixShape(draft.shape);
  if (target.isGpu() && !draft.product) {
    auto [rows, columns] = sweepExtent(draft);
    return llvm::divideCeil(walksRows(draft) ? rows : rows * llvm::divideCeil(columns, gpu::kChunk), sweepTile(draft));
  }
  if (!chainOf(draft).empty())
    return 1;
  if (target.isGpu()) {
    gpu::ProductShape shape = productShape(draft);
    return gpu::countBlocks(rows, columns, productTile(draft), shape.symmetric) * shape.parts;
  }
  if (!draft.product)
    return llvm::divideCeil(rows, tileRows(draft));
  return countBlocks(draft, blockSize(draft));
}

int64_t StepPlan::tensorArgument(int64_t argument) const {
  func::FuncOp step = function;
  ArrayRef<Type> types = step.getFunctionType().getInputs();
  if (argument >= static_cast<int64_t>(types.size())) // a metric: after the tensor arguments
    return llvm::count_if(types, llvm::IsaPred<RankedTensorType>) + argument - types.size();
  return llvm::count_if(types.take_front(argument), llvm::IsaPred<RankedTensorType>);
}

int64_t StepPlan::find(Value value, Layout layout) const {
  for (auto [i, buffer] : llvm::enumerate(buffers))
    if (buffer.value == value && buffer.layout == layout && buffer.parts == 1)
      return i;
  return -1;
}

int64_t StepPlan::findParts(Value value) const {
  for (auto [i, buffer] : llvm::enumerate(buffers))
    if (buffer.value == value && buffer.parts > 1)
      return i;
  return -1;
}

int64_t StepPlan::findReadable(Value value) const {
  int64_t plain = find(value, Layout::plain);
  return plain >= 0 ? plain : find(value, target.isGpu() ? Layout::padded : Layout::columns);
}
