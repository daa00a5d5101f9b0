//===- GpuTiles.h - how a GPU cuts products and sweeps into thread blocks -----------*- C++ -*-===//
//
// Numbers only, shared by Plan (which counts tiles) and GPU (which emits them). The rules:
//   - A sweep works in chunks of 8 adjacent elements of a row: 16 bytes of a 16-bit type, 32 of f32.
//   - What changes the order of a sum (chunks per tile, rows per tile) follows from the matrix's shape alone.
//   - A product's block may be chosen freely: every element is summed in ascending k, 16 at a time, whatever the block.
//   So in a chain.
//   - Into how many parts k is cut follows from the matrix's shape and the chip; parts are added in ascending order of
//   k.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_PLAN_GPU_TILES_H
#define MUON_PLAN_GPU_TILES_H

#include "muon/IR/Muon.h"
#include "muon/IR/ProductTile.h"

namespace muon::gpu {

/// Elements a thread handles at a time.
constexpr int64_t kChunk = 8;
/// Threads of a sweep's block.
constexpr int64_t kSweepThreads = 256;

/// How operands go through the tensor cores: 16 bits each, f32 words rounded to tf32, or f32 as two tf32 and three
/// products.
enum class OperandKind { half, tf32, f32 };
OperandKind operandKind(mlir::Type type);
/// Of one operand in memory.
inline int64_t bytesOf(OperandKind kind) { return kind == OperandKind::half ? 2 : 4; }

/// A product C (m x n) of depth k over `batch` matrices; with more than one part, as many f32 matrices that a sweep
/// adds up.
struct ProductShape {
  int64_t m, n, k, batch;
  OperandKind operands;
  bool symmetric;
  int64_t parts = 1;
};

/// Of a product op over `batch` matrices, in one part.
ProductShape productShape(ProductOpInterface product, int64_t batch);

/// Elements of k in each of `parts` parts (the last may have fewer): whole steps of every block.
int64_t partDepth(int64_t k, int64_t parts);

/// Blocks of one matrix; of a symmetric C those on and below the diagonal.
int64_t countBlocks(int64_t m, int64_t n, const ProductTile &tile, bool symmetric);
/// Blocks that share a multiprocessor, by shared memory, registers (estimated) and warps.
int64_t residentBlocks(ChipAttr chip, const ProductTile &tile, int64_t elementBytes);

/// Microseconds, by a model: t = launch + max(tensor, l2, memory). No figure of it was measured.
///   tensor  the busiest multiprocessor's blocks: rows columns k / (rate u) cycles each, u the share that issue and
///           shared memory leave; plus the start and the stores of a block, once if two blocks share the
///           multiprocessor; divided by the efficiency fitted for the product
///   l2      what blocks read, at the chip's rate of its second-level cache
///   memory  inputs once if they fit into that cache, a wave's rows and columns each time otherwise; C once
/// It is within 15 % of published times for n >= 4096 and 25 % below, in the median 6 %.
struct ModelledTime {
  double tensor = 0, l2 = 0, memory = 0, launch = 0;
  double roofline = 0; ///< the least the chip allows: multiply-adds at its peak or bytes at its memory rate
  double microseconds() const { return launch + std::max({tensor, l2, memory}); }
};
ModelledTime modelProduct(TargetAttr target, const ProductShape &shape, const ProductTile &tile);
ModelledTime modelSweep(TargetAttr target, double bytes);
/// The sweep that adds a product's parts and stores one result in the operands' type.
ModelledTime modelSum(TargetAttr target, const ProductShape &shape);

/// A chain of `products` products of symmetric matrices, one block for each of `batch` matrices; the block keeps
/// `buffers` of them.
struct ChainShape {
  int64_t side, products, buffers, batch;
  OperandKind operands;
};
/// Of a matrix the tiles of 16 x 16 on and below the diagonal are kept, sides padded to 32.
constexpr int64_t kChainTile = 16;
/// The largest side: every thread then holds 136 accumulators.
constexpr int64_t kMostChainSide = 256;
inline int64_t chainSide(int64_t k) { return (k + kPadding - 1) / kPadding * kPadding; }
/// Warp w computes the rows of tiles w and last - w: all warps as many.
inline int64_t chainThreads(int64_t side) { return side / kChainTile / 2 * 32; }
inline int64_t chainMatrixBytes(int64_t side, OperandKind kind) {
  return side / kChainTile * (side / kChainTile + 1) / 2 * kChainTile * kChainTile * bytesOf(kind);
}
/// By the same model: one block's tensor cores, issue and shared memory, or where few matrices leave most of the chip
/// idle, the time one block needs alone. `bytes` is what all matrices read and write.
ModelledTime modelChain(TargetAttr target, const ChainShape &shape, double bytes);

/// The block with the least modelled time for a product on a chip.
ProductTile chooseTile(TargetAttr target, const ProductShape &shape);
/// Into how many parts k is cut, whatever the batch: the number for which the modelled time of one matrix alone times
/// that of each of a chip full of them is least. One matrix of few blocks gains from parts; writing and reading them
/// costs where the chip is full.
int64_t chooseParts(TargetAttr target, ProductShape shape);

/// Chunks of one sweep tile for a matrix of `chunks` chunks: few enough tiles that one warp adds their partial sums
/// quickly.
int64_t chunksPerTile(int64_t chunks);
/// Rows of one sweep tile where rows are reduced; a warp walks a row.
int64_t rowsPerTile(int64_t rows, int64_t columns);

} // namespace muon::gpu

#endif // MUON_PLAN_GPU_TILES_H
