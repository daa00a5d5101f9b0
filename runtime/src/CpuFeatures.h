//===- CpuFeatures.h - what this processor and its kernel can execute -------------------------===//

#ifndef MUON_RUNTIME_CPUFEATURES_H
#define MUON_RUNTIME_CPUFEATURES_H

#include "Error.h"

#include <stddef.h>

namespace muon::runtime {

/// Whether the feature, named as in /proc/cpuinfo, can be used by this process. For the tile
/// registers (amx_tile) the kernel is asked for permission, once per process; a refusal counts as
/// a missing feature.
bool hasCpuFeature(const char *name, size_t length);

/// Appends the missing ones of a comma-separated list, separated by ", "; returns how many.
unsigned missingCpuFeatures(const char *features, Line &missing);

} // namespace muon::runtime

#endif // MUON_RUNTIME_CPUFEATURES_H
