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

/// The processor called `name`: "native" (or "cpu") is the machine this runs on, others are called as LLVM calls the
/// x86-64 and AArch64 ones, or as their architecture (x86-64, aarch64, riscv64), with extensions after it
/// ("aarch64+sve", "x86-64-v3+avx512f"; those a machine can be asked for). An unknown name is an error that names it
/// and the nearest. Caches are known of some; else 32 KiB and 512 KiB, on x86 256 KiB or with AVX-512 1 MiB.
llvm::Expected<TargetAttr> lookupTarget(mlir::MLIRContext *context, llvm::StringRef name);

/// The names lookupTarget knows, "native" first, without extensions.
std::vector<std::string> knownTargets();

/// What a machine must have to run code for `target`: every instruction set that the compiler may use
/// beyond those that all processors of the architecture have, in /proc/cpuinfo words (avx2,
/// avx512_bf16, sve). The runtime checks these before it picks a variant.
std::vector<std::string> requiredFeatures(TargetAttr target);

/// What vector code for `target` is made of: avx512, avx2+fma, avx+fma, avx, sse4.1, sse2, sve2, sve, neon or rv64gc.
/// Products of halves may have an extension of their own, and fixed vectors of a processor with SVE are NEON's.
llvm::StringRef instructionSet(TargetAttr target);

/// Whether the processor has an instruction-set extension, by LLVM's name for it ("avx512bf16").
bool hasFeature(TargetAttr target, llvm::StringRef feature);

/// The schedule (isa, lanes, heights) of `schedule` as code for the processor of `machine`.
/// Instructions the machine lacks are emitted as sequences it has; the results are the same.
TargetAttr scheduleOn(TargetAttr schedule, TargetAttr machine);

} // namespace muon

#endif // MUON_CPU_TARGETS_H
