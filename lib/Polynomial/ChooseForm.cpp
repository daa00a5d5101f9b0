//===- ChooseForm.cpp -----------------------------------------------------===//

#include "muon/Polynomial/ChooseForm.h"

#include <algorithm>
#include <numeric>

namespace muon {
namespace {

/// Whether the matrix is so large that the small one of the emulation says too little of it, and one shot keeps the bound.
bool keepsOneShot(const FormProblem &problem, double bound) {
  return problem.sumsInRuns && problem.type == OperandType::f32 && problem.shortSide >= oneShotShortSide &&
         problem.longSide <= oneShotAspect * problem.shortSide && emulateOneShot(problem.table, bound, static_cast<int>(problem.shortSide)) <= bound;
}

std::optional<std::vector<int>> restartsWithin(const FormProblem &problem, double bound) {
  std::optional<std::vector<int>> restarts = searchRestarts(problem.table, problem.type, bound);
  if (restarts && !restarts->empty() && keepsOneShot(problem, bound))
    return std::vector<int>();
  return restarts;
}

} // namespace

double countBytes(const FormProblem &problem, const FormChoice &choice) {
  bool whole = problem.type == OperandType::f32 || problem.type == OperandType::tf32;
  double word = whole ? 4 : 2;
  double square = problem.shortSide * problem.shortSide * word;
  double wide = problem.shortSide * problem.longSide * word;
  double gram = wide + square, symmetric = 3 * square, apply = square + 2 * wide;
  double bytes = 0;
  int steps = problem.table.steps();
  bool fresh = true;
  for (int step = 0; step < steps; ++step) {
    bool last = choice.form == FormChoice::standard || step + 1 == steps ||
                std::count(choice.restarts.begin(), choice.restarts.end(), step + 1);
    bytes += evaluationProducts(problem.table.rows[step].degree()) * symmetric;
    bytes += fresh ? gram : symmetric;
    bytes += last ? apply : 2 * symmetric;
    fresh = last;
  }
  return bytes;
}

double costOf(const FormProblem &problem, const FormChoice &choice, FormWeights weights) {
  return countProducts(problem.table, choice, problem.shortSide, problem.longSide) +
         weights.flopsPerByte * countBytes(problem, choice);
}

double expectedError(const FormProblem &problem, const FormChoice &choice, FormWeights weights) {
  if (choice == FormChoice{FormChoice::gram, {}} && keepsOneShot(problem, weights.gramBound))
    return emulateOneShot(problem.table, weights.gramBound, static_cast<int>(problem.shortSide));
  return emulate(problem.table, choice, problem.type, emulationShortSide, emulationLongSide).worst;
}

FormChoice chooseRestarts(const FormProblem &problem, FormWeights weights) {
  if (std::optional<std::vector<int>> restarts = restartsWithin(problem, weights.gramBound))
    return {FormChoice::gram, *restarts};
  std::vector<int> all(problem.table.steps() - 1);
  std::iota(all.begin(), all.end(), 1);
  return {FormChoice::gram, all};
}

FormChoice chooseForm(const FormProblem &problem, FormWeights weights) {
  // The search costs more than all the rest: none where even one block is no gain.
  FormChoice standard, oneBlock{FormChoice::gram, {}};
  double least = costOf(problem, standard, weights);
  if (costOf(problem, oneBlock, weights) >= least)
    return standard;
  std::optional<std::vector<int>> restarts = restartsWithin(problem, weights.gramBound);
  if (!restarts)
    return standard;
  FormChoice gram{FormChoice::gram, *restarts};
  return costOf(problem, gram, weights) < least ? gram : standard;
}

} // namespace muon
