//===- Routines.h - functions kernels of a module share -----------------------------*- C++ -*-===//
//
// Moves of one 16x16 sub-tile between the slab (16 rows of 16 f32, halves as carried) and memory,
// and the micro kernels. Each is emitted once per module, when first asked for, as a private
// function: a call per 256 elements or per register tile costs nothing, and compile time stays
// flat.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_CPU_ROUTINES_H
#define MUON_CPU_ROUTINES_H

#include "Emitter.h"

namespace muon::cpu {

class Routines {
public:
  Routines(mlir::ModuleOp module, const Machine &machine) : module(module), machine(machine) {}

  /// Calls the function `name`, emitting it with `define` if the module has none.
  void call(Emitter &e, llvm::StringRef name, ValueRange arguments,
            llvm::function_ref<void(Emitter &, ValueRange)> define);

  /// Elements (r, c), r < rows, c < columns, of a strided matrix to the slab; the rest of the
  /// slab is undefined. Unit column stride, unit row stride and neither are told apart at run
  /// time.
  void gather(Emitter &e, Type dtype, Value slab, Value source, Value rowStride, Value columnStride, Value rows,
              Value columns);
  /// The reverse.
  void scatter(Emitter &e, Type dtype, Value slab, Value target, Value rowStride, Value columnStride, Value rows,
               Value columns);
  void transpose(Emitter &e, Value from, Value to);
  /// 16 x 16 words; strides in words.
  void transposeWords(Emitter &e, Value from, int64_t fromStride, Value to, int64_t toStride);

  /// The slab to packed memory: 16 rows of f32 words, 8 rows of pairs of halves (rows 2d and 2d + 1 of
  /// a column share a word), or 16 rows of an AMX tile.
  void writeWords(Emitter &e, Value slab, Value target);
  void writePairs(Emitter &e, Type half, Value slab, Value target);
  void writeTile(Emitter &e, Value slab, Value target);
  /// The same of the transposed slab.
  void writeTurnedWords(Emitter &e, Value slab, Value target);
  void writeTurnedPairs(Emitter &e, Type half, Value slab, Value target);
  void writeTurnedTile(Emitter &e, Value slab, Value target);
  void readWords(Emitter &e, Value slab, Value source);
  void readPairs(Emitter &e, Type half, Value slab, Value source);
  void readTile(Emitter &e, Value slab, Value source);

  /// Copies what lies below the diagonal of an f32 block above it. The extent is rounded up to 16.
  void symmetrise(Emitter &e, Value block, Value stride, Value extent);

private:
  mlir::ModuleOp module;
  const Machine &machine;
};

/// Words of two carried halves each, and one of the two.
Value pairOf(Emitter &e, Type half, Value even, Value odd);
Value halfOf(Emitter &e, Type half, Value pair, bool odd);

/// Attributes every emitted function carries: processor, no unwinding, no library calls.
void setFunctionAttributes(mlir::LLVM::LLVMFuncOp function, const Machine &machine);

} // namespace muon::cpu

#endif // MUON_CPU_ROUTINES_H
