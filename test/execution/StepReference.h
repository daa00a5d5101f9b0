//===- StepReference.h - The published algorithms in float64 ------------------------*- C++ -*-===//
//
// Written from the papers and sources named in include/muon/Form/Presets.h; nothing of the
// compiler's but the tables' coefficients. Standard form throughout, one matrix at a time.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_TEST_EXECUTION_STEPREFERENCE_H
#define MUON_TEST_EXECUTION_STEPREFERENCE_H

#include "Matrix.h"
#include "Program.h"

#include "muon/Polynomial/Table.h"

namespace muon::execution {

using namespace float64;

/// What one matrix undergoes.
struct StepReference {
  /// What the group asks for, its preset's own where it is silent.
  explicit StepReference(const Group &group);

  /// Updates w, m and the preset's second moment v (any shape where there is none).
  void run(Matrix &w, const Matrix &g, Matrix &m, Matrix &v) const;
  /// The update before the lr factor, in float64.
  Matrix direction(const Matrix &x) const;
  /// The same as torch and Keller's original compute it, every intermediate result in bf16.
  Matrix directionInBf16(const Matrix &x) const;

  std::string preset;
  Table table;
  bool nesterov, sum, clamp;
  std::string decay;
  double eps, safety, damping, clip, scale;
  double lr = 0.02, wd = 0.1, mu = 0.95, beta2 = 0.9;

private:
  void readPreset(const Group &group);
  void readScale(const Group &group);
  double norm(const Matrix &x) const;
  Matrix normuon(const Matrix &o, Matrix &v) const;
  Matrix adamuon(const Matrix &o, Matrix &v) const;
};

/// x p(xᵀx) row by row, on a matrix that is normalised already.
Matrix iterate(const Table &table, Matrix x);
/// The orthogonal polar factor of a matrix whose singular values are not tiny.
Matrix polarFactor(const Matrix &x);

} // namespace muon::execution

#endif // MUON_TEST_EXECUTION_STEPREFERENCE_H
