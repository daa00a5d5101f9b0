//===- WarpgroupOperations.cpp - wgmma --------------------------------------------------------===//
//
// The products are computed when the last of the 128 threads arrives. That the tensor core goes on reading shared
// memory until a wait is for the race clocks: each warp's reads belong to an engine, ordered for those who learn of
// that warp's wait.
//
//===-------------------------------------------------------------------------------------------------===//

#include "Block.h"
#include "Floats.h"
#include "Operations.h"
#include "TensorMap.h"

#include <algorithm>

namespace muon::emulator {

enum Element : uint32_t { kF16, kBf16, kTf32 };

namespace {
/// A matrix in shared memory as its descriptor says (PTX manual, "Matrix descriptor format").
struct Descriptor {
  uint64_t start, leading, stride;
  uint32_t span; ///< Bytes of a swizzled row: 128, 64, 32; 16 without a swizzle.

  Descriptor(uint64_t bits, uint64_t sharedBase)
      : start(sharedBase + ((bits & 0x3fff) << 4)), leading((bits >> 16 & 0x3fff) << 4),
        stride((bits >> 32 & 0x3fff) << 4), span(16u << (bits >> 62 == 0 ? 0 : 4 - (bits >> 62))) {}

  /// The address of element (i, k), i along M or N. Contiguous along k, or if `turned` along i. Turned and without a
  /// swizzle the strides have each other's meaning.
  uint64_t at(uint32_t i, uint32_t k, uint32_t bytes, bool turned) const {
    uint32_t row = turned ? k : i, column = (turned ? i : k) * bytes;
    bool exchanged = turned && span == 16;
    uint64_t down = exchanged ? leading : stride, across = exchanged ? stride : leading;
    uint64_t offset = row / 8 * down + row % 8 * span + column / span * across + column % span;
    return swizzle(start + offset, span == 16 ? 0 : span);
  }
};
} // namespace

static uint32_t elementBytes(uint32_t type) { return type == kTf32 ? 4 : 2; }

static float load(uint64_t address, uint32_t type) {
  if (type == kTf32) {
    uint32_t bits;
    memcpy(&bits, reinterpret_cast<void *>(address), 4);
    return tf32ToFloat(bits);
  }
  uint16_t bits;
  memcpy(&bits, reinterpret_cast<void *>(address), 2);
  return type == kF16 ? f16ToFloat(bits) : bf16ToFloat(bits);
}

/// Which warp's engine of the block; engines of mbarriers come before.
static uint32_t wgmmaEngine(const Thread &thread) {
  return machine().races.bulkEngine(kMostMbarriers + thread.registers.warpid);
}

/// Every element of the operand that the warp reads.
static void checkOperand(const WarpgroupCall &call, const Descriptor &descriptor, uint32_t warp, uint32_t first,
                         uint32_t count, uint32_t depth, uint32_t type, bool turned) {
  Thread &thread = *call.threads[32 * warp];
  uint32_t bytes = elementBytes(type);
  for (uint32_t i = first; i < first + count; ++i)
    for (uint32_t k = 0; k < depth; ++k) {
      auto *address = reinterpret_cast<void *>(descriptor.at(i, k, bytes, turned));
      Region *region = checkBounds(thread, *call.site, address, bytes, bytes, false);
      if (!region || !region->shared)
        block->stop(Fault::illegal, *call.site, thread, "a wgmma descriptor does not point to shared memory");
      checkDefined(thread, *call.site, *region, address, bytes);
      if (!thread.clock)
        continue;
      checkRaces(thread, *call.site, *region, address, bytes, false, false, wgmmaEngine(thread), thread.openWgmma);
      checkProxy(thread, *call.site, *region, address, bytes);
    }
}

/// Arguments: accumulators, descriptors of A and B, scale of D, signs of A and B, whether A and B are turned.
static void multiply(const WarpgroupCall &call) {
  uint32_t type = call.site->operation.a, columns = call.site->operation.b & 0xffff,
           depth = call.site->operation.b >> 16;
  uint32_t accumulators = columns / 2;
  const uint64_t *common = call.arguments[0] + accumulators;
  for (uint32_t t = 1; t < 128; ++t)
    if (!std::equal(common, common + 7, call.arguments[t] + accumulators))
      block->stop(Fault::illegal, *call.site, *call.threads[t],
                  "descriptors or flags of wgmma differ within the warpgroup");
  uint64_t base = reinterpret_cast<uintptr_t>(machine().memory.sharedRegion().begin);
  Descriptor a(common[0], base), b(common[1], base);
  bool keep = common[2], turnedA = common[5], turnedB = common[6];
  double sign = (static_cast<int32_t>(common[3]) < 0) != (static_cast<int32_t>(common[4]) < 0) ? -1 : 1;
  uint32_t bytes = elementBytes(type);
  if (block->launch.checks != MUON_EMULATOR_VALUES)
    for (uint32_t warp = 0; warp < 4; ++warp) {
      checkOperand(call, a, warp, 16 * warp, 16, depth, type, turnedA);
      checkOperand(call, b, warp, 0, columns, depth, type, turnedB);
    }
  std::vector<float> left(64 * depth), right(columns * depth);
  for (uint32_t k = 0; k < depth; ++k) {
    for (uint32_t i = 0; i < 64; ++i)
      left[i * depth + k] = load(a.at(i, k, bytes, turnedA), type);
    for (uint32_t j = 0; j < columns; ++j)
      right[j * depth + k] = load(b.at(j, k, bytes, turnedB), type);
  }
  for (uint32_t t = 0; t < 128; ++t)
    for (uint32_t i = 0; i < accumulators; ++i) {
      uint32_t row = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + t % 4 * 2 + i % 2;
      double sum = keep ? std::bit_cast<float>(static_cast<uint32_t>(call.arguments[t][i])) : 0;
      for (uint32_t k = 0; k < depth; ++k)
        sum += sign * left[row * depth + k] * right[column * depth + k];
      call.results[t][i] = std::bit_cast<uint32_t>(static_cast<float>(sum));
    }
  machine().counters.multiplyAdds += uint64_t(64) * columns * depth;
}

static void nothing(Thread &, const Call &) {}

static void commit(Thread &thread, const Call &) { ++thread.openWgmma; }

/// Waits for all but the latest n committed groups of the warp.
static void wait(Thread &thread, const Call &call) {
  uint32_t committed = thread.openWgmma - 1, pending = static_cast<uint32_t>(call.arguments[0]);
  if (!thread.clock || committed <= pending)
    return;
  uint32_t &known = thread.clock[wgmmaEngine(thread)];
  known = std::max(known, committed - pending);
}

std::optional<Operation> findWarpgroupOperation(llvm::StringRef name, uint32_t columns, uint32_t depth) {
  Operation operation;
  if (name == "wgmma.fence.sync.aligned") {
    operation.thread = nothing;
    return operation;
  }
  if (name == "wgmma.commit_group.sync.aligned") {
    operation.thread = commit;
    return operation;
  }
  if (name == "wgmma.wait_group.sync.aligned") {
    operation.thread = wait;
    return operation;
  }
  operation.warpgroup = multiply;
  operation.b = columns | depth << 16;
  if (name == "wgmma.f16.f16" && depth == 16)
    operation.a = kF16;
  else if (name == "wgmma.bf16.bf16" && depth == 16)
    operation.a = kBf16;
  else if (name == "wgmma.tf32.tf32" && depth == 8)
    operation.a = kTf32;
  else
    return std::nullopt;
  return columns && columns <= 256 && columns % 8 == 0 ? std::optional(operation) : std::nullopt;
}

} // namespace muon::emulator
