//===- GpuTiles.cpp - how a GPU cuts products and sweeps into thread blocks -----------------------===//

#include "muon/Plan/GpuTiles.h"

#include "llvm/Support/MathExtras.h"

using namespace muon;
using namespace muon::gpu;

ProductTile gpu::chooseTile(TargetAttr target, const ProductShape &shape) {
  // Four stages where two blocks' worth of them fit into a multiprocessor, else three.
  ProductTile large{128, 128, 64 / shape.elementBytes, 4, 2, 2};
  constexpr int64_t kReserved = 1024; // of each block's shared memory, by the system
  if (2 * (large.sharedBytes(shape.elementBytes) + kReserved) > target.getChip().getShared())
    large.stages = 3;
  return large;
}

int64_t gpu::chunksPerTile(int64_t chunks) {
  constexpr int64_t kMostTiles = 1024, kFewest = 4 * kSweepThreads;
  return std::max<int64_t>(kFewest, llvm::alignTo(llvm::divideCeil(chunks, kMostTiles), kSweepThreads));
}

int64_t gpu::rowsPerTile(int64_t rows, int64_t columns) {
  constexpr int64_t kElements = 1 << 13, kWarps = kSweepThreads / 32, kMostTiles = 1024;
  int64_t wanted = std::max(llvm::divideCeil(kElements, columns), llvm::divideCeil(rows, kMostTiles));
  return llvm::alignTo(wanted, kWarps);
}
