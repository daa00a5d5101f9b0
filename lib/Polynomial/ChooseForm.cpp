//===- ChooseForm.cpp -------------------------------------------------------------------------===//

#include "muon/Polynomial/ChooseForm.h"

#include "RestartSets.h"

#include "muon/Polynomial/PairedRows.h"
#include "muon/Polynomial/TripledRows.h"

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

/// Pairs from the first row on, and where `triples` a triple instead.
std::vector<int> possiblePairs(const FormProblem &problem, const FormChoice &choice, bool triples) {
  const std::vector<Row> &rows = problem.table.rows;
  int steps = problem.table.steps();
  std::vector<int> pairs;
  for (int row = 0; row + 1 < steps; ++row) {
    auto isStep = [&](int count) {
      for (int i = 1; i < count; ++i)
        if (choice.isRestart(row + i))
          return false;
      return row + count <= steps && choice.endsBlock(row + count, steps);
    };
    if (triples && problem.isNormalised && isStep(3) && findTriple(rows, row)) {
      pairs.insert(pairs.end(), {row, row + 1});
      row += 2;
    } else if (isStep(2) && canPair(rows[row], rows[row + 1])) {
      pairs.push_back(row);
      ++row;
    }
  }
  return pairs;
}

/// `choice` with all its pairs, and with triples instead where there are any: the cheapest first.
std::vector<FormChoice> pairedForms(const FormProblem &problem, const FormChoice &choice, FormWeights weights) {
  std::vector<FormChoice> forms;
  for (bool triples : {true, false}) {
    FormChoice paired = choice;
    paired.pairs = possiblePairs(problem, choice, triples);
    if (forms.empty() || forms.back().pairs != paired.pairs)
      forms.push_back(std::move(paired));
  }
  std::sort(forms.begin(), forms.end(), [&](const FormChoice &a, const FormChoice &b) {
    return costOf(problem, a, weights) < costOf(problem, b, weights);
  });
  return forms;
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
  FormChoice paired = mayPair(problem) ? pairedForms(problem, choice, weights).front() : choice;
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
    bytes += evaluationProducts(problem.table.rows[row].degree(), next - row) * symmetric;
    // Epilogues of a pair read T, T2 and N beside their operands, half of each, and one writes two results; those of a
    // triple read R, L and M, and five do.
    bytes += next - row == 2 ? 5 * square : next - row == 3 ? 13 * square : 0;
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
  double bound = choice.form == FormChoice::gram ? weights.gramBound : weights.pairedBound;
  for (const FormChoice &paired : pairedForms(problem, choice, weights)) {
    if (costOf(problem, paired, weights) >= costOf(problem, choice, weights))
      break;
    double error = errorOf(problem, paired);
    if (error <= bound || error <= equalError * errorOf(problem, choice))
      return paired;
  }
  return choice;
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
