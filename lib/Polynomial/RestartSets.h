//===- RestartSets.h - The sets that a choice of form looks at ----------------------*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_RESTARTSETS_H
#define MUON_LIB_POLYNOMIAL_RESTARTSETS_H

#include "muon/Polynomial/Emulate.h"

#include <vector>

namespace muon {

using RestartSet = std::vector<int>;

/// All sets of `count` restarts in 1..steps-1, or one evenly spaced set for long tables.
std::vector<RestartSet> restartSets(int steps, int count);

/// Those of `sets` that keep what searchRestarts says, the smallest error first. Of more than six the ones that
/// conditionMetric likes best are emulated.
std::vector<RestartSet> acceptedRestarts(const Table &table, OperandType type, double bound,
                                         std::vector<RestartSet> sets, int shortSide = emulationShortSide,
                                         int longSide = emulationLongSide);

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_RESTARTSETS_H
