//===- EmitDescription.h - a planned module as the runtime's constant structs -------*- C++ -*-===//

#ifndef MUON_OBJECT_EMIT_DESCRIPTION_H
#define MUON_OBJECT_EMIT_DESCRIPTION_H

#include "muon/IR/Muon.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Module.h"

#include <string>
#include <vector>

namespace muon {

/// A compiled GPU module (muon_image). `kind` is muon_image_kind; PTX text ends with a zero byte.
struct DescribedImage {
  unsigned kind;
  std::string chip, data;
};

/// How a GPU kernel is launched: threads and dynamic shared memory of a block.
struct BlockShape {
  unsigned threads = 0, sharedBytes = 0;
};

/// One target's part of a program.
struct DescribedVariant {
  /// Plan's output: kernels, one muon.variant, the step functions and the muon.program.
  mlir::ModuleOp planned;
  /// What `planned`'s kernel @k is called in the LLVM module: prefix + "k".
  std::string kernelPrefix;
  /// Comma-separated /proc/cpuinfo names the processor must have.
  std::string features;
  /// JSON text.
  std::string report;
  /// Among the variants that run on a machine the highest is taken.
  unsigned preference = 0;
  /// GPU variants: the kernels, all of them in each image, and the block of each by its name in `planned`.
  std::vector<DescribedImage> images;
  llvm::StringMap<BlockShape> blocks;
};

/// Adds the program's description (muon_runtime.h) and its query function `name` to a module that holds the kernels of
/// all variants. Groups, parameters and scalars are those of the first variant's module; all variants describe the same
/// ones.
void emitDescription(llvm::Module &module, llvm::StringRef name, llvm::ArrayRef<DescribedVariant> variants);

/// The C header that declares the query function, with what the program holds as comments.
std::string emitHeader(llvm::StringRef name, mlir::ModuleOp planned);

} // namespace muon

#endif // MUON_OBJECT_EMIT_DESCRIPTION_H
