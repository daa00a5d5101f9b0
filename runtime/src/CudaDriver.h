//===- CudaDriver.h - the CUDA driver, opened at run time -------------------------------------===//
//
// Our own declarations of the few functions the executor uses: names and argument orders are
// NVIDIA's. The library is libcuda.so.1 or what MUON_CUDA_DRIVER names; it is never closed.

#ifndef MUON_RUNTIME_CUDADRIVER_H
#define MUON_RUNTIME_CUDADRIVER_H

#include "Error.h"

#include <stddef.h>

namespace muon::runtime {

using CudaResult = int;
using CudaAddress = unsigned long long;
using CudaContext = struct CudaContextTag *;
using CudaModule = struct CudaModuleTag *;
using CudaFunction = struct CudaFunctionTag *;
using CudaStream = struct CudaStreamTag *;

enum CudaDeviceAttribute { kCapabilityMajor = 75, kCapabilityMinor = 76 };
enum CudaFunctionAttribute { kMaxThreadsPerBlock = 0, kMaxDynamicSharedBytes = 8 };

struct CudaDriver {
  CudaResult (*init)(unsigned);
  CudaResult (*getErrorName)(CudaResult, const char **);
  CudaResult (*deviceGet)(int *, int);
  CudaResult (*deviceGetAttribute)(int *, int, int);
  CudaResult (*primaryContextRetain)(CudaContext *, int);
  CudaResult (*primaryContextRelease)(int);
  CudaResult (*contextGetCurrent)(CudaContext *);
  CudaResult (*contextPush)(CudaContext);
  CudaResult (*contextPop)(CudaContext *);
  CudaResult (*contextGetDevice)(int *);
  CudaResult (*moduleLoad)(CudaModule *, const void *);
  CudaResult (*moduleUnload)(CudaModule);
  CudaResult (*moduleGetFunction)(CudaFunction *, CudaModule, const char *);
  CudaResult (*functionGetAttribute)(int *, int, CudaFunction);
  CudaResult (*functionSetAttribute)(CudaFunction, int, int);
  CudaResult (*copyToDevice)(CudaAddress, const void *, size_t);
  CudaResult (*copyToDeviceAsync)(CudaAddress, const void *, size_t, CudaStream);
  CudaResult (*fillAsync)(CudaAddress, unsigned, size_t, CudaStream);
  CudaResult (*launch)(CudaFunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CudaStream,
                       void **, void **);
  /// Only Muon's emulator has it: loads LLVM bitcode of a given size.
  CudaResult (*emulatorModuleLoad)(CudaModule *, const void *, uint64_t);

  /// What the driver calls the error.
  const char *nameOf(CudaResult error) const;
};

/// Opens and initialises the driver. On failure the reason is appended to `text`.
bool openCudaDriver(CudaDriver &driver, Line &text);

} // namespace muon::runtime

#endif // MUON_RUNTIME_CUDADRIVER_H
