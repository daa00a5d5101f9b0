//===- LimitIsa.h - what muon-limit-isa tells its library -------------------------------------===//
#ifndef MUON_LIMIT_ISA_H
#define MUON_LIMIT_ISA_H

/// The environment variable that names the instruction set, avx2 or avx512, to every program that is started.
#define MUON_LIMIT_ISA "MUON_LIMIT_ISA"

/// arch_prctl's code: whether this thread may execute cpuid (1) or faults on it (0).
constexpr int kSetCpuid = 0x1012;

#endif // MUON_LIMIT_ISA_H
