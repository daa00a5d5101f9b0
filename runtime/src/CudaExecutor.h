//===- CudaExecutor.h - the tables of a binding on the device, and its launches ---------------===//

#ifndef MUON_RUNTIME_CUDAEXECUTOR_H
#define MUON_RUNTIME_CUDAEXECUTOR_H

#include "Binding.h"

namespace muon::runtime {

/// Copies launches and items to the workspace and waits for that. The host's items are resolved.
muon_status uploadTables(Binding &binding);

/// Queues the run on the stream: two tables, the status words, the launches. Waits for nothing,
/// allocates nothing; may be captured.
muon_status executeOnCuda(Binding &binding, void *const *gradients, const muon_scalar *scalars, void *stream);

} // namespace muon::runtime

#endif // MUON_RUNTIME_CUDAEXECUTOR_H
