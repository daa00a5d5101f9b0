//===- BulkOperations.cpp - cp.async.bulk.tensor ----------------------------------------------===//
//
// A tensor load completes only when no thread can run: a kernel that does not wait for it finds poison. A tensor store
// completes at a wait for its group.
//
//===---------------------------------------------------------------------------------------------------===//

#include "Block.h"
#include "Operations.h"
#include "TensorMap.h"

#include <algorithm>
#include <cstring>

namespace muon::emulator {

namespace {
/// One element row of a box: contiguous in memory, unless it leaves the tensor.
struct BoxRow {
  uint64_t source; ///< Address of its first element.
  bool inside;     ///< In all axes but the contiguous one.
};

/// 16 bytes of a box, and what of them lies in the tensor.
struct Chunk {
  uint8_t *begin;  ///< Of the 16 in shared memory.
  uint8_t *shared; ///< Of those in the tensor.
  uint8_t *global; ///< The same ones there; null if there are none.
  uint64_t bytes;
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

template <typename Visitor> static void eachChunk(const PendingBulk &bulk, Visitor visit) {
  const TensorMap &map = bulk.map;
  uint64_t rowBytes = uint64_t(map.box[0]) * map.elementBytes;
  int64_t perChunk = 16 / map.elementBytes;
  for (uint64_t row = 0; row < boxRows(map); ++row) {
    BoxRow from = rowOf(map, bulk.coordinates, row);
    for (uint64_t at = 0; at < rowBytes; at += 16) {
      int64_t first = bulk.coordinates[0] + static_cast<int64_t>(at / map.elementBytes);
      int64_t begin = std::clamp<int64_t>(-first, 0, perChunk);
      int64_t end = std::clamp<int64_t>(int64_t(map.sizes[0]) - first, 0, perChunk);
      auto *destination = reinterpret_cast<uint8_t *>(swizzle(bulk.shared + row * rowBytes + at, map.swizzleBytes));
      Chunk chunk = {destination, destination, nullptr, 0};
      if (from.inside && begin < end) {
        chunk.shared += begin * map.elementBytes;
        chunk.global =
            reinterpret_cast<uint8_t *>(from.source + static_cast<uint64_t>(first + begin) * map.elementBytes);
        chunk.bytes = static_cast<uint64_t>(end - begin) * map.elementBytes;
      }
      visit(chunk);
    }
  }
}

void completeBulk(const PendingBulk &bulk) {
  int64_t bytes = 0;
  eachChunk(bulk, [&](const Chunk &chunk) {
    memset(chunk.begin, 0, 16);
    if (chunk.global)
      memcpy(chunk.shared, chunk.global, chunk.bytes);
    if (block->launch.checks != MUON_EMULATOR_VALUES)
      machine().memory.sharedRegion().mark(chunk.begin, 16, Byte::defined);
    bytes += 16;
  });
  machine().counters.copiedBytes += static_cast<uint64_t>(bytes);
  auto found = block->mbarriers.find(bulk.barrier);
  if (found != block->mbarriers.end())
    completeBytes(found->second, bytes, bulk.epoch);
}

/// Bounds and races of all chunks, as of the moment the copy is issued.
static void checkBulk(Thread &thread, const Site &site, const PendingBulk &bulk, uint32_t engine) {
  eachChunk(bulk, [&](const Chunk &chunk) {
    Region *to = checkBounds(thread, site, chunk.begin, 16, 16, true);
    if (!to || !to->shared)
      block->stop(Fault::illegal, site, thread, "the destination of a tensor copy is not shared memory");
    to->mark(chunk.begin, 16, Byte::poisoned);
    Region *from =
        chunk.global ? checkBounds(thread, site, chunk.global, chunk.bytes, bulk.map.elementBytes, false) : nullptr;
    if (from)
      checkDefined(thread, site, *from, chunk.global, chunk.bytes);
    if (!thread.clock)
      return;
    if (from)
      checkRaces(thread, site, *from, chunk.global, chunk.bytes, false, false, engine, bulk.epoch);
    checkRaces(thread, site, *to, chunk.begin, 16, true, false, engine, bulk.epoch);
  });
}

/// Reads the map and the coordinates that follow it, from argument `at` on.
static PendingBulk readMap(Thread &thread, const Call &call, uint32_t at, uint64_t shared) {
  const Site &site = *call.site;
  uint32_t rank = site.operation.a;
  PendingBulk bulk = {&site, shared, {}, {}, 0, 0};
  auto *map = reinterpret_cast<const void *>(call.arguments[at]);
  if (block->launch.checks != MUON_EMULATOR_VALUES)
    checkAccess(thread, site, map, sizeof(CUtensorMap), 64, false, false);
  memcpy(&bulk.map, map, sizeof bulk.map);
  if (bulk.map.mark != kTensorMapMark || bulk.map.rank != rank)
    block->stop(Fault::illegal, site, thread, "the address does not hold a tensor map of rank " + std::to_string(rank));
  for (uint32_t axis = 0; axis < rank; ++axis)
    bulk.coordinates[axis] = static_cast<int32_t>(call.arguments[at + 1 + axis]);
  if (shared % 128)
    block->stop(Fault::misaligned, site, thread,
                "the shared memory of a tensor copy is expected to be aligned to 128 bytes");
  return bulk;
}

/// operation.a: the rank. Inline PTX: destination, map, coordinates, mbarrier. operation.b, the intrinsic: destination,
/// mbarrier, map, coordinates, and for a cluster a mask, cache hint, and whether these count.
static void load(Thread &thread, const Call &call) {
  const Site &site = *call.site;
  uint32_t rank = site.operation.a;
  PendingBulk bulk = readMap(thread, call, site.operation.b ? 2 : 1, call.arguments[0]);
  bulk.barrier = call.arguments[site.operation.b ? 1 : 2 + rank];
  if (site.operation.b == 2 && call.arguments[rank + 5])
    block->stop(Fault::illegal, site, thread,
                "a tensor copy to several blocks of a cluster, which the emulator does not have");
  Mbarrier &barrier = findMbarrier(thread, site, bulk.barrier);
  bulk.epoch = ++block->bulkCopies[barrier.index];
  if (block->launch.checks != MUON_EMULATOR_VALUES)
    checkBulk(thread, site, bulk, thread.clock ? machine().races.bulkEngine(barrier.index) : 0);
  block->bulk.push_back(bulk);
}

/// The engine of a warp's tensor stores; those of mbarriers and of wgmma come before.
static uint32_t storeEngine(const Thread &thread) {
  return machine().races.bulkEngine(kMostMbarriers + static_cast<uint32_t>(block->meetings.size()) +
                                    thread.registers.warpid);
}

/// Arguments: source, map, coordinates.
static void store(Thread &thread, const Call &call) {
  const Site &site = *call.site;
  PendingBulk bulk = readMap(thread, call, 1, call.arguments[0]);
  bulk.epoch = thread.openStore;
  for (Thread &other : block->threads)
    if (&other != &thread && other.registers.warpid == thread.registers.warpid &&
        (other.openStore > 1 || !other.stores.empty()))
      block->stop(Fault::illegal, site, thread,
                  "tensor stores by two threads of a warp, which the emulator cannot tell apart");
  thread.stores.push_back(bulk);
  if (block->launch.checks == MUON_EMULATOR_VALUES)
    return;
  eachChunk(bulk, [&](const Chunk &chunk) {
    Region *from = checkBounds(thread, site, chunk.begin, 16, 16, false);
    if (!from || !from->shared)
      block->stop(Fault::illegal, site, thread, "the source of a tensor store is not shared memory");
    if (!chunk.global)
      return;
    checkDefined(thread, site, *from, chunk.shared, chunk.bytes);
    Region *to = checkBounds(thread, site, chunk.global, chunk.bytes, bulk.map.elementBytes, true);
    if (!to || !thread.clock)
      return;
    checkRaces(thread, site, *from, chunk.shared, chunk.bytes, false, false, storeEngine(thread), bulk.epoch);
    checkProxy(thread, site, *from, chunk.shared, chunk.bytes);
    checkRaces(thread, site, *to, chunk.global, chunk.bytes, true, false, storeEngine(thread), bulk.epoch);
  });
}

static void completeStores(Thread &thread, uint32_t group) {
  size_t done = 0;
  for (; done < thread.stores.size() && thread.stores[done].epoch <= group; ++done)
    eachChunk(thread.stores[done], [&](const Chunk &chunk) {
      if (!chunk.global)
        return;
      memcpy(chunk.global, chunk.shared, chunk.bytes);
      machine().counters.copiedBytes += chunk.bytes;
      if (block->launch.checks != MUON_EMULATOR_VALUES)
        machine().memory.find(chunk.global)->mark(chunk.global, chunk.bytes, Byte::defined);
    });
  thread.stores.erase(thread.stores.begin(), thread.stores.begin() + static_cast<ptrdiff_t>(done));
  if (thread.clock)
    thread.clock[storeEngine(thread)] = std::max(thread.clock[storeEngine(thread)], group);
}

static void commitStores(Thread &thread, const Call &) { ++thread.openStore; }

/// Waits for all but the latest n committed groups. Waiting for their reads only is taken as waiting for all.
static void waitStores(Thread &thread, const Call &call) {
  uint32_t committed = thread.openStore - 1, pending = static_cast<uint32_t>(call.arguments[0]);
  if (committed > pending)
    completeStores(thread, committed - pending);
}

void finishStores(Thread &thread) {
  if (thread.stores.empty())
    return;
  block->report(Fault::illegal, *thread.stores.front().site, thread,
                "the thread returned before its tensor store had read shared memory");
  thread.stores.clear();
}

/// What the thread wrote or has learnt of is from now on visible to asynchronous reads.
static void fence(Thread &thread, const Call &) {
  if (!thread.clock)
    return;
  thread.fence.assign(thread.clock, thread.clock + machine().races.engines());
  ++thread.clock[thread.index];
}

static void nothing(Thread &, const Call &) {}

static std::optional<Operation> findTensorCopy(llvm::StringRef name) {
  Operation operation;
  operation.thread = load;
  if (name.consume_front("s2g.tile."))
    operation.thread = store;
  else if (name.consume_front("g2s.tile."))
    operation.b = 2;
  else if (name.consume_front("g2s.cta.tile."))
    operation.b = 1;
  bool assembly = operation.thread == load && !operation.b;
  if (name.consumeInteger(10, operation.a) || !operation.a || operation.a > 5)
    return std::nullopt;
  bool known = name == (assembly ? "d.shared::cluster.global.mbarrier::complete_tx::bytes" : "d");
  return known ? std::optional(operation) : std::nullopt;
}

std::optional<Operation> findBulkOperation(llvm::StringRef name) {
  if (name.consume_front("cp.async.bulk.tensor."))
    return findTensorCopy(name);
  Operation operation;
  if (name == "prefetch.tensormap" || name == "fence.mbarrier_init.release.cluster")
    operation.thread = nothing;
  else if (name.starts_with("fence.proxy.async") && !name.contains("restrict"))
    operation.thread = fence;
  else if (name == "cp.async.bulk.commit.group")
    operation.thread = commitStores;
  else if (name == "cp.async.bulk.wait.group" || name == "cp.async.bulk.wait.group.read")
    operation.thread = waitStores;
  else
    return std::nullopt;
  return operation;
}

} // namespace muon::emulator
