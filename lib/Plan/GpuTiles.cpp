//===- GpuTiles.cpp - how a GPU cuts products and sweeps into thread blocks -------------------===//

#include "muon/Plan/GpuTiles.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace muon;
using namespace muon::gpu;

static constexpr int64_t kReserved = 1024; ///< bytes of each block's shared memory that are the system's

//===----------------------------------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------------------------------===//

namespace {
/// What clocks, power and everything the formula leaves out cost: time of the tensor cores is divided by `efficiency`.
struct Calibration {
  double efficiency, launch; ///< launch: microseconds
};
} // namespace

/// Fitted to published times of the vendor's library on that product (A100, 4090: flash-muon's README; H100: a public
/// ladder of tensor-core kernels), never to the kernels that are modelled. The others are taken to be like A100.
static Calibration calibrationOf(TargetAttr target) {
  return llvm::StringSwitch<Calibration>(target.getCpu())
      .Case("sm_89", {1.0, 8})
      .Case("sm_90", {0.81, 7})
      .Default({0.68, 4});
}

OperandKind gpu::operandKind(mlir::Type type) {
  if (llvm::isa<mlir::FloatTF32Type>(type))
    return OperandKind::tf32;
  return type.isF32() ? OperandKind::f32 : OperandKind::half;
}

ProductShape gpu::productShape(ProductOpInterface product, int64_t batch) {
  auto result = llvm::cast<mlir::RankedTensorType>(product->getResult(0).getType()).getShape().take_back(2);
  OperandKind operands = operandKind(mlir::getElementTypeOrSelf(product.getA().getType()));
  return {result[0], result[1], product.depth(), batch, operands, product.symmetricResult()};
}

/// How many times longer than for 16 bits a multiply-add takes: tf32 has half the rate, f32 is three products of it.
static double costOf(OperandKind kind) { return kind == OperandKind::half ? 1 : kind == OperandKind::tf32 ? 2 : 6; }

/// The tensor cores' rate for an operand type, multiply-adds a cycle and multiprocessor; on Hopper mma.sync reaches two
/// thirds of what the chip does by wgmma.
static double rateOf(TargetAttr target, OperandKind kind) {
  return target.getChip().getFma() * (target.getCpu() == "sm_90" ? 2.0 / 3 : 1.0) / costOf(kind);
}

/// Accumulators per thread and what a block's registers amount to beside them, as ptxas allocates them.
static int64_t registersOf(const ProductTile &tile) {
  int64_t accumulators = tile.rows * tile.columns / tile.threads();
  return llvm::alignTo(64 + accumulators * 7 / 5, 8);
}

int64_t gpu::residentBlocks(ChipAttr chip, const ProductTile &tile, int64_t elementBytes) {
  int64_t byShared = chip.getShared() / (tile.sharedBytes(elementBytes) + kReserved);
  int64_t byRegisters = chip.getRegisters() / (registersOf(tile) * tile.threads()),
          byWarps = chip.getWarps() * 32 / tile.threads();
  return std::min<int64_t>({byShared, byRegisters, byWarps, chip.getBlocks()});
}

/// The share of the tensor cores' rate that issue and shared memory leave to the main loop: per warp and 64 bytes of k.
static double loopBound(TargetAttr target, const ProductTile &tile, OperandKind kind) {
  constexpr double kFmaPerMma = 2048, kSubCores = 4, kSharedBytesPerCycle = 32, kLoadBytes = 512,
                   kOtherInstructions = 45;
  double down = tile.rows / tile.warpsDown, across = tile.columns / tile.warpsAcross,
         warps = tile.warpsDown * tile.warpsAcross;
  double products = down / 16 * across / 8 * 2, loads = (down + across) / 16 * 2,
         copies = (tile.rows + tile.columns) * 64 / kLoadBytes / warps;
  double macs = products * kFmaPerMma * 2 / bytesOf(kind); // of 64 bytes of k
  double tensor = macs / (rateOf(target, kind) / kSubCores);
  bool thrice = kind == OperandKind::f32;
  double issue = products * (thrice ? 3 : 1) + loads * (thrice ? 13 : 1) + copies + kOtherInstructions;
  double shared = (loads + copies) * kLoadBytes / kSharedBytesPerCycle;
  return tensor / std::max({tensor, issue, shared});
}

ModelledTime gpu::modelProduct(TargetAttr target, const ProductShape &shape, const ProductTile &tile) {
  ChipAttr chip = target.getChip();
  Calibration calibration = calibrationOf(target);
  // Cycles from a block's start to its first mma; bytes per multiprocessor.
  constexpr double kFill = 1100, kStoreBytesPerCycle = 32;
  double blocks = countBlocks(shape.m, shape.n, tile, shape.symmetric) * shape.batch * shape.parts,
         size = bytesOf(shape.operands);
  double rounds = std::ceil(blocks / chip.getMultiprocessors()),
         resident = residentBlocks(chip, tile, bytesOf(shape.operands));
  double rate = rateOf(target, shape.operands), depth = shape.parts > 1 ? partDepth(shape.k, shape.parts) : shape.k;
  double stored = shape.parts > 1 ? sizeof(float) : size,
         results = shape.m * shape.n * stored * shape.parts * shape.batch;
  double loop = tile.rows * tile.columns * depth / (rate * loopBound(target, tile, shape.operands));
  double outside = kFill + tile.rows * tile.columns * stored * (shape.symmetric ? 2 : 1) / kStoreBytesPerCycle;
  double cycles = rounds * loop + (std::min(resident, rounds) >= 2 ? 1 : rounds) * outside;
  double read = blocks * (tile.rows + tile.columns) * depth * size;
  double once = (shape.m * shape.k + (shape.symmetric ? 0 : shape.n * shape.k)) * size * shape.batch;
  double wave = chip.getMultiprocessors() * std::max(1.0, resident);
  double again = std::ceil(blocks / wave) * std::sqrt(wave) * (tile.rows + tile.columns) * depth * size;
  constexpr double kUsableL2 = 0.7;
  double moved = (once < kUsableL2 * chip.getL2() ? once : std::max(once, again)) + results;
  ModelledTime time;
  time.tensor = cycles / chip.getClock() / calibration.efficiency;
  time.l2 = read / chip.getL2Rate() / 1e3;
  time.memory = moved / chip.getMemoryRate() / 1e3;
  time.launch = calibration.launch;
  double macs = shape.m * shape.n * shape.k * shape.batch * (shape.symmetric ? 0.5 : 1.0);
  double peak = double(chip.getMultiprocessors()) * chip.getFma() / costOf(shape.operands) * chip.getClock();
  time.roofline = std::max(macs / peak, (once + shape.m * shape.n * size * shape.batch) / chip.getMemoryRate() / 1e3);
  return time;
}

namespace {
/// Of 16 of k in a chain: instructions for each of a warp's tiles, and what a warp without neighbours waits for, cycles
/// for each and in all.
struct ChainCosts {
  double issued, tile, step;
};
} // namespace

/// As tools/block_facts.py counts kernels of sides 128 to 224; words have their loads and f32 also its parts between
/// the products.
static ChainCosts chainCosts(OperandKind kind) {
  if (kind == OperandKind::half)
    return {9, 0, 120};
  return kind == OperandKind::tf32 ? ChainCosts{36, 70, 0} : ChainCosts{66, 125, 0};
}

ModelledTime gpu::modelChain(TargetAttr target, const ChainShape &shape, double bytes) {
  ChipAttr chip = target.getChip();
  Calibration calibration = calibrationOf(target);
  constexpr double kFmaPerMma = 2048, kSubCores = 4, kLoadBytes = 512, kSharedBytesPerCycle = 128;
  constexpr double kIssuedPerElement = 10, kBarriers = 300;
  ChainCosts costs = chainCosts(shape.operands);
  double words = bytesOf(shape.operands) / 2;
  double side = chainSide(shape.side), tiles = side / kChainTile, warps = chainThreads(side) / 32,
         perSubCore = std::ceil(warps / kSubCores);
  // Per product: a warp's tiles + 1 are two mma each in every 16 of k (of words twice as many, of f32 three times
  // that), with as many operands to load and two more.
  double tensor = perSubCore * (tiles + 1) * 2 * tiles * kFmaPerMma / (rateOf(target, shape.operands) / kSubCores);
  double steps = perSubCore * tiles * (costs.issued * (tiles + 1) + 20),
         elements = perSubCore * (tiles + 1) * 8 * kIssuedPerElement;
  double shared = warps * (tiles + 3) * tiles * kLoadBytes * words / kSharedBytesPerCycle;
  double busy = std::max({tensor, steps + elements, shared});
  double alone =
      std::max({tensor, steps, shared, tiles * (costs.step + costs.tile * (tiles + 1))}) + elements + kBarriers;
  int64_t bytesOfBlock = shape.buffers * chainMatrixBytes(chainSide(shape.side), shape.operands) + kReserved;
  double resident = std::max<int64_t>(
      1, std::min<int64_t>({chip.getShared() / bytesOfBlock, int64_t(chip.getWarps() / warps), chip.getBlocks()}));
  double rounds = std::ceil(double(shape.batch) / chip.getMultiprocessors()), together = std::min(rounds, resident);
  ModelledTime time;
  time.tensor = shape.products * std::max(rounds * busy, std::ceil(rounds / together) * alone) / chip.getClock() /
                calibration.efficiency;
  time.memory = bytes / chip.getMemoryRate() / 1e3;
  time.launch = calibration.launch;
  double macs = double(shape.side) * shape.side * shape.side / 2 * shape.products * shape.batch;
  time.roofline =
      std::max(macs * costOf(shape.operands) / (double(chip.getMultiprocessors()) * chip.getFma() * chip.getClock()),
               time.memory);
  return time;
}

ModelledTime gpu::modelSweep(TargetAttr target, double bytes) {
  ModelledTime time;
  time.memory = time.roofline = bytes / target.getChip().getMemoryRate() / 1e3;
  time.launch = calibrationOf(target).launch;
  return time;
}

ModelledTime gpu::modelSum(TargetAttr target, const ProductShape &shape) {
  return modelSweep(target,
                    double(shape.m) * shape.n * shape.batch * (sizeof(float) * shape.parts + bytesOf(shape.operands)));
}

//===----------------------------------------------------------------------------------------------===//
// The choice
//===----------------------------------------------------------------------------------------------===//

int64_t gpu::countBlocks(int64_t m, int64_t n, const ProductTile &tile, bool symmetric) {
  int64_t down = llvm::divideCeil(m, tile.rows), across = llvm::divideCeil(n, tile.columns);
  return symmetric ? down * (down + 1) / 2 : down * across;
}

/// Four stages if as many blocks as registers allow then still share a multiprocessor, else three.
static ProductTile withStages(TargetAttr target, ProductTile tile, int64_t elementBytes) {
  int64_t wanted = target.getChip().getRegisters() / (registersOf(tile) * tile.threads());
  tile.stages = 4;
  if (wanted * (tile.sharedBytes(elementBytes) + kReserved) > target.getChip().getShared())
    tile.stages = 3;
  return tile;
}

ProductTile gpu::chooseTile(TargetAttr target, const ProductShape &shape) {
  int64_t size = bytesOf(shape.operands), depth = 64 / size;
  // Rows and columns; four warps each. Larger blocks read less, smaller ones fill more multiprocessors.
  static constexpr std::pair<int64_t, int64_t> kBlocks[] = {{128, 128}, {128, 96}, {96, 96}, {128, 64}, {64, 64}};
  std::optional<ProductTile> best;
  double bestTime = 0;
  for (auto [rows, columns] : kBlocks) {
    bool manyRegisters = size == 4 && rows * columns > 96 * 96; // f32 operands are held twice
    if ((shape.symmetric && rows != columns) || manyRegisters)
      continue;
    ProductTile tile = withStages(target, {rows, columns, depth, 0, 2, 2}, size);
    double time = modelProduct(target, shape, tile).microseconds();
    if (!best || time < bestTime)
      best = tile, bestTime = time;
  }
  return *best;
}

int64_t gpu::partDepth(int64_t k, int64_t parts) { return llvm::alignTo(llvm::divideCeil(k, parts), kPadding); }

int64_t gpu::chooseParts(TargetAttr target, ProductShape shape) {
  constexpr int64_t kShortest = 256; // of k in a part: the start of a block costs as much
  static constexpr int64_t kParts[] = {1, 2, 3, 4, 6, 8, 12, 16};
  int64_t best = 1;
  double bestTime = 0;
  for (int64_t parts : kParts) {
    if (parts > 1 && partDepth(shape.k, parts) < kShortest)
      break;
    shape.parts = llvm::divideCeil(shape.k, partDepth(shape.k, parts));
    double time = 1;
    for (int64_t batch : {int64_t(1), int64_t(target.getChip().getMultiprocessors())}) {
      shape.batch = batch;
      double all = modelProduct(target, shape, chooseTile(target, shape)).microseconds();
      time *= (shape.parts > 1 ? all + modelSum(target, shape).microseconds() : all) / batch;
    }
    if (parts == 1 || time < bestTime)
      best = shape.parts, bestTime = time;
  }
  return best;
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
