//===- SpectrumZoo.h - Matrices of known singular values ----------------------------*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_SPECTRUMZOO_H
#define MUON_LIB_POLYNOMIAL_SPECTRUMZOO_H

#include "FloatMatrix.h"

#include <string>
#include <vector>

namespace muon {

struct ZooSpectrum {
  std::string name;
  /// Descending, sum of squares 1: what a Frobenius norm leaves.
  std::vector<double> singular;
};

/// The zoo at one size. U (short x short) and V^T (short x long) are random and orthonormal; bases
/// must mix, because bf16 keeps relative precision per row and forgives a matrix scaled by rows.
struct SpectrumZoo {
  int shortSide, longSide;
  std::vector<double> left, rightTransposed;
  std::vector<ZooSpectrum> spectra;

  /// U diag(values) V^T, row-major short x long.
  std::vector<double> assemble(const std::vector<double> &values) const;
};

/// Built once per size and process; the same numbers on every run. Thread safe.
const SpectrumZoo &spectrumZoo(int shortSide, int longSide);

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_SPECTRUMZOO_H
