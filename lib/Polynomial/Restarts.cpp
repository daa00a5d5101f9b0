//===- Restarts.cpp - Where the gram form rebuilds R ------------------------------------------===//

#include "EmulateWithin.h"
#include "Known.h"
#include "RestartSets.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace muon {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

constexpr double nothing = -1;

/// How far above the standard sequence's error a set may be on one spectrum and still count as
/// equal: errors of one form on matrices of different sizes vary by more than this.
constexpr double equalError = 1.1;

/// Sets of one count that are worth an emulation.
constexpr size_t candidatesPerCount = 6;

/// Up to here all sets of a count are ranked (at most 126 of them).
constexpr int exhaustiveSteps = 10;

int significandBits(OperandType type) {
  switch (type) {
  case OperandType::f32:
    return 24;
  case OperandType::bf16:
    return 8;
  case OperandType::f16:
  case OperandType::tf32:
  case OperandType::f16Sums:
    return 11;
  }
  return 24;
}

std::vector<RestartSet> promisingSets(const Table &table, std::vector<RestartSet> sets) {
  if (sets.size() <= candidatesPerCount)
    return sets;
  std::vector<std::pair<double, RestartSet>> ranked;
  for (RestartSet &set : sets) {
    double metric = conditionMetric(table, set);
    ranked.emplace_back(metric, std::move(set));
  }
  std::sort(ranked.begin(), ranked.end());
  sets.clear();
  for (size_t i = 0; i < candidatesPerCount; ++i)
    sets.push_back(std::move(ranked[i].second));
  return sets;
}

/// What a set must keep. A limit of `nothing` is one no set can: where the standard form (T-1
/// restarts) misses its goal, fewer restarts do not reach it.
EmulationLimits acceptance(const Table &table, OperandType type, double bound, const EmulationError &standard) {
  if (type == OperandType::f32)
    return {standard.worst <= bound ? bound : nothing, infinity, {}};
  if (!std::isfinite(standard.worst))
    return {nothing, nothing, {}};
  Band widened = widenBand(computeBand(table, 0), type, table.steps());
  EmulationLimits limits{infinity, std::max(widened.upper, standard.singular.upper), {}};
  for (double error : standard.errors)
    limits.errors.push_back(std::max(bound, equalError * error));
  return limits;
}

/// The error of the set's gram form; infinity if it misses the limits.
double errorWithin(const Table &table, OperandType type, const RestartSet &set, const EmulationLimits &limits,
                   int shortSide, int longSide) {
  EmulationError outcome = emulateWithin(table, {FormChoice::gram, set}, type, shortSide, longSide, limits);
  for (size_t i = 0; i < outcome.errors.size(); ++i)
    if (limits.isMissed(i, outcome.errors[i]))
      return infinity;
  return outcome.singular.upper <= limits.largestSingular ? outcome.worst : infinity;
}

EmulationLimits limitsOf(const Table &table, OperandType type, double bound, int shortSide, int longSide) {
  EmulationError standard = emulate(table, {}, type, shortSide, longSide);
  if (type == OperandType::f16Sums) { // they stand in for bf16, which may round more
    EmulationError replaced = emulate(table, {}, OperandType::bf16, shortSide, longSide);
    for (size_t i = 0; i < std::min(standard.errors.size(), replaced.errors.size()); ++i)
      standard.errors[i] = std::max(standard.errors[i], replaced.errors[i]);
  }
  return acceptance(table, type, bound, standard);
}

} // namespace

std::vector<RestartSet> restartSets(int steps, int count) {
  if (steps > exhaustiveSteps) {
    RestartSet even;
    for (int i = 1; i <= count; ++i)
      even.push_back(i * steps / (count + 1));
    return {even};
  }
  std::vector<RestartSet> sets;
  for (unsigned bits = 0; bits < 1u << (steps - 1); ++bits) {
    RestartSet set;
    for (int k = 1; k < steps; ++k)
      if (bits >> (k - 1) & 1)
        set.push_back(k);
    if (static_cast<int>(set.size()) == count)
      sets.push_back(std::move(set));
  }
  return sets;
}

std::vector<RestartSet> acceptedRestarts(const Table &table, OperandType type, double bound,
                                         std::vector<RestartSet> sets, int shortSide, int longSide) {
  static Known<std::tuple<std::vector<std::vector<double>>, OperandType, double, RestartSet, int, int>, double> known;
  if (sets.empty())
    return {};
  EmulationLimits limits = limitsOf(table, type, bound, shortSide, longSide);
  if (limits.error == nothing)
    return {};
  std::vector<std::pair<double, RestartSet>> accepted;
  for (RestartSet &set : promisingSets(table, std::move(sets))) {
    double error = known.lookup({coefficientsOf(table), type, bound, set, shortSide, longSide},
                                [&] { return errorWithin(table, type, set, limits, shortSide, longSide); });
    if (error < infinity)
      accepted.emplace_back(error, std::move(set));
  }
  std::sort(accepted.begin(), accepted.end());
  std::vector<RestartSet> result;
  for (auto &[error, set] : accepted)
    result.push_back(std::move(set));
  return result;
}

Band widenBand(Band band, OperandType type, int steps) {
  constexpr double c = 5;
  double w = c * std::ldexp(std::sqrt(double(steps)), -significandBits(type));
  return {band.lower * (1 - w), band.upper * (1 + w)};
}

double conditionMetric(const Table &table, const std::vector<int> &restarts) {
  constexpr int points = 10000;
  constexpr double decades = 10, perturbation = -4e-4;
  int steps = table.steps();
  std::vector<double> largest(steps, 0), smallest(steps, infinity); // |Q| at the end of each block
  for (int i = 0; i < points; ++i) {
    double x = std::pow(10, -decades * i / (points - 1)), r = x * x + perturbation, q = 1;
    for (int step = 0; step < steps; ++step) {
      if (std::find(restarts.begin(), restarts.end(), step) != restarts.end()) {
        x *= q;
        r = x * x + perturbation;
        q = 1;
      }
      const std::vector<double> &c = table.rows[step].c;
      double p = 0;
      for (size_t k = c.size(); k-- > 0;)
        p = p * r + c[k];
      q *= p;
      r *= p * p;
      bool blockEnds = step + 1 == steps || std::find(restarts.begin(), restarts.end(), step + 1) != restarts.end();
      if (!blockEnds)
        continue;
      if (!std::isfinite(q))
        return infinity;
      largest[step] = std::max(largest[step], std::abs(q));
      smallest[step] = std::min(smallest[step], std::abs(q));
    }
  }
  double worst = 1;
  for (int step = 0; step < steps; ++step)
    if (largest[step] > 0)
      worst = std::max(worst, largest[step] / smallest[step]);
  return worst;
}

std::optional<std::vector<int>> searchRestarts(const Table &table, OperandType type, double bound, int shortSide,
                                               int longSide) {
  for (int count = 0; count < std::max(1, table.steps()); ++count)
    if (std::vector<RestartSet> accepted =
            acceptedRestarts(table, type, bound, restartSets(table.steps(), count), shortSide, longSide);
        !accepted.empty())
      return accepted.front();
  return std::nullopt;
}

} // namespace muon
