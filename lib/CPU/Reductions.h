//===- Reductions.h - reduced outputs of a kernel -----------------------------------*- C++ -*-===//
//
// The order of every sum is fixed by the shape: 16 lanes along a row; then, for a row result, a
// tree over the lanes; for a full result, the rows' lanes added row by row, the tree at the end of
// the tile. Each row has lanes of its own, so walking by rows or by 16x16 sub-tiles gives the same
// bits.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_CPU_REDUCTIONS_H
#define MUON_CPU_REDUCTIONS_H

#include "Frame.h"

namespace muon::cpu {

class Reductions {
public:
  Reductions(Emitter &e, Body &body, const Frame &frame);

  bool empty() const { return entries.empty(); }
  /// At the start of a tile.
  void begin();
  /// What the lanes of a row start from, one vector per reduced output.
  SmallVector<Value> rowStart();
  /// `lanes` combined with the body's current values; lanes outside `mask` (if given) are left out.
  SmallVector<Value> accumulate(ValueRange lanes, Value mask);
  /// A row is complete.
  void endRow(ValueRange lanes, Value row);
  /// At the end of a tile: stores full results as the tile's partial.
  void finish();

  /// The same with the lanes of 16 rows kept on the stack, for walks by sub-tiles.
  void beginStrip();
  void accumulateInStrip(Value rowInStrip, Value mask);
  /// Where `mirrored` (if given) holds the strip stands for its transpose too: full sums count it twice.
  void endStrip(Value firstRow, Value rows, Value mirrored = {});

  /// The same without strips, for slices of a tile: straight into the full results. There are no row results.
  void accumulateInTotal(Value mirrored);

private:
  struct Entry {
    const Operand *operand;
    unsigned output;
    Type type;
    Value total, strip;
    Reduction kind() const { return operand->attr.getReduction(); }
    bool perRow() const { return operand->attr.getSpace() == Space::row; }
  };
  Value acrossLanes(const Entry &entry, Value lanes);
  Value weighed(const Entry &entry, Value lanes, Value mirrored);
  Value stripLanes(const Entry &entry, Value rowInStrip);
  unsigned alignment(const Entry &entry) const { return entry.type.getIntOrFloatBitWidth() / 8; }

  Emitter &e;
  Body &body;
  const Frame &frame;
  SmallVector<Entry> entries;
};

} // namespace muon::cpu

#endif // MUON_CPU_REDUCTIONS_H
