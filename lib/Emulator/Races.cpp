//===- Races.cpp ------------------------------------------------------------------------------===//

#include "Races.h"

#include <algorithm>

namespace muon::emulator {

void Races::startBlock(uint32_t threads, uint32_t bulkEngines, uint32_t serial, uint32_t firstBlockOfLaunch) {
  numThreads = threads;
  numEngines = 2 * threads + bulkEngines;
  block = serial;
  firstBlock = firstBlockOfLaunch;
  clocks.assign(uint64_t(numThreads) * numEngines, 0);
  for (uint32_t t = 0; t < threads; ++t)
    clockOf(t)[t] = 1;
  readers.clear();
  freeReaders.clear();
  readClocks.clear();
}

/// The first access of this block to the cell: what other blocks of the launch did is unordered with it, earlier
/// launches are not.
void Races::enterBlock(Cell &cell, bool shared, bool write, bool atomic, Race &race) {
  bool sameLaunch = !shared && cell.block >= firstBlock; // shared memory is each block's own
  bool wasRead = cell.readEpoch || cell.readElsewhere;
  if (sameLaunch && cell.writeEpoch && !(cell.atomic && atomic))
    race = {true, true, true, cell.writer, cell.writeSite};
  else if (sameLaunch && write && wasRead && !atomic)
    race = {true, false, true, cell.reader, cell.readSite};
  uint32_t readSite = cell.readSite;
  cell = {};
  cell.block = block;
  cell.readElsewhere = sameLaunch && wasRead;
  cell.readSite = readSite;
}

Race Races::check(Cell &cell, bool write, bool atomic, Clock clock) const {
  if (cell.writeEpoch && clock[cell.writer] < cell.writeEpoch && !(cell.atomic && atomic))
    return {true, true, false, cell.writer, cell.writeSite};
  if (!write)
    return {};
  if (cell.readElsewhere && !atomic)
    return {true, false, true, cell.reader, cell.readSite};
  if (!cell.readEpoch)
    return {};
  if (cell.reader != kManyReaders) {
    if (clock[cell.reader] < cell.readEpoch)
      return {true, false, false, cell.reader, cell.readSite};
    return {};
  }
  const Readers &list = readers[cell.readEpoch - 1];
  if (list.count <= Readers::kInline) {
    for (uint32_t i = 0; i < list.count; ++i)
      if (clock[list.engines[i]] < list.epochs[i])
        return {true, false, false, list.engines[i], cell.readSite};
    return {};
  }
  const uint32_t *reads = readClocks.data() + uint64_t(list.all) * numEngines;
  for (uint32_t e = 0; e < numEngines; ++e)
    if (clock[e] < reads[e])
      return {true, false, false, static_cast<uint16_t>(e), cell.readSite};
  return {};
}

void Races::addReader(Cell &cell, uint32_t engine, uint32_t epoch, Clock clock) {
  Readers &list = readers[cell.readEpoch - 1];
  if (list.count > Readers::kInline) {
    readClocks[uint64_t(list.all) * numEngines + engine] = epoch;
    return;
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < list.count; ++i)
    if (list.engines[i] != engine && clock[list.engines[i]] < list.epochs[i]) {
      list.engines[kept] = list.engines[i];
      list.epochs[kept++] = list.epochs[i];
    }
  if (kept < Readers::kInline) {
    list.engines[kept] = static_cast<uint16_t>(engine);
    list.epochs[kept] = epoch;
    list.count = kept + 1;
    return;
  }
  list.count = Readers::kInline + 1;
  list.all = static_cast<uint32_t>(readClocks.size() / numEngines);
  readClocks.resize(readClocks.size() + numEngines, 0);
  uint32_t *reads = readClocks.data() + uint64_t(list.all) * numEngines;
  for (uint32_t i = 0; i < Readers::kInline; ++i)
    reads[list.engines[i]] = list.epochs[i];
  reads[engine] = epoch;
}

void Races::record(Cell &cell, const Site &site, bool write, bool atomic, uint32_t engine, uint32_t epoch,
                   Clock clock) {
  if (write) {
    cell.writer = static_cast<uint16_t>(engine);
    cell.writeEpoch = epoch;
    cell.writeSite = site.index;
    cell.atomic = atomic;
    if (cell.readEpoch && cell.reader == kManyReaders)
      freeReaders.push_back(cell.readEpoch - 1);
    cell.readEpoch = 0; // all reads are ordered before the write
    cell.reader = 0;
    return;
  }
  cell.readSite = site.index;
  bool alone = !cell.readEpoch ||
               (cell.reader != kManyReaders && (cell.reader == engine || clock[cell.reader] >= cell.readEpoch));
  if (alone) {
    cell.reader = static_cast<uint16_t>(engine);
    cell.readEpoch = epoch;
    return;
  }
  if (cell.reader != kManyReaders) {
    if (freeReaders.empty()) {
      freeReaders.push_back(static_cast<uint32_t>(readers.size()));
      readers.emplace_back();
    }
    uint32_t index = freeReaders.back();
    freeReaders.pop_back();
    readers[index].count = 1;
    readers[index].engines[0] = cell.reader;
    readers[index].epochs[0] = cell.readEpoch;
    cell.reader = kManyReaders;
    cell.readEpoch = index + 1;
  }
  addReader(cell, engine, epoch, clock);
}

Race Races::access(Region &region, const void *address, uint64_t bytes, const Site &site, bool write, bool atomic,
                   uint32_t engine, uint32_t epoch, Clock clock) {
  Race first;
  Cell *cell = region.cell(address);
  Cell *end = region.cell(static_cast<const uint8_t *>(address) + bytes - 1) + 1;
  for (; cell != end; ++cell) {
    Race race;
    if (cell->block != block)
      enterBlock(*cell, region.shared, write, atomic, race);
    if (!race.found)
      race = check(*cell, write, atomic, clock);
    if (race.found && !first.found)
      first = race;
    record(*cell, site, write, atomic, engine, epoch, clock);
  }
  return first;
}

} // namespace muon::emulator
