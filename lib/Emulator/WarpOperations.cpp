//===- WarpOperations.cpp - shuffles, votes, reductions and the warp's barrier ----------------===//
//
// None of them but the barrier orders memory accesses.
//
//===-------------------------------------------------------------------------------------------------===//

#include "Block.h"
#include "Operations.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/bit.h"

#include <algorithm>

namespace muon::emulator {

enum Shuffle : uint32_t { kUp, kDown, kButterfly, kIndex };
enum Vote : uint32_t { kAll, kAny, kUniform, kBallot };
enum Reduction : uint32_t { kAdd, kMin, kMax, kUnsignedMin, kUnsignedMax, kAnd, kOr, kXor };

template <typename Visitor> static void eachLane(const WarpCall &call, Visitor visit) {
  for (uint32_t lane = 0; lane < 32; ++lane)
    if (call.threads[lane])
      visit(lane);
}

/// The lane a shuffle reads, as the PTX manual computes it; false if the lane keeps its own value.
static bool sourceLane(uint32_t kind, uint32_t lane, uint32_t b, uint32_t c, uint32_t &source) {
  uint32_t offset = b & 31, clamp = c & 31, segment = c >> 8 & 31;
  uint32_t last = (lane & segment) | (clamp & ~segment), first = lane & segment;
  int64_t j = kind == kUp          ? int64_t(lane) - offset
              : kind == kDown      ? int64_t(lane) + offset
              : kind == kButterfly ? int64_t(lane ^ offset)
                                   : int64_t(first | (offset & ~segment));
  bool inside = kind == kUp ? j >= int64_t(last) : j <= int64_t(last);
  source = inside ? static_cast<uint32_t>(j) : lane;
  return inside;
}

/// Arguments: mask, value, b, c.
static void shuffle(const WarpCall &call) {
  eachLane(call, [&](uint32_t lane) {
    const uint64_t *arguments = call.arguments[lane];
    uint32_t source = lane;
    bool inside = sourceLane(call.site->operation.a, lane, arguments[2], arguments[3], source);
    if (!call.threads[source])
      block->stop(Fault::illegal, *call.site, *call.threads[lane],
                  "shuffle reads lane " + std::to_string(source) + ", which takes no part");
    call.results[lane][0] = static_cast<uint32_t>(call.arguments[source][1]);
    if (call.site->operation.b)
      call.results[lane][1] = inside;
  });
}

static void vote(const WarpCall &call) {
  uint32_t ballot = 0;
  eachLane(call, [&](uint32_t lane) { ballot |= (call.arguments[lane][1] & 1) << lane; });
  uint32_t kind = call.site->operation.a;
  uint32_t result = kind == kBallot ? ballot
                    : kind == kAny  ? ballot != 0
                    : kind == kAll  ? ballot == call.mask
                                    : ballot == 0 || ballot == call.mask;
  eachLane(call, [&](uint32_t lane) { call.results[lane][0] = result; });
}

static uint32_t reducePair(uint32_t kind, uint32_t a, uint32_t b) {
  auto lesser = static_cast<int32_t>(a) < static_cast<int32_t>(b) ? a : b;
  switch (kind) {
  case kAdd:
    return a + b;
  case kMin:
    return lesser;
  case kMax:
    return lesser == a ? b : a;
  case kUnsignedMin:
    return std::min(a, b);
  case kUnsignedMax:
    return std::max(a, b);
  case kAnd:
    return a & b;
  case kOr:
    return a | b;
  default:
    return a ^ b;
  }
}

/// Arguments: value, mask.
static void reduce(const WarpCall &call) {
  bool first = true;
  uint32_t result = 0;
  eachLane(call, [&](uint32_t lane) {
    auto value = static_cast<uint32_t>(call.arguments[lane][0]);
    result = first ? value : reducePair(call.site->operation.a, result, value);
    first = false;
  });
  eachLane(call, [&](uint32_t lane) { call.results[lane][0] = result; });
}

/// Results: the leader, whether this is it.
static void elect(const WarpCall &call) {
  auto leader = static_cast<uint32_t>(llvm::countr_zero(call.mask));
  eachLane(call, [&](uint32_t lane) {
    call.results[lane][0] = leader;
    call.results[lane][1] = lane == leader;
  });
}

static void matchAny(const WarpCall &call) {
  eachLane(call, [&](uint32_t lane) {
    uint32_t same = 0;
    eachLane(call,
             [&](uint32_t other) { same |= uint32_t(call.arguments[lane][1] == call.arguments[other][1]) << other; });
    call.results[lane][0] = same;
  });
}

static void synchronise(const WarpCall &call) {
  Thread *first = nullptr;
  eachLane(call, [&](uint32_t lane) { first = first ? first : call.threads[lane]; });
  if (!first->clock)
    return;
  const Races &races = machine().races;
  eachLane(call, [&](uint32_t lane) {
    if (call.threads[lane] != first)
      races.join(first->clock, call.threads[lane]->clock);
  });
  eachLane(call, [&](uint32_t lane) {
    if (call.threads[lane] != first)
      std::copy_n(first->clock, races.engines(), call.threads[lane]->clock);
  });
  eachLane(call, [&](uint32_t lane) { ++call.threads[lane]->clock[call.threads[lane]->index]; });
}

std::optional<Operation> findWarpOperation(llvm::StringRef name) {
  static const llvm::StringMap<uint32_t> shuffles = {
      {"up", kUp}, {"down", kDown}, {"bfly", kButterfly}, {"idx", kIndex}};
  static const llvm::StringMap<uint32_t> votes = {{"all", kAll}, {"any", kAny}, {"uni", kUniform}, {"ballot", kBallot}};
  static const llvm::StringMap<uint32_t> reductions = {
      {"add", kAdd},          {"min", kMin}, {"max", kMax}, {"umin", kUnsignedMin},
      {"umax", kUnsignedMax}, {"and", kAnd}, {"or", kOr},   {"xor", kXor}};
  Operation operation;
  operation.maskArgument = 0;
  llvm::StringRef rest = name;
  if (rest.consume_front("shfl.sync.")) {
    auto [mode, type] = rest.split('.');
    if (!shuffles.count(mode))
      return std::nullopt;
    operation.warp = shuffle;
    operation.a = shuffles.lookup(mode);
    operation.b = type.ends_with("p");
  } else if (rest.consume_front("vote.") && rest.consume_back(".sync") && votes.count(rest)) {
    operation.warp = vote;
    operation.a = votes.lookup(rest);
  } else if (rest = name; rest.consume_front("redux.sync.") && reductions.count(rest)) {
    operation.warp = reduce;
    operation.a = reductions.lookup(rest);
    operation.maskArgument = 1;
  } else if (name == "elect.sync") {
    operation.warp = elect;
  } else if (name.starts_with("match.any.sync.")) {
    operation.warp = matchAny;
  } else if (name == "bar.warp.sync") {
    operation.warp = synchronise;
  } else {
    return std::nullopt;
  }
  return operation;
}

} // namespace muon::emulator
