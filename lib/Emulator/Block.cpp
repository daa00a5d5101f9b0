//===- Block.cpp ------------------------------------------------------------------------------===//

#include "Block.h"

#include <algorithm>

namespace muon::emulator {

Block *block = nullptr;
Thread *current = nullptr;

static void startThread() {
  block->launch.entry(block->launch.parameters);
  block->finish(*current);
}

Block::Block(const Launch &launch, Dimensions index) : launch(launch), index(index), threads(launch.block.count()) {
  Machine &device = machine();
  if (launch.findsRaces())
    // Bulk engines: of mbarriers, and of each warp its products and its tensor stores.
    device.races.startBlock(threads.size(), kMostMbarriers + (threads.size() + 31) / 32 * 2, device.nextBlock,
                            launch.firstBlock);
  random.seed(device.seed * 0x9e3779b97f4a7c15 + device.nextBlock++);
  for (uint32_t t = 0; t < threads.size(); ++t) {
    Thread &thread = threads[t];
    uint32_t x = t % launch.block.x, rest = t / launch.block.x;
    thread.registers = {{x, rest % launch.block.y, rest / launch.block.y},
                        {launch.block.x, launch.block.y, launch.block.z},
                        {index.x, index.y, index.z},
                        {launch.grid.x, launch.grid.y, launch.grid.z},
                        t % 32,
                        t / 32,
                        launch.dynamicSharedBytes};
    thread.index = t;
    thread.context = device.stacks.prepare(t, startThread);
    thread.clock = launch.findsRaces() ? device.races.clockOf(t) : nullptr;
    ready.push_back(&thread);
  }
  unfinished = threads.size();
  meetings.resize((threads.size() + 31) / 32);
}

bool Block::run() {
  block = this;
  bool shuffled = machine().seed != 0;
  while (unfinished && !stopped) {
    if (ready.empty() && !bulk.empty()) {
      auto next = bulk.begin() + static_cast<ptrdiff_t>(shuffled ? random() % bulk.size() : 0);
      PendingBulk copy = *next;
      bulk.erase(next);
      completeBulk(copy);
      continue;
    }
    if (ready.empty()) {
      reportDeadlock();
      break;
    }
    if (shuffled)
      std::swap(ready.front(), ready[random() % ready.size()]);
    current = ready.front();
    ready.pop_front();
    ++machine().counters.switches;
    muonEmulatorSwitch(&scheduler, current->context);
  }
  block = nullptr;
  current = nullptr;
  return !stopped;
}

void Block::makeReady(Thread &thread) {
  thread.waiting = nullptr;
  ready.push_back(&thread);
}

void Block::wait(Thread &thread, const Site &site, std::string what) {
  thread.waiting = &site;
  if (!what.empty() || !thread.waitingFor.empty())
    thread.waitingFor = std::move(what);
  muonEmulatorSwitch(&thread.context, scheduler);
}

void Block::finish(Thread &thread) {
  completeCopies(thread, thread.openGroup);
  finishStores(thread);
  thread.finished = true;
  --unfinished;
  muonEmulatorSwitch(&thread.context, scheduler);
  abort(); // nobody continues a finished thread
}

void Block::meet(Thread &thread) {
  uint32_t warp = thread.registers.warpid, bit = 1u << thread.registers.laneid;
  const Site *site = thread.call.site;
  if (!(thread.mask & bit))
    stop(Fault::illegal, *site, thread, "the thread is not in its own member mask " + std::to_string(thread.mask));
  std::vector<Meeting> &open = meetings[warp];
  auto same = [&](const Meeting &meeting) { return meeting.site == site && meeting.mask == thread.mask; };
  auto meeting = std::find_if(open.begin(), open.end(), same);
  if (meeting == open.end())
    meeting = open.insert(meeting, {site, thread.mask, 0});
  meeting->arrived |= bit;
  if (meeting->arrived != thread.mask) {
    wait(thread, *site);
    return;
  }
  WarpCall call = {site, thread.mask, {}, {}, {}};
  open.erase(meeting);
  for (uint32_t l = 0; l < 32; ++l)
    if (thread.mask >> l & 1) {
      Thread &other = threads[warp * 32 + l];
      call.threads[l] = &other;
      call.arguments[l] = other.call.arguments;
      call.results[l] = other.call.results;
    }
  site->operation.warp(call);
  for (Thread *other : call.threads)
    if (other && other != &thread)
      makeReady(*other);
}

void Block::meetWarpgroup(Thread &thread) {
  uint32_t first = thread.index / 128 * 128;
  thread.waiting = thread.call.site;
  WarpgroupCall call = {thread.call.site, {}, {}, {}};
  for (uint32_t t = 0; t < 128; ++t) {
    if (first + t >= threads.size())
      stop(Fault::illegal, *call.site, thread, "wgmma by an incomplete warpgroup");
    Thread &other = threads[first + t];
    if (other.waiting != thread.waiting) {
      wait(thread, *call.site);
      return;
    }
    call.threads[t] = &other;
    call.arguments[t] = other.call.arguments;
    call.results[t] = other.call.results;
  }
  call.site->operation.warpgroup(call);
  for (Thread *other : call.threads)
    if (other != &thread)
      makeReady(*other);
  thread.waiting = nullptr;
}

static std::string place(const Launch &launch, Dimensions index, uint32_t thread) {
  auto list = [](uint32_t x, uint32_t y, uint32_t z, Dimensions of) {
    std::string text = std::to_string(x);
    if (of.y > 1 || of.z > 1)
      text += "," + std::to_string(y) + "," + std::to_string(z);
    return text;
  };
  uint32_t rest = thread / launch.block.x;
  return "kernel '" + std::string(launch.kernel) + "' block " + list(index.x, index.y, index.z, launch.grid) +
         " thread " + list(thread % launch.block.x, rest % launch.block.y, rest / launch.block.y, launch.block);
}

void Block::report(Fault fault, const Site &site, const Thread &thread, const std::string &what, const Site *other) {
  auto key = std::make_pair(uint64_t(site.index) << 32 | (other ? other->index : 0), static_cast<int>(fault));
  Machine &device = machine();
  if (!device.reported.insert(key).second)
    return;
  device.report(fault, place(launch, index, thread.index) + ": " + what + ", at " + site.text);
}

void Block::stop(Fault fault, const Site &site, const Thread &thread, const std::string &what) {
  machine().report(fault, place(launch, index, thread.index) + ": " + what + ", at " + site.text);
  stopped = true;
  Context abandoned;
  muonEmulatorSwitch(&abandoned, scheduler);
  abort(); // a stopped block is not continued
}

void Block::reportDeadlock() {
  stopped = true;
  // Threads that wait for the same are one group in the report.
  std::string text;
  uint32_t first = 0, groups = 0;
  for (uint32_t t = 0; t < threads.size(); t = first) {
    for (first = t + 1; first < threads.size() && threads[first].waiting == threads[t].waiting; ++first)
      ;
    if (++groups > 6)
      continue;
    text += "; threads " + std::to_string(t) + " to " + std::to_string(first - 1);
    if (threads[t].finished)
      text += " have returned";
    else
      text += " wait at " + threads[t].waiting->text +
              (threads[t].waitingFor.empty() ? "" : " for " + threads[t].waitingFor);
  }
  if (groups > 6)
    text += "; and " + std::to_string(groups - 6) + " more groups";
  uint32_t stuck = 0;
  while (threads[stuck].finished)
    ++stuck;
  machine().report(Fault::deadlock, place(launch, index, stuck) + ": deadlock" + text);
}

} // namespace muon::emulator
