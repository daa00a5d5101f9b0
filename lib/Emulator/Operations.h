//===- Operations.h - what every intrinsic does -----------------------------------------------===//

#ifndef MUON_EMULATOR_OPERATIONS_H
#define MUON_EMULATOR_OPERATIONS_H

#include "Site.h"

#include "llvm/ADT/StringRef.h"

#include <optional>

namespace muon::emulator {

/// The operation of a name without "llvm.nvvm." and without a mangled address space
/// ("ldmatrix.sync.aligned.m8n8.x4.b16"), or nothing if it is unknown. One function for each file that defines
/// operations.
std::optional<Operation> findOperation(llvm::StringRef name);
std::optional<Operation> findScalarOperation(llvm::StringRef name);   ///< Arithmetic and conversions.
std::optional<Operation> findWarpOperation(llvm::StringRef name);     ///< Shuffles, votes, reductions.
std::optional<Operation> findMatrixOperation(llvm::StringRef name);   ///< mma.sync, ldmatrix, stmatrix.
std::optional<Operation> findBarrierOperation(llvm::StringRef name);  ///< Barriers of the block.
std::optional<Operation> findCopyOperation(llvm::StringRef name);     ///< cp.async.
std::optional<Operation> findMbarrierOperation(llvm::StringRef name); ///< Barrier objects in shared memory.
std::optional<Operation> findBulkOperation(llvm::StringRef name);     ///< Tensor copies and the fences they need.
/// wgmma and its fence and groups: "wgmma.f16.f16" with the columns and depth of the product.
std::optional<Operation> findWarpgroupOperation(llvm::StringRef name, uint32_t columns = 0, uint32_t depth = 0);

/// Called by rewritten kernels; `site` says which operation.
extern "C" void muonEmulatorOperation(const Site *site, const uint64_t *arguments, uint64_t *results);

} // namespace muon::emulator

#endif // MUON_EMULATOR_OPERATIONS_H
