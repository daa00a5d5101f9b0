//===- ChooseForm.cpp -------------------------------------------------------------------------===//

#include "muon/Polynomial/ChooseForm.h"

#include "RestartSets.h"

#include "muon/Polynomial/PairedRows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace muon {
namespace {

/// Whether the matrix is so large that the small one of the emulation says too little of its one-shot form.
bool hasManyDirections(const FormProblem &problem) {
  return problem.sumsInRuns && problem.type == OperandType::f32 && problem.shortSide >= oneShotShortSide &&
         problem.shortSide <= problem.longSide && problem.longSide <= oneShotAspect * problem.shortSide;
}

double emulateOneShot(const FormProblem &problem, const FormChoice &choice, double bound) {
  return emulateOneShot(problem.table, bound, static_cast<int>(problem.shortSide), choice.pairs);
}

double errorOf(const FormProblem &problem, const FormChoice &choice) {
  return emulate(problem.table, choice, problem.type, emulationShortSide, emulationLongSide).worst;
}

/// Halves keep their rows: docs/numerics.md.
bool mayPair(const FormProblem &problem) {
  return !problem.pairs && problem.type == OperandType::f32 && !problem.needsEveryGram;
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

/// The cheapest gram form that keeps the bound and costs less than `most`.
class GramSearch {
public:
  GramSearch(const FormProblem &problem, FormWeights weights, double most)
      : problem(problem), weights(weights), least(most) {}
  std::optional<FormChoice> run();

private:
  bool mayPay(const FormChoice &choice, bool alone) const;
  void consider(const FormChoice &choice);
  void considerOneShot();

  const FormProblem &problem;
  FormWeights weights;
  double least;
  std::optional<FormChoice> best;
};

/// Whether it costs less than the best, should its pairs be accepted, or `alone`.
bool GramSearch::mayPay(const FormChoice &choice, bool alone) const {
  FormChoice paired = choice;
  if (mayPair(problem))
    paired.pairs = possiblePairs(problem.table, choice);
  return costOf(problem, paired, weights) < least || (alone && costOf(problem, choice, weights) < least);
}

void GramSearch::consider(const FormChoice &choice) {
  if (double cost = costOf(problem, choice, weights); cost < least)
    best = choice, least = cost;
}

/// Of a large matrix, which may keep the bound where the small one does not.
void GramSearch::considerOneShot() {
  const FormChoice oneShot{FormChoice::gram, {}};
  if (!hasManyDirections(problem) || !mayPay(oneShot, true) || errorOf(problem, {}) > weights.gramBound)
    return;
  for (const FormChoice &choice : {choosePairs(problem, oneShot, weights), oneShot})
    if (emulateOneShot(problem, choice, weights.gramBound) <= weights.gramBound)
      return consider(choice);
}

std::optional<FormChoice> GramSearch::run() {
  int steps = problem.table.steps();
  // A restart adds products: more than are needed are for the pairs that they end.
  for (int count = 0; count < std::max(1, steps) && (!best || mayPair(problem)); ++count) {
    bool fewest = !best;
    std::vector<RestartSet> sets = restartSets(steps, count);
    std::erase_if(sets, [&](const RestartSet &set) { return !mayPay({FormChoice::gram, set}, fewest); });
    for (const RestartSet &set : acceptedRestarts(problem.table, problem.type, weights.gramBound, std::move(sets)))
      if (FormChoice choice = choosePairs(problem, {FormChoice::gram, set}, weights); fewest || !choice.pairs.empty())
        consider(choice);
  }
  considerOneShot();
  return best;
}

std::optional<FormChoice> gramWithin(const FormProblem &problem, FormWeights weights, double most) {
  if (!problem.restarts)
    return GramSearch(problem, weights, most).run();
  FormChoice given = choosePairs(problem, {FormChoice::gram, *problem.restarts}, weights);
  return costOf(problem, given, weights) < most ? std::optional(given) : std::nullopt;
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
  return errorOf(problem, choice);
}

FormChoice choosePairs(const FormProblem &problem, FormChoice choice, FormWeights weights) {
  constexpr double equalError = 1.1;
  if (problem.pairs)
    choice.pairs = *problem.pairs;
  if (!mayPair(problem) || choice.centred)
    return choice;
  FormChoice paired = choice;
  paired.pairs = possiblePairs(problem.table, choice);
  if (costOf(problem, paired, weights) >= costOf(problem, choice, weights))
    return choice;
  double error = errorOf(problem, paired);
  double bound = choice.form == FormChoice::gram ? weights.gramBound : weights.pairedBound;
  return error <= bound || error <= equalError * errorOf(problem, choice) ? paired : choice;
}

FormChoice chooseRestarts(const FormProblem &problem, FormWeights weights) {
  if (std::optional<FormChoice> gram = gramWithin(problem, weights, std::numeric_limits<double>::infinity()))
    return *gram;
  std::vector<int> all(problem.table.steps() - 1);
  std::iota(all.begin(), all.end(), 1);
  return choosePairs(problem, {FormChoice::gram, all}, weights);
}

FormChoice chooseForm(const FormProblem &problem, FormWeights weights) {
  FormChoice standard = choosePairs(problem, {}, weights);
  return gramWithin(problem, weights, costOf(problem, standard, weights)).value_or(standard);
}

} // namespace muon
