//===- RunProgram.h - whole steps of a program ------------------------------------------------===//

#ifndef MUON_TOOLS_EMULATE_RUNPROGRAM_H
#define MUON_TOOLS_EMULATE_RUNPROGRAM_H

#include "Values.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <string>

namespace muon::emulate {

struct ProgramOptions {
  std::string library, symbol, referenceLibrary; ///< The reference may be empty: no comparison.
  Fill fill = Fill::random;
  uint64_t dataSeed = 1;
  unsigned steps = 1;
  llvm::StringMap<double> scalars; ///< By name; the others are 0.1, or 1 if they are integers.
};

/// Runs steps of the library's CUDA variant through the runtime, on the emulator. With a reference, the CPU variant of
/// that library does the same steps, and for each role the largest relative difference of a tensor's change, in
/// Frobenius norm, is printed.
llvm::Error runProgram(const ProgramOptions &options);

} // namespace muon::emulate

#endif // MUON_TOOLS_EMULATE_RUNPROGRAM_H
