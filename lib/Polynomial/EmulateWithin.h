//===- EmulateWithin.h - An emulation that stops at the first miss ------------------*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_EMULATEWITHIN_H
#define MUON_LIB_POLYNOMIAL_EMULATEWITHIN_H

#include "muon/Polynomial/Emulate.h"

#include <limits>
#include <vector>

namespace muon {

/// The rows of a table without its name, as the key of what is kept per process.
std::vector<std::vector<double>> coefficientsOf(const Table &table);

struct EmulationLimits {
  double error = std::numeric_limits<double>::infinity();
  double largestSingular = std::numeric_limits<double>::infinity();
  /// Largest error on each spectrum, in the order of `spectrumNames()`; empty: `error` alone.
  std::vector<double> errors;

  bool isMissed(size_t spectrum, double itsError) const {
    return itsError > error || (!errors.empty() && itsError > errors[spectrum]);
  }
};

/// As `emulate`, but stops after the first spectrum that misses a limit: most restart sets fail on
/// the first few. Not cached.
EmulationError emulateWithin(const Table &table, const FormChoice &choice, OperandType type, int shortSide,
                             int longSide, const EmulationLimits &limits, std::optional<double> floor = std::nullopt);

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_EMULATEWITHIN_H
