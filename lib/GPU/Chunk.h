//===- Chunk.h - a kernel's body over 8 adjacent elements of a row ------------------*- C++ -*-===//
//
// What a thread does at a time, in sweeps and in the epilogues of products. Full chunks of aligned operands move by 16
// bytes; others element by element: at the edges, and where a tensor's strides allow no more.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_GPU_CHUNK_H
#define MUON_GPU_CHUNK_H

#include "Frame.h"

namespace muon::gpu {

/// Where a product's chunk finds its accumulators.
struct Accumulators {
  std::function<SmallVector<Value>()> all; ///< of the chunk's 8 elements
  std::function<Value(Value)> one;         ///< of its i-th
};

class Chunk {
public:
  /// `rows` and `columns` are the matrix's.
  Chunk(Emitter &e, KernelOp kernel, Body &body, const Frame &frame, Value rows, Value columns);

  /// Rows and columns that are written: the matrix's, or the padded ones.
  Value extentRows() const { return writtenRows; }
  Value extentColumns() const { return writtenColumns; }

  /// The chunk at (row, column), column a multiple of 8, inside the extent. `sums` are the running values of the
  /// reduced outputs in order; returns them with the chunk's elements combined, one after the other.
  SmallVector<Value> emit(Value row, Value column, const Accumulators *accumulators, ValueRange sums);

  /// A reduced output: its index among the outputs, and the type in which elements are combined.
  struct Reduced {
    unsigned output;
    const Operand *operand;
    Type type;
    Reduction kind() const { return operand->attr.getReduction(); }
  };
  ArrayRef<Reduced> reduced() const { return reductions; }

private:
  Value findAligned();
  void emitRow(Value row, Value column);
  SmallVector<Value> emitFull(Value row, Value column, const Accumulators *accumulators, ValueRange sums);
  SmallVector<Value> emitRagged(Value row, Value column, const Accumulators *accumulators, ValueRange sums);
  SmallVector<Value> loadFull(const Operand &operand, Value row, Value column);
  SmallVector<Value> loadVectors(const Operand &operand, Value address);
  SmallVector<Value> addParts(const Operand &operand, Value address,
                              llvm::function_ref<SmallVector<Value>(Value)> loadAt);
  void storeFull(const Operand &operand, Value row, Value column, ArrayRef<Value> elements);
  void loadElement(unsigned i, Value row, Value column);
  SmallVector<Value> combine(ValueRange sums);

  Emitter &e;
  KernelOp kernel;
  Body &body;
  const Frame &frame;
  Value rows, columns, writtenRows, writtenColumns, aligned;
  SmallVector<Reduced> reductions;
  bool pads = false;
};

} // namespace muon::gpu

#endif // MUON_GPU_CHUNK_H
