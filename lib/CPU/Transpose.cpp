//===- Transpose.cpp - shuffles LLVM knows as unpack, shuffle and permute ---------------------===//

#include "Transpose.h"

using namespace mlir;
using namespace muon::cpu;

/// A shuffle of four groups of four lanes: the same pattern in each group.
static Value perGroup(Emitter &e, Value a, Value b, std::array<int64_t, 4> pattern) {
  SmallVector<int64_t> mask;
  for (int64_t group = 0; group < 4; ++group)
    for (int64_t p : pattern)
      mask.push_back(p < 4 ? 4 * group + p : kLanes + 4 * group + p - 4);
  return e.shuffle(a, b, mask);
}

/// Four rows: vector c holds, in each group of four lanes, the rows' lane c of that group.
static std::array<Value, 4> transposedGroups(Emitter &e, ArrayRef<Value> rows) {
  Value low01 = perGroup(e, rows[0], rows[1], {0, 4, 1, 5});
  Value low23 = perGroup(e, rows[2], rows[3], {0, 4, 1, 5});
  Value high01 = perGroup(e, rows[0], rows[1], {2, 6, 3, 7});
  Value high23 = perGroup(e, rows[2], rows[3], {2, 6, 3, 7});
  return {perGroup(e, low01, low23, {0, 1, 4, 5}), perGroup(e, low01, low23, {2, 3, 6, 7}),
          perGroup(e, high01, high23, {0, 1, 4, 5}), perGroup(e, high01, high23, {2, 3, 6, 7})};
}

SmallVector<Value> muon::cpu::loadTransposed(Emitter &e, Value pointer, Value stride) {
  Type half = VectorType::get({kLanes / 2}, e.f32);
  auto load = [&](int64_t row, int64_t column) {
    return e.loadRaw(half, e.offset(pointer, e.f32, e.add(e.mul(stride, row), column)), 4);
  };
  SmallVector<int64_t> joined = llvm::to_vector(llvm::seq(kLanes));
  SmallVector<Value> columns;
  for (int64_t column = 0; column < kLanes; column += kLanes / 2) {
    // A row beside the one 8 below it: loads are put together by blends, shuffles are left for the transposition.
    SmallVector<Value> rows;
    for (int64_t r = 0; r < kLanes / 2; ++r)
      rows.push_back(e.shuffle(load(r, column), load(r + kLanes / 2, column), joined));
    llvm::append_range(columns, transposedHalves(e, rows));
  }
  return columns;
}

SmallVector<Value> muon::cpu::transposedHalves(Emitter &e, ArrayRef<Value> rows) {
  SmallVector<Value> blocks[4]; // [column within a group][rows 0-3 or 4-7]
  for (int64_t q = 0; q < 2; ++q)
    for (auto [c, block] : llvm::enumerate(transposedGroups(e, rows.slice(4 * q, 4))))
      blocks[c].push_back(block);
  SmallVector<Value> columns(8);
  for (int64_t c = 0; c < 4; ++c)
    for (int64_t odd = 0; odd < 2; ++odd) {
      SmallVector<int64_t> mask;
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t side = 0; side < 2; ++side)
          for (int64_t i = 0; i < 4; ++i)
            mask.push_back(side * kLanes + 8 * half + 4 * odd + i);
      columns[4 * odd + c] = e.shuffle(blocks[c][0], blocks[c][1], mask);
    }
  return columns;
}
