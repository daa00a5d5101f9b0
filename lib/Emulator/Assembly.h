//===- Assembly.h - inline PTX as the NVVM dialect writes it ----------------------------------===//

#ifndef MUON_EMULATOR_ASSEMBLY_H
#define MUON_EMULATOR_ASSEMBLY_H

#include "Site.h"

#include "llvm/ADT/StringRef.h"

#include <optional>

namespace muon::emulator {

/// The operation of an inline assembly string with this many results, or nothing if it is not one that MLIR's lowering
/// writes: a single instruction, perhaps predicated by its last operand, or one of the fixed sequences for
/// mbarrier.try_wait and wgmma.
std::optional<Operation> findAssembly(llvm::StringRef text, unsigned numResults);

} // namespace muon::emulator

#endif // MUON_EMULATOR_ASSEMBLY_H
