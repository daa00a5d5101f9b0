//===- CudaProgram.h - a CUDA variant, loaded -------------------------------------------------===//

#ifndef MUON_RUNTIME_CUDAPROGRAM_H
#define MUON_RUNTIME_CUDAPROGRAM_H

#include "Array.h"
#include "CudaDriver.h"

namespace muon::runtime {

/// Launches of one stage that share a kernel: one launch for the driver.
struct CudaLaunch {
  CudaFunction function = nullptr;
  const char *kernel = nullptr;
  uint64_t first = 0;  // in CudaProgram::order
  uint32_t count = 0;  // launches
  uint32_t blocks = 0; // of all of them
  uint32_t threads = 0, sharedBytes = 0;
};

/// Where a binding's tables are, from the start of its workspace. The compiler's buffers come
/// first.
struct CudaTables {
  uint64_t begin = 0;     // of the tables, and of the gradient slots, one for each parameter
  uint64_t scalars = 0;   // the rows, one after the other
  uint64_t launches = 0;  // muon_device_launch, in CudaProgram::order
  uint64_t constants = 0; // coefficients of the launches
  uint64_t items = 0;     // of the launches
  uint64_t end = 0;
};

struct CudaProgram {
  CudaDriver driver = {};
  CudaContext context = nullptr;
  int device = 0;
  bool retained = false; // the primary context, because none was current
  CudaModule module = nullptr;
  Array<CudaLaunch> launches;       // stage by stage
  Array<const muon_launch *> order; // the variant's launches as the driver gets them
  CudaTables tables;

  ~CudaProgram();
};

/// Makes the context current for a scope.
class CudaScope {
public:
  explicit CudaScope(const CudaProgram &cuda) : driver(cuda.driver) { error = driver.contextPush(cuda.context); }
  ~CudaScope() {
    CudaContext popped = nullptr;
    if (!error)
      driver.contextPop(&popped);
  }
  CudaScope(const CudaScope &) = delete;
  CudaScope &operator=(const CudaScope &) = delete;

  CudaResult error;

private:
  const CudaDriver &driver;
};

/// Whether the variant is made for a GPU.
inline bool isForCuda(const muon_variant &variant) { return variant.num_images != 0; }

/// Opens the driver and finds the device. If there is none or the variant has no image for it, says
/// why in `text` and returns false.
bool findCudaDevice(const muon_variant &variant, CudaProgram &cuda, Line &text);

/// Loads the variant's image and lays out launches and tables. findCudaDevice has succeeded.
muon_status loadCudaProgram(const muon_program &program, const muon_variant &variant, CudaProgram &cuda);

} // namespace muon::runtime

#endif // MUON_RUNTIME_CUDAPROGRAM_H
