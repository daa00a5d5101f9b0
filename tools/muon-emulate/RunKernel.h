//===- RunKernel.h - a dumped kernel ----------------------------------------------------------===//

#ifndef MUON_TOOLS_EMULATE_RUNKERNEL_H
#define MUON_TOOLS_EMULATE_RUNKERNEL_H

#include "Values.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace muon::emulate {

/// Loads the bitcode of a kernel, makes the buffers and tables its description asks for, launches it and waits. An
/// error says what is wrong with the files; faults of the kernel are in the emulator's reports.
llvm::Error runKernel(llvm::StringRef bitcode, const llvm::json::Object &description, Fill fill, uint64_t dataSeed);

} // namespace muon::emulate

#endif // MUON_TOOLS_EMULATE_RUNKERNEL_H
