//===- ExactWalk.h - The spectral map where nothing is rounded ----------------------*- C++ -*-===//
//
// The recurrences of ExpandOrthogonalize.cpp in float64, watching that the operand type and f32
// hold every value and every sum of products in any order. Data that pass have one right result, to
// the bit.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_TEST_EXECUTION_EXACTWALK_H
#define MUON_TEST_EXECUTION_EXACTWALK_H

#include "Matrix.h"

#include <string>
#include <vector>

namespace muon::execution {

using namespace float64;

class ExactWalk {
public:
  /// `restarts` are the gram form's; null: the standard form.
  ExactWalk(std::string operands, std::vector<std::vector<double>> rows, const std::vector<int> *restarts)
      : operands(std::move(operands)), rows(std::move(rows)), restarts(restarts) {}

  /// O of a normalised X.
  Matrix run(const Matrix &x);
  /// The first value that would have been rounded, and where; "" if none.
  const std::string &rounded() const { return first; }

private:
  Matrix standard(Matrix x);
  Matrix gram(Matrix x);
  Matrix oddPart(const Matrix &r, const std::vector<double> &c);
  /// A B, summed in f32.
  Matrix product(const Matrix &a, const Matrix &b);
  /// Computed in f32.
  Matrix kept(Matrix a, const char *what);
  /// Stored as an operand.
  Matrix narrowed(Matrix a, const char *what);
  bool isRestart(size_t step) const;
  void complain(const std::string &what);

  std::string operands;
  std::vector<std::vector<double>> rows;
  const std::vector<int> *restarts;
  size_t step = 0;
  std::string first;
};

} // namespace muon::execution

#endif // MUON_TEST_EXECUTION_EXACTWALK_H
