//===- Targets.h - GPUs by name -----------------------------------------------------*- C++ -*-===//

#ifndef MUON_GPU_TARGETS_H
#define MUON_GPU_TARGETS_H

#include "muon/IR/Muon.h"

#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace muon {

/// Whether a target's name asks for a GPU: sm_ and digits.
bool namesGpu(llvm::StringRef name);

/// The GPU target called `name` (sm_80, ...). Its chip is the usual product of that architecture. An unknown name is
/// an error that names it and the known ones.
llvm::Expected<TargetAttr> lookupGpuTarget(mlir::MLIRContext *context, llvm::StringRef name);

/// The names lookupGpuTarget knows.
std::vector<std::string> knownGpuTargets();

} // namespace muon

#endif // MUON_GPU_TARGETS_H
