//===- ChooseForm.cpp -------------------------------------------------------------------------===//

#include "muon/Polynomial/ChooseForm.h"

#include "muon/Polynomial/PairedRows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace muon {
namespace {

/// Whether the matrix is so large that the small one of the emulation says too little of its one-shot form.
bool hasManyDirections(const FormProblem &problem) {
  return problem.sumsInRuns && problem.type == OperandType::f32 && problem.shortSide >= oneShotShortSide &&
         problem.longSide <= oneShotAspect * problem.shortSide;
}

double emulateOneShot(const FormProblem &problem, const FormChoice &choice, double bound) {
  return emulateOneShot(problem.table, bound, static_cast<int>(problem.shortSide), choice.pairs);
}

/// The gram form with the fewest restarts that keep the bound.
std::optional<FormChoice> gramWithin(const FormProblem &problem, FormWeights weights) {
  std::optional<std::vector<int>> restarts = searchRestarts(problem.table, problem.type, weights.gramBound);
  if (!restarts)
    return std::nullopt;
  if (!restarts->empty() && hasManyDirections(problem)) {
    const FormChoice oneShot{FormChoice::gram, {}};
    for (const FormChoice &choice : {choosePairs(problem, oneShot, weights), oneShot})
      if (emulateOneShot(problem, choice, weights.gramBound) <= weights.gramBound)
        return choice;
  }
  return choosePairs(problem, {FormChoice::gram, *restarts}, weights);
}

std::vector<int> possiblePairs(const Table &table, const FormChoice &choice) {
  std::vector<int> pairs;
  for (int row = 0; row + 1 < table.steps(); ++row) {
    if (choice.isRestart(row + 1) || !choice.endsBlock(row + 2, table.steps()) ||
        !canPair(table.rows[row], table.rows[row + 1]))
      continue;
    pairs.push_back(row);
    ++row;
  }
  return pairs;
}

} // namespace

bool f16SumsSuffice(const Table &table) {
  auto errorOf = [&](OperandType type) {
    return emulate(table, {}, type, emulationShortSide, emulationLongSide).worst;
  };
  double error = errorOf(OperandType::f16Sums);
  return std::isfinite(error) && error <= errorOf(OperandType::bf16);
}

double countBytes(const FormProblem &problem, const FormChoice &choice) {
  bool whole = problem.type == OperandType::f32 || problem.type == OperandType::tf32;
  double word = whole ? 4 : 2;
  double square = problem.shortSide * problem.shortSide * word;
  double wide = problem.shortSide * problem.longSide * word;
  double gram = wide + square, symmetric = 3 * square, apply = square + 2 * wide;
  double bytes = 0;
  int steps = problem.table.steps();
  bool fresh = true;
  for (int row = 0, next; row < steps; row = next) {
    next = row + choice.rowsAt(row);
    bool last = choice.endsBlock(next, steps);
    // The epilogues of a pair read T, T2 and N beside their operands, and one writes two results.
    bytes += next - row == 2 ? pairProducts * symmetric + 9 * square
                             : evaluationProducts(problem.table.rows[row].degree()) * symmetric;
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
  if (choice.form == FormChoice::gram && choice.restarts.empty() && hasManyDirections(problem))
    if (double error = emulateOneShot(problem, choice, weights.gramBound); error <= weights.gramBound)
      return error;
  return emulate(problem.table, choice, problem.type, emulationShortSide, emulationLongSide).worst;
}

FormChoice choosePairs(const FormProblem &problem, FormChoice choice, FormWeights weights) {
  constexpr double equalError = 1.1;
  if (problem.pairs)
    choice.pairs = *problem.pairs;
  if (problem.pairs || problem.type != OperandType::f32 || problem.needsEveryGram || choice.centred)
    return choice;
  FormChoice paired = choice;
  paired.pairs = possiblePairs(problem.table, choice);
  if (costOf(problem, paired, weights) >= costOf(problem, choice, weights))
    return choice;
  auto errorOf = [&](const FormChoice &c) {
    return emulate(problem.table, c, problem.type, emulationShortSide, emulationLongSide).worst;
  };
  double error = errorOf(paired), bound = choice.form == FormChoice::gram ? weights.gramBound : weights.pairedBound;
  return error <= bound || error <= equalError * errorOf(choice) ? paired : choice;
}

FormChoice chooseRestarts(const FormProblem &problem, FormWeights weights) {
  if (std::optional<FormChoice> gram = gramWithin(problem, weights))
    return *gram;
  std::vector<int> all(problem.table.steps() - 1);
  std::iota(all.begin(), all.end(), 1);
  return choosePairs(problem, {FormChoice::gram, all}, weights);
}

FormChoice chooseForm(const FormProblem &problem, FormWeights weights) {
  // The search costs more than all the rest: none where even one block is no gain.
  const FormChoice oneBlock{FormChoice::gram, {}};
  FormChoice standard = choosePairs(problem, {}, weights), least = oneBlock;
  if (!standard.pairs.empty())
    least.pairs = possiblePairs(problem.table, oneBlock);
  if (costOf(problem, least, weights) >= costOf(problem, standard, weights))
    return standard;
  std::optional<FormChoice> gram = gramWithin(problem, weights);
  return gram && costOf(problem, *gram, weights) < costOf(problem, standard, weights) ? *gram : standard;
}

} // namespace muon
