//===- Handle.h - a loaded program ------------------------------------------------------------===//

#ifndef MUON_RUNTIME_HANDLE_H
#define MUON_RUNTIME_HANDLE_H

#include "Abi.h"
#include "CudaProgram.h"
#include "Waves.h"

#include <atomic>

struct muon_handle {
  const muon_program *program = nullptr;
  const muon_variant *variant = nullptr;
  uint32_t workers = 1;
  muon::runtime::WavePlan plan;
  muon_parallel parallel = nullptr; // the trainer's pool, or null for the runtime's own
  void *pool = nullptr;
  void *library = nullptr;                    // from dlopen, or null
  muon::runtime::CudaProgram *cuda = nullptr; // of a CUDA variant; owned
  std::atomic<uint32_t> users{1};             // the trainer and its bindings; the last one frees
};

namespace muon::runtime {
void retainHandle(muon_handle *handle);
void releaseHandle(muon_handle *handle);
} // namespace muon::runtime

#endif // MUON_RUNTIME_HANDLE_H
