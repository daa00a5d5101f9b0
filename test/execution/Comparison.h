//===- Comparison.h - Steps against their float64 reference -------------------------*- C++ -*-===//
#ifndef MUON_TEST_EXECUTION_COMPARISON_H
#define MUON_TEST_EXECUTION_COMPARISON_H

#include "StepReference.h"
#include "Trainer.h"

#include <string>
#include <vector>

namespace muon::execution {

/// Relative Frobenius errors of one parameter.
struct Difference {
  std::string parameter;
  double update;   ///< of W - W0
  double momentum; ///< of M
  double moment;   ///< of the second moment; 0 where there is none
};

/// Takes `steps` steps from small random weights, in both, with the gradients of step i given by
/// seed and i.
std::vector<Difference> compare(const Program &program, int steps = 1, Trainer::Options options = {});
inline std::vector<Difference> compare(const Request &request, int steps = 1) {
  return compare(Program(request), steps);
}

/// The scalars every reference uses.
Scalars scalars(double lr = 0.02, double wd = 0.1);

/// The bits of everything the program writes in two steps from one fixed start.
std::vector<uint64_t> bitsAfterTwoSteps(const Program &program, Trainer::Options options);

/// O of each parameter's first matrix for these inputs: a step of size one from weight and
/// momentum zero, without momentum.
std::vector<Matrix> orthogonalize(const Program &program, const std::vector<Matrix> &inputs);

} // namespace muon::execution

#endif // MUON_TEST_EXECUTION_COMPARISON_H
