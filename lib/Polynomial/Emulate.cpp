//===- Emulate.cpp ----------------------------------------------------------------------------===//

#include "muon/Polynomial/Emulate.h"
#include "Eigenvalues.h"
#include "EmulateWithin.h"
#include "Known.h"
#include "Recurrence.h"
#include "SpectrumZoo.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace muon {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Outcome {
  double error;
  Band singular;
};

/// Extreme singular values of `o`; the lower one is the served-th largest.
Band singularBand(const FloatMatrix &o, int served) {
  int n = o.rows;
  std::vector<double> gram(static_cast<size_t>(n) * n);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j <= i; ++j) {
      gram[i * n + j] = gram[j * n + i] = dot(o.row(i), o.row(j), o.stride());
    }
  Spectrum spectrum(std::move(gram), n);
  auto singular = [&](int index) { return std::sqrt(std::max(0.0, spectrum.largest(index))); };
  return {singular(served - 1), singular(0)};
}

FloatMatrix inputOf(const SpectrumZoo &zoo, const ZooSpectrum &spectrum) {
  std::vector<double> input = zoo.assemble(spectrum.singular);
  FloatMatrix x(zoo.shortSide, zoo.longSide);
  for (int i = 0; i < zoo.shortSide; ++i)
    std::copy_n(input.begin() + static_cast<size_t>(i) * zoo.longSide, zoo.longSide, x.row(i));
  return x;
}

/// |o - p(X)|_F / |p(X)|_F.
double errorOf(const SpectrumZoo &zoo, const ZooSpectrum &spectrum, const Table &table, const FloatMatrix &o) {
  std::vector<double> mapped;
  double expected = 0, difference = 0;
  for (double sigma : spectrum.singular) {
    mapped.push_back(evaluate(table, sigma));
    expected += mapped.back() * mapped.back();
  }
  std::vector<double> exact = zoo.assemble(mapped);
  for (int i = 0; i < zoo.shortSide; ++i)
    for (int j = 0; j < zoo.longSide; ++j) {
      double delta = o.row(i)[j] - exact[static_cast<size_t>(i) * zoo.longSide + j];
      difference += delta * delta;
    }
  // A value the Gram matrix of the result cannot hold has diverged just as well.
  return difference < 1e60 ? std::sqrt(difference / expected) : infinity;
}

Outcome emulateSpectrum(const SpectrumZoo &zoo, const ZooSpectrum &spectrum, const Table &table,
                        const FormChoice &choice, OperandType type, double floor) {
  FloatMatrix o = runRecurrence(table, choice, type, inputOf(zoo, spectrum));
  double error = errorOf(zoo, spectrum, table, o);
  if (error == infinity)
    return {infinity, {-infinity, infinity}};
  auto served =
      std::count_if(spectrum.singular.begin(), spectrum.singular.end(), [&](double sigma) { return sigma >= floor; });
  return {error, singularBand(o, std::max<int>(served, 1))};
}

/// Whether a matrix of one entry sigma = 0, 1/64, ..., 1, whose products are as large as their norms allow, stays
/// within f16's range.
bool fitsF16Sums(const Table &table, const FormChoice &choice) {
  constexpr int points = 64;
  for (int i = 0; i <= points; ++i) {
    FloatMatrix x(1, 1);
    x.row(0)[0] = float(i) / points;
    if (!std::isfinite(runRecurrence(table, choice, OperandType::f16Sums, x).row(0)[0]))
      return false;
  }
  return true;
}

using Key = std::tuple<std::vector<std::vector<double>>, FormChoice::Form, std::vector<int>, bool, std::vector<int>,
                       OperandType, int, int, double>;

Key makeKey(const Table &table, const FormChoice &choice, OperandType type, int shortSide, int longSide, double floor) {
  return {coefficientsOf(table),
          choice.form,
          choice.restarts,
          choice.centred,
          choice.pairs,
          type,
          shortSide,
          longSide,
          floor};
}

} // namespace

std::vector<std::vector<double>> coefficientsOf(const Table &table) {
  std::vector<std::vector<double>> rows;
  for (const Row &row : table.rows)
    rows.push_back(row.c);
  return rows;
}

std::vector<std::string> spectrumNames() {
  std::vector<std::string> names;
  for (const ZooSpectrum &spectrum : spectrumZoo(1, 1).spectra)
    names.push_back(spectrum.name);
  return names;
}

EmulationError emulateWithin(const Table &table, const FormChoice &choice, OperandType type, int shortSide,
                             int longSide, const EmulationLimits &limits, std::optional<double> floor) {
  const SpectrumZoo &zoo = spectrumZoo(shortSide, longSide);
  EmulationError result{-1, {}, {infinity, -infinity}, {}};
  if (type == OperandType::f16Sums && !fitsF16Sums(table, choice))
    return {infinity, "one entry", {-infinity, infinity}, std::vector<double>(zoo.spectra.size(), infinity)};
  for (const ZooSpectrum &spectrum : zoo.spectra) {
    Outcome outcome = emulateSpectrum(zoo, spectrum, table, choice, type, floor.value_or(servedFloor(type)));
    result.errors.push_back(outcome.error);
    result.singular.lower = std::min(result.singular.lower, outcome.singular.lower);
    result.singular.upper = std::max(result.singular.upper, outcome.singular.upper);
    if (outcome.error > result.worst) {
      result.worst = outcome.error;
      result.spectrum = spectrum.name;
    }
    if (limits.isMissed(result.errors.size() - 1, outcome.error) || result.singular.upper > limits.largestSingular)
      break;
  }
  return result;
}

EmulationError emulate(const Table &table, FormChoice choice, OperandType type, int shortSide, int longSide,
                       std::optional<double> floor) {
  static Known<Key, EmulationError> known;
  return known.lookup(makeKey(table, choice, type, shortSide, longSide, floor.value_or(servedFloor(type))),
                      [&] { return emulateWithin(table, choice, type, shortSide, longSide, {}, floor); });
}

static double emulateLarge(const Table &table, double bound, int shortSide, const std::vector<int> &pairs) {
  const FormChoice oneShot{FormChoice::gram, {}, false, pairs};
  std::vector<double> errors = emulate(table, oneShot, OperandType::f32, emulationShortSide, emulationLongSide).errors;
  double worst = 0;
  for (size_t i = 0; i < errors.size() && worst <= bound; ++i) {
    if (errors[i] > bound) {
      const SpectrumZoo &zoo = spectrumZoo(shortSide, oneShotAspect * shortSide);
      FloatMatrix o =
          runRecurrence(table, oneShot, OperandType::f32, inputOf(zoo, zoo.spectra[i]), sumOrder(shortSide));
      errors[i] = errorOf(zoo, zoo.spectra[i], table, o);
    }
    worst = std::max(worst, errors[i]);
  }
  return worst;
}

double emulateOneShot(const Table &table, double bound, int shortSide, const std::vector<int> &pairs) {
  static Known<std::tuple<std::vector<std::vector<double>>, double, int, std::vector<int>>, double> known;
  shortSide = shortSide < narrowSide ? oneShotShortSide : narrowSide;
  return known.lookup({coefficientsOf(table), bound, shortSide, pairs},
                      [&] { return emulateLarge(table, bound, shortSide, pairs); });
}

} // namespace muon
