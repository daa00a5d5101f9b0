//===- SpectrumZoo.cpp ------------------------------------------------------------------------===//

#include "SpectrumZoo.h"
#include "Eigenvalues.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <numbers>

namespace muon {
namespace {

/// SplitMix64 with Box-Muller: the standard distributions differ between libraries.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}

  /// In (0, 1).
  double uniform() {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (static_cast<double>((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
  }
  double normal() {
    double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  std::vector<double> normals(size_t count) {
    std::vector<double> values(count);
    std::generate(values.begin(), values.end(), [&] { return normal(); });
    return values;
  }

private:
  uint64_t state;
};

/// row += weights[0] rows[0] + weights[1] rows[1] + ..., added one at a time; the row is read and written once for all.
template <int count>
[[gnu::always_inline]] inline void addRows(double *row, const double *rows, const double *weights, size_t length) {
  for (size_t j = 0; j < length; ++j) {
    double sum = row[j];
    for (int k = 0; k < count; ++k)
      sum += weights[k] * rows[k * length + j];
    row[j] = sum;
  }
}
MUON_ALSO_FOR_AVX2 void addRow(double *row, const double *other, double weight, size_t length) {
  addRows<1>(row, other, &weight, length);
}
MUON_ALSO_FOR_AVX2 void addFourRows(double *row, const double *rows, const double *weights, size_t length) {
  addRows<4>(row, rows, weights, length);
}

/// count orthonormal rows of the given length: Gram-Schmidt, twice, which leaves them orthogonal to
/// double precision.
std::vector<double> orthonormalRows(Random &random, int count, int length) {
  std::vector<double> rows = random.normals(static_cast<size_t>(count) * length);
  auto row = [&](int i) { return rows.data() + static_cast<size_t>(i) * length; };
  for (int i = 0; i < count; ++i)
    for (int pass = 0; pass < 2; ++pass) {
      for (int j = 0; j < i; ++j)
        addRow(row(i), row(j), -dot(row(i), row(j), length), length);
      double norm = std::sqrt(dot(row(i), row(i), length));
      for (int k = 0; k < length; ++k)
        row(i)[k] /= norm;
    }
  return rows;
}

/// Singular values of a short x long matrix of independent normals.
std::vector<double> gaussSpectrum(Random &random, int shortSide, int longSide) {
  std::vector<double> g = random.normals(static_cast<size_t>(shortSide) * longSide);
  std::vector<double> gram(static_cast<size_t>(shortSide) * shortSide), singular;
  for (int i = 0; i < shortSide; ++i)
    for (int j = 0; j <= i; ++j)
      gram[i * shortSide + j] = gram[j * shortSide + i] =
          dot(g.data() + static_cast<size_t>(i) * longSide, g.data() + static_cast<size_t>(j) * longSide, longSide);
  Spectrum spectrum(std::move(gram), shortSide);
  for (int i = 0; i < shortSide; ++i)
    singular.push_back(std::sqrt(std::max(0.0, spectrum.largest(i))));
  return singular;
}

std::vector<ZooSpectrum> makeSpectra(Random &random, int n, int longSide) {
  std::vector<ZooSpectrum> spectra;
  auto add = [&](const char *name, std::vector<double> singular) {
    std::sort(singular.begin(), singular.end(), std::greater<>());
    double square = 0;
    for (double value : singular)
      square += value * value;
    for (double &value : singular)
      value /= std::sqrt(square);
    spectra.push_back({name, std::move(singular)});
  };
  auto from = [&](auto value) { // value(i, position in [0, 1])
    std::vector<double> singular;
    for (int i = 0; i < n; ++i)
      singular.push_back(value(i, n > 1 ? double(i) / (n - 1) : 0));
    return singular;
  };
  add("linear", from([](int, double at) { return 1 - 0.999 * at; }));
  add("log 1e-2", from([](int, double at) { return std::pow(10, -2 * at); }));
  add("log 1e-4", from([](int, double at) { return std::pow(10, -4 * at); }));
  add("log 1e-9", from([](int, double at) { return std::pow(10, -9 * at); }));
  int rank = std::max(1, n / 12);
  add("low rank + noise", from([=](int i, double) { return i < rank ? 1 : 1e-3; }));
  add("gamma", from([&](int, double) { return -std::log(random.uniform() * random.uniform()); }));
  add("power law", from([](int i, double) { return 1.0 / (i + 1); }));
  add("heavy tail", from([&](int, double) { return std::exp(2 * random.normal()); }));
  add("near rank one", from([](int i, double at) { return i == 0 ? 1 : 1e-3 * (1 - 0.9 * at); }));
  add("Gauss", gaussSpectrum(random, n, longSide));
  return spectra;
}

std::unique_ptr<SpectrumZoo> makeZoo(int shortSide, int longSide) {
  Random random(1);
  auto zoo = std::make_unique<SpectrumZoo>();
  zoo->shortSide = shortSide;
  zoo->longSide = longSide;
  zoo->left = orthonormalRows(random, shortSide, shortSide);
  zoo->rightTransposed = orthonormalRows(random, shortSide, longSide);
  zoo->spectra = makeSpectra(random, shortSide, longSide);
  return zoo;
}

} // namespace

std::vector<double> SpectrumZoo::assemble(const std::vector<double> &values) const {
  std::vector<double> result(static_cast<size_t>(shortSide) * longSide), weights(shortSide);
  for (int i = 0; i < shortSide; ++i) {
    double *row = result.data() + static_cast<size_t>(i) * longSide;
    for (int k = 0; k < shortSide; ++k)
      weights[k] = left[static_cast<size_t>(i) * shortSide + k] * values[k];
    int k = 0;
    for (; k + 4 <= shortSide; k += 4)
      addFourRows(row, rightTransposed.data() + static_cast<size_t>(k) * longSide, &weights[k], longSide);
    for (; k < shortSide; ++k)
      addRow(row, rightTransposed.data() + static_cast<size_t>(k) * longSide, weights[k], longSide);
  }
  return result;
}

const SpectrumZoo &spectrumZoo(int shortSide, int longSide) {
  static std::mutex mutex;
  static std::map<std::pair<int, int>, std::unique_ptr<SpectrumZoo>> zoos;
  std::lock_guard lock(mutex);
  std::unique_ptr<SpectrumZoo> &zoo = zoos[{shortSide, longSide}];
  if (!zoo)
    zoo = makeZoo(shortSide, longSide);
  return *zoo;
}

} // namespace muon
