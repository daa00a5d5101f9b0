//===- Triangle.h - symmetric matrices in a block's shared memory -------------------*- C++ -*-===//
//
// Of a matrix the tiles of 16 x 16 on and below the diagonal are kept, row after row; one above is read turned. A tile
// is made of cores, 8 rows of 16 bytes each: 8 x 8 elements of 16 bits or 8 x 4 words. Two cores below each other
// follow each other, then those to their right. A core of words in an odd place of its row has its rows 4..7 before
// 0..3. So no access collides in banks: not a copy of 16 bytes by each lane, not ldmatrix, not a pair of adjacent
// elements as an accumulator fragment lies in the lanes, and not single words, of a tile as it is or turned: ldmatrix
// cannot turn words.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_GPU_TRIANGLE_H
#define MUON_GPU_TRIANGLE_H

#include "Frame.h"

#include "muon/Plan/GpuTiles.h"

namespace muon::gpu {

/// A tile's place among the tiles, or an element's in a matrix (i32).
struct Position {
  Value row, column;
};

/// One lane's view of such matrices; `matrix` is the shared address of one.
class Triangle {
public:
  /// `element` has 16 bits or is f32.
  Triangle(Emitter &e, Type element, Value lane);

  Type element;
  int64_t elementBytes;

  /// mma steps of k in a tile: 16 of k each, or 8 where elements are words.
  int64_t stepsPerTile() const { return elementBytes / 2; }
  /// Where in a matrix a tile on or below the diagonal starts.
  Value offsetOf(Position tile);
  Value tile(Value matrix, Position tile) { return e.bytes(matrix, offsetOf(tile)); }
  /// Where in a tile this lane's pair of adjacent elements is, and how far that of the rows or columns 8 and on lies
  /// from it.
  Value pairOffset() { return place(e.div(lane, 4), e.mul(e.rem(lane, 4), 2)); }
  int64_t halfOffset(int64_t down, int64_t across) const { return (down + across * elementBytes) * kCoreBytes; }
  /// The first of this lane's eight elements of a tile: the others are a column, 8 rows and 8 columns on.
  Position firstElement(Position tile);

  /// Starts copies of a tile of `from`, all lanes together.
  void copyTile(const Operand &from, Value matrix, Position tile);
  /// The registers of 16 lines and one mma step of k: of A the four of a fragment, of B two fragments of 8 lines.
  SmallVector<Value> fragment(Value matrix, Value line, Value k, int64_t step, bool isB);
  /// Stores a tile, also one above the diagonal, to memory.
  void storeTile(Value matrix, Position tile, ArrayRef<Operand> to);
  /// In a tile on the diagonal, the half above it from the one below.
  void mirrorTile(Value tile);

private:
  static constexpr int64_t kCoreBytes = 128, kRowBytes = 16;
  Value place(Value row, Value column);
  SmallVector<Value> words(Value matrix, Value line, Value k, int64_t step, bool isB);

  Emitter &e;
  Value lane;
  /// Of 16 bits, this lane's row for ldmatrix: cores in their order; the second and third exchanged.
  Value straight, crossed;
  /// Of words, this lane's of a tile as it is and turned, for k and k + 4.
  SmallVector<Value> straightWords, turnedWords;
};

} // namespace muon::gpu

#endif // MUON_GPU_TRIANGLE_H
