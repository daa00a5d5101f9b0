//===- Emulator.h - what the software CUDA driver offers beside the driver API --------*- C -*-===//
//
// libmuon_emulator.so exports the part of the CUDA driver API that Muon's executor uses (CudaDriver.h) and executes
// kernels, given as LLVM bitcode made for the NVPTX backend, on this processor: see docs/architecture.md, "Emulator".
// It has no notion of time. Everything below can also be set by the environment, read at cuInit:
//
//   MUON_EMULATE_CHIP     the chip that attributes describe, "sm_80" (default), "sm_86", "sm_89", "sm_90", "sm_120"
//   MUON_EMULATE_CHECKS   "all" (default), "memory" or "values"
//   MUON_EMULATE_SEED     a number; 0 (default) is round-robin
//   MUON_EMULATE_FAULT    "FUNCTION:N:ERROR[,...]", as muonEmulatorInjectFault
//   MUON_EMULATE_QUIET    if set, reports are not printed on stderr
//
// Any thread may call, as with a driver: one lock serialises the calls. What follows is the process's, though, not a
// thread's: checks, schedule and faults are set for every thread, and the text of muonEmulatorReports() changes under
// whoever reads it while another thread waits for work.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_EMULATOR_EMULATOR_H
#define MUON_EMULATOR_EMULATOR_H

#include "muon/Emulator/CudaDriver.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* What is looked for, beside deadlocks, divergence and unknown operations, which always end a kernel. It holds for
 * modules loaded from now on. */
typedef enum muonEmulatorChecks {
  MUON_EMULATOR_VALUES = 0, /* results only */
  MUON_EMULATOR_MEMORY = 1, /* bounds, alignment, uninitialised reads */
  MUON_EMULATOR_ALL = 3     /* and races */
} muonEmulatorChecks;

/* Exact counts over all launches since the last muonEmulatorReset. */
typedef struct muonEmulatorCounters {
  uint64_t launches, blocks, switches;
  uint64_t multiplyAdds;  /* by mma */
  uint64_t matrixLoads;   /* 8x8 matrices by ldmatrix */
  uint64_t bankConflicts; /* further shared memory accesses ldmatrix needed: 0 if the 8 rows of each matrix are in
                             different banks */
  uint64_t copiedBytes;   /* by cp.async and bulk copies */
} muonEmulatorCounters;

int muonEmulatorVersion(void);
/* cuModuleLoadData for bitcode, which does not say how long it is. */
CUresult muonEmulatorModuleLoad(CUmodule *module, const void *bitcode, uint64_t bytes);
void muonEmulatorSetChecks(muonEmulatorChecks checks);
/* The order in which the threads of a block run: 0 is round-robin, others a random order each. */
void muonEmulatorSetSchedule(uint64_t seed);
void muonEmulatorSetQuiet(int quiet);
/* The `nth` call (from 1, counted from now) of a driver function returns `error` and does nothing. The function
 * "kernel" stands for the execution of a launch: its error is found by a later call and, as on a device, stays. */
void muonEmulatorInjectFault(const char *function, uint32_t nth, int error);
/* What reports call an allocation. */
CUresult muonEmulatorNameMemory(CUdeviceptr address, const char *name);
/* One line for every fault found in kernels since the last reset; "" if there was none. Valid until the next launch or
 * reset. */
const char *muonEmulatorReports(void);
/* Forgets reports, counters, injected faults and a sticky error. Memory and modules stay. */
void muonEmulatorReset(void);
/* What was made and not yet destroyed: device allocations, modules, streams, events, graphs, retained contexts. */
uint64_t muonEmulatorLiveObjects(void);
uint64_t muonEmulatorLiveBytes(void); /* of device memory */
void muonEmulatorCount(muonEmulatorCounters *counters);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif /* MUON_EMULATOR_EMULATOR_H */
