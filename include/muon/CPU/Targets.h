//===- Targets.h - processors by name -----------------------------------------------*- C++ -*-===//
//
// A target is data: what LLVM is told (cpu, features, triple), how products are computed there
// (isa, panel lanes, register-tile heights) and the caches blocks are sized for.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_CPU_TARGETS_H
#define MUON_CPU_TARGETS_H

#include "muon/IR/Muon.h"

#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace muon {

/// The processor called `name`. "native" (or "cpu") is the machine this runs on. An unknown name
/// is an error that names it and the known ones.
llvm::Expected<TargetAttr> lookupTarget(mlir::MLIRContext *context, llvm::StringRef name);

/// The names lookupTarget knows, "native" first.
std::vector<std::string> knownTargets();

/// What a machine must have to run code for `target`: every instruction set that the compiler may use
/// beyond those that all processors of the architecture have, in /proc/cpuinfo words (avx2,
/// avx512_bf16, sve). The runtime checks these before it picks a variant.
std::vector<std::string> requiredFeatures(TargetAttr target);

/// Whether the processor has an instruction-set extension, by LLVM's name for it ("avx512bf16").
bool hasFeature(TargetAttr target, llvm::StringRef feature);

/// The schedule (isa, lanes, heights) of `schedule` as code for the processor of `machine`.
/// Instructions the machine lacks are emitted as sequences it has; the results are the same.
TargetAttr scheduleOn(TargetAttr schedule, TargetAttr machine);

} // namespace muon

#endif // MUON_CPU_TARGETS_H
