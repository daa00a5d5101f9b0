//===- BulkOperations.cpp - cp.async.bulk.tensor -------------------------------------------------------===//
//
// A tensor copy completes only when no thread can run: a kernel that does not wait for it finds poison.
//
//===---------------------------------------------------------------------------------------------------===//

#include "Block.h"
#include "Operations.h"
#include "TensorMap.h"

#include <cstring>

namespace muon::emulator {

namespace {
/// One element row of a box: contiguous in memory, unless it leaves the tensor.
struct BoxRow {
  uint64_t source; ///< Address of its first element.
  bool inside;     ///< In all axes but the contiguous one.
};
} // namespace

static BoxRow rowOf(const TensorMap &map, const int32_t *coordinates, uint64_t row) {
  BoxRow found = {map.address, true};
  for (uint32_t axis = 1; axis < map.rank; ++axis) {
    int64_t index = coordinates[axis] + static_cast<int64_t>(row % map.box[axis]);
    row /= map.box[axis];
    found.inside &= index >= 0 && index < map.sizes[axis];
    found.source += static_cast<uint64_t>(index) * map.strides[axis - 1];
  }
  return found;
}

static uint64_t boxRows(const TensorMap &map) {
  uint64_t rows = 1;
  for (uint32_t axis = 1; axis < map.rank; ++axis)
    rows *= map.box[axis];
  return rows;
}

/// Calls visit(destination, source or null, bytes) for every 16 bytes of the box; null is outside the tensor.
template <typename Visitor> static void eachChunk(const PendingBulk &bulk, Visitor visit) {
  const TensorMap &map = bulk.map;
  uint64_t rowBytes = uint64_t(map.box[0]) * map.elementBytes, perChunk = 16 / map.elementBytes;
  for (uint64_t row = 0; row < boxRows(map); ++row) {
    BoxRow from = rowOf(map, bulk.coordinates, row);
    for (uint64_t at = 0; at < rowBytes; at += 16) {
      int64_t first = bulk.coordinates[0] + static_cast<int64_t>(at / map.elementBytes);
      int64_t inside = std::min<int64_t>(perChunk, int64_t(map.sizes[0]) - first);
      bool any = from.inside && first >= 0 && inside > 0;
      auto *source = any ? reinterpret_cast<const uint8_t *>(from.source + static_cast<uint64_t>(first) * map.elementBytes) : nullptr;
      auto *destination = reinterpret_cast<uint8_t *>(swizzle(bulk.destination + row * rowBytes + at, map.swizzleBytes));
      visit(destination, source, any ? static_cast<uint64_t>(inside) * map.elementBytes : 0);
    }
  }
}

void completeBulk(const PendingBulk &bulk) {
  int64_t bytes = 0;
  eachChunk(bulk, [&](uint8_t *destination, const uint8_t *source, uint64_t count) {
    memset(destination, 0, 16);
    if (source)
      memcpy(destination, source, count);
    if (block->launch.checks != MUON_EMULATOR_VALUES)
      machine().memory.sharedRegion().mark(destination, 16, Byte::defined);
    bytes += 16;
  });
  machine().counters.copiedBytes += static_cast<uint64_t>(bytes);
  auto found = block->mbarriers.find(bulk.barrier);
  if (found != block->mbarriers.end())
    completeBytes(found->second, bytes, bulk.epoch);
}

/// Bounds and races of all chunks, as of the moment the copy is issued.
static void checkBulk(Thread &thread, const Site &site, const PendingBulk &bulk, uint32_t engine) {
  eachChunk(bulk, [&](uint8_t *destination, const uint8_t *source, uint64_t count) {
    Region *to = checkBounds(thread, site, destination, 16, 16, true);
    if (!to || !to->shared)
      block->stop(Fault::illegal, site, thread, "the destination of a tensor copy is not shared memory");
    to->mark(destination, 16, Byte::poisoned);
    Region *from = source ? checkBounds(thread, site, source, count, bulk.map.elementBytes, false) : nullptr;
    if (from)
      checkDefined(thread, site, *from, source, count);
    if (!thread.clock)
      return;
    if (from)
      checkRaces(thread, site, *from, source, count, false, false, engine, bulk.epoch);
    checkRaces(thread, site, *to, destination, 16, true, false, engine, bulk.epoch);
  });
}

/// Arguments: destination, tensor map, coordinates, mbarrier. operation.a: their number.
static void load(Thread &thread, const Call &call) {
  const Site &site = *call.site;
  uint32_t rank = site.operation.a;
  PendingBulk bulk = {&site, call.arguments[0], {}, {}, call.arguments[2 + rank], 0};
  memcpy(&bulk.map, reinterpret_cast<const void *>(call.arguments[1]), sizeof bulk.map);
  if (bulk.map.mark != kTensorMapMark || bulk.map.rank != rank)
    block->stop(Fault::illegal, site, thread, "the address does not hold a tensor map of rank " + std::to_string(rank));
  for (uint32_t axis = 0; axis < rank; ++axis)
    bulk.coordinates[axis] = static_cast<int32_t>(call.arguments[2 + axis]);
  if (bulk.destination % 128)
    block->stop(Fault::misaligned, site, thread, "the destination of a tensor copy is expected to be aligned to 128 bytes");
  Mbarrier &barrier = findMbarrier(thread, site, bulk.barrier);
  bulk.epoch = ++barrier.copies;
  if (block->launch.checks != MUON_EMULATOR_VALUES)
    checkBulk(thread, site, bulk, thread.clock ? machine().races.bulkEngine(barrier.index) : 0);
  block->bulk.push_back(bulk);
}

static void nothing(Thread &, const Call &) {}

std::optional<Operation> findBulkOperation(llvm::StringRef name) {
  Operation operation;
  if (name == "prefetch.tensormap" || name.starts_with("fence.proxy.async") || name == "fence.mbarrier_init.release.cluster") {
    operation.thread = nothing; // that a proxy fence is missing is not noticed
    return operation;
  }
  operation.thread = load;
  if (name.consume_front("cp.async.bulk.tensor.") && !name.consumeInteger(10, operation.a) && operation.a <= 5 &&
      name == "d.shared::cluster.global.mbarrier::complete_tx::bytes")
    return operation;
  return std::nullopt;
}

} // namespace muon::emulator
