//===- SubTile.h - the body over 16x16 elements in any layout -----------------------*- C++ -*-===//
//
// Inputs are moved to the slab, the body runs over its rows, outputs are moved from the slab to
// wherever their layouts say. One emitter serves sweeps and products, every layout and every
// instruction set.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_CPU_SUBTILE_H
#define MUON_CPU_SUBTILE_H

#include "Reductions.h"
#include "Routines.h"

namespace muon::cpu {

/// The extents a walk has to cover so that every packed output's padding is written: multiples of
/// these.
struct Padding {
  int64_t rows = 1, columns = 1;
};
Padding paddingOf(OperandAttr output, const Machine &machine);
Padding paddingOf(KernelOp kernel, const Machine &machine);

class SubTile {
public:
  SubTile(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame, Reductions &reductions);

  /// Where a product's accumulators for element (row, column) are; none in a sweep.
  struct Accumulators {
    Value data, stride;
  };
  /// Emits one sub-tile at (row, column) of a matrix of `rows` x `columns` elements. `mirrored` (if
  /// given): also write the transpose at (column, row) when it holds.
  void emit(Value row, Value column, Value rows, Value columns, Accumulators accumulators, Value mirrored);
  /// The same for sub-tiles that may reach over an edge and any strides; slower and shorter code.
  void emitRagged(Value row, Value column, Value rows, Value columns, Accumulators accumulators, Value mirrored);
  /// Where the rows of a tile are in one operand: row r is at `upper` + r `rowBytes`, from the sixteenth on at `lower`
  /// + r `rowBytes` if they are elsewhere; 16 columns on, elements are `halfBytes` on. A row of pairs has the places of
  /// two rows.
  struct Place {
    Value upper, lower, rowBytes;
    int64_t halfBytes = 0;
  };
  /// A tile of 32 x 32 elements and the places all its slices share.
  struct Tile {
    Value row, column;
    Accumulators sums;
    SmallVector<Place> inputs, outputs, transposed; ///< like the members of these names
    SmallVector<Place> tiles, pairs;                ///< of each of `words`
  };
  /// The body of an AMX tile at multiples of 32, for kernels that slice tiles: `tileSlices` slices, in order, between
  /// which other work may stand. The whole tile must lie in the matrix and strides be one: `fitsTile`.
  void beginTile();
  Value tileSlices(Value mirrored);
  Tile openTile(Value row, Value column, Accumulators sums);
  void emitTileSlice(Value slice, const Tile &tile);
  Value fitsTile(Value row, Value column, Value rows, Value columns);

private:
  /// Where the bf16 words of one yielded value go: to the outputs that want them as they are, else to the
  /// slab, from which the transposes read.
  struct Words {
    const Operand *tiles = nullptr, *pairs = nullptr;
    unsigned position = 0;
    bool needsTiles = false, needsPairs = false;
    Value tileSlab, pairSlab;
  };
  struct Moved {
    const Operand *operand;
    unsigned position; ///< operand number of an input, yield number of an output
    Value slab;
    Padding padding;    ///< of an output: how far its memory goes
    unsigned words = 0; ///< of an output of an AMX tile: which words it takes
  };
  Place placeInTile(const Operand &operand, Value row, Value column);
  Value rowOf(const Place &place, Value r);
  void emitTileRows(Value first, const Tile &tile);
  void setTileInputs(const Tile &tile, llvm::ArrayRef<Value> from, int64_t r, int64_t half);
  void storeWords(Value both, int64_t r, int64_t half, Value tiles, Value pairs);
  void prefetchForRows(Value first, const Tile &tile);
  void emitTurnSlice(unsigned output, Value slice, const Tile &tile);
  Value clamped(Value extent);
  void read(const Moved &input, Value row, Value column, Value validRows, Value validColumns);
  void write(const Moved &output, Value row, Value column, Value validRows, Value validColumns, bool mirror);
  void writePacked(const Moved &output, Value row, Value column, bool turn);
  void emitFull(Value row, Value column, Accumulators accumulators, Value mirrored);
  void prefetchLines(Value r, llvm::ArrayRef<Value> mirrors, llvm::ArrayRef<Value> places);
  void setInputs(Value r, bool odd, llvm::ArrayRef<Value> places);
  void storeOutputs(Value r, bool odd, llvm::ArrayRef<Value> places);
  Value placeOf(const Operand &operand, Value row, Value column);
  void writeAll(Value row, Value column, Value rows, Value columns, bool mirror);
  void emitRow(Value r, Value row, Value column, Value validColumns, Accumulators accumulators);
  bool writesPacked() const;
  void clearRows(Value from);
  Value packedAddress(const Operand &operand, Value row, Value column);

  Emitter &e;
  Routines &routines;
  KernelOp kernel;
  Body &body;
  const Frame &frame;
  Reductions &reductions;
  SmallVector<Moved> inputs, outputs;
  SmallVector<Words> words;              ///< of an AMX tile
  SmallVector<const Moved *> transposed; ///< outputs that take an AMX tile's transpose too, or only
  Padding walk;                          ///< how far sub-tiles go
  Value turned, unitStrides;
  SmallVector<Value> evenRows; ///< pair outputs of the row before
};

/// Whether the layout's lanes (or tile rows) run along i: such an operand is written as the
/// transpose.
inline bool isTurned(Layout layout) { return layout == Layout::rows || layout == Layout::column_tiles; }
inline bool isTiles(Layout layout) { return layout == Layout::row_tiles || layout == Layout::column_tiles; }
/// Whether the operand is words of two halves, adjacent along the depth.
inline bool isPairs(const Operand &operand) {
  return operand.isPacked() && !isTiles(operand.attr.getLayout()) && isHalf(operand.attr.getDtype());
}

/// Whether the body of the kernel's AMX tiles can be cut in slices: it leaves bf16 operands, which the processor
/// narrows itself (its conversion takes subnormals as zero, as its products do), or plain matrices without a mirror
/// image.
bool slicesTiles(KernelOp kernel, const Machine &machine);

/// Whether every operand walked along columns can be read and written by vectors.
Value hasUnitStrides(Emitter &e, const Frame &frame);

/// Row operands of the row at hand: loads them, emits the row level and stores row results that are
/// not reductions.
void emitRowLevel(Emitter &e, KernelOp kernel, Body &body, const Frame &frame, Value row);

} // namespace muon::cpu

#endif // MUON_CPU_SUBTILE_H
