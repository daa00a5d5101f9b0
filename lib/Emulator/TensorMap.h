//===- TensorMap.h - what a CUtensorMap of ours holds -----------------------------------------===//

#ifndef MUON_EMULATOR_TENSORMAP_H
#define MUON_EMULATOR_TENSORMAP_H

#include "muon/Emulator/CudaDriver.h"

namespace muon::emulator {

inline constexpr uint32_t kTensorMapMark = 0x7a70616d;

/// The device's own encoding is not published; the 128 bytes are opaque to programs.
struct TensorMap {
  uint32_t mark;
  uint16_t elementBytes, rank;
  uint32_t swizzleBytes; ///< 0, 32, 64 or 128.
  uint32_t box[5];       ///< Elements, the contiguous axis first.
  uint64_t address;
  uint32_t sizes[5];
  uint32_t reserved;
  uint64_t strides[4]; ///< Bytes, of all axes but the first.
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));

/// Where a byte goes in swizzled shared memory: the 16-byte chunks of a row of `span` bytes change places by the row's
/// number.
inline uint64_t swizzle(uint64_t address, uint32_t span) {
  uint64_t mask = span == 128 ? 7 : span == 64 ? 3 : span == 32 ? 1 : 0;
  return address ^ ((address >> 7 & mask) << 4);
}

} // namespace muon::emulator

#endif // MUON_EMULATOR_TENSORMAP_H
