//===- Tensors.h - a trainer's tensors against a program's arguments --------------------------===//

#ifndef MUON_RUNTIME_TENSORS_H
#define MUON_RUNTIME_TENSORS_H

#include "Error.h"

namespace muon::runtime {

/// Bytes of one element, 0 for an unknown dtype.
constexpr uint32_t elementBytes(uint32_t dtype) {
  constexpr uint32_t bytes[] = {4, 2, 2, 8, 4, 8};
  return dtype <= MUON_I64 ? bytes[dtype] : 0;
}

const char *dtypeName(uint32_t dtype);

/// The name as the trainer knows it.
const char *parameterName(const muon_group &group, uint32_t parameter);

/// Whether the program writes an argument of this role.
constexpr bool isWritten(uint32_t role) { return role == MUON_WEIGHT || role == MUON_STATE || role == MUON_METRIC; }

/// Refuses a tensor that is not what the argument says or whose strides kernels cannot walk. The
/// data of a gradient is not looked at; a metric's may be null.
muon_status checkTensor(const muon_group &group, uint32_t parameter, uint32_t argument, const muon_tensor &tensor);

} // namespace muon::runtime

#endif // MUON_RUNTIME_TENSORS_H
