//===- SpectrumTest.cpp - Error over the spectrum zoo -----------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

using namespace muon::execution;

namespace {

struct Named {
  std::string name;
  Matrix matrix;
};

/// Descending draws of a gamma distribution of shape 2, the largest 1.
std::vector<double> gammaValues(int64_t count, unsigned seed) {
  std::mt19937_64 engine(seed);
  auto uniform = [&] { return double((engine() >> 11) + 1) * 0x1p-53; };
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(-std::log(uniform() * uniform()));
  std::sort(values.begin(), values.end(), std::greater<>());
  double largest = values.front();
  for (double &value : values)
    value /= largest;
  return values;
}

/// The zoo: singular values from 1 down, random bases.
std::vector<Named> zoo(int64_t rows, int64_t columns, unsigned seed = 7) {
  int64_t k = std::min(rows, columns);
  auto spectrum = [&](auto f) {
    std::vector<double> values;
    for (int64_t i = 0; i < k; ++i)
      values.push_back(f(double(i) / double(k - 1)));
    return Spectral(rows, columns, values, seed).matrix();
  };
  std::vector<Named> matrices;
  matrices.push_back({"linear", spectrum([](double t) { return 1.001 - t; })});
  matrices.push_back({"log to 1e-2", spectrum([](double t) { return std::pow(10, -2 * t); })});
  matrices.push_back({"log to 1e-4", spectrum([](double t) { return std::pow(10, -4 * t); })});
  matrices.push_back({"log to 1e-9", spectrum([](double t) { return std::pow(10, -9 * t); })});
  matrices.push_back({"low rank", spectrum([](double t) { return t < 0.1 ? 1 : 1e-3 * (1.5 - t); })});
  matrices.push_back({"gamma", Spectral(rows, columns, gammaValues(k, seed), seed).matrix()});
  matrices.push_back({"power law", spectrum([](double t) { return 1 / (1 + 63 * t); })});
  matrices.push_back({"heavy tail", spectrum([](double t) { return t == 0 ? 1 : 0.02 / (t + 0.1); })});
  matrices.push_back({"near rank 1", spectrum([](double t) { return t == 0 ? 1 : 1e-3 * (1 - t / 2); })});
  matrices.push_back({"gauss", normal(rows, columns, seed + 4)});
  return matrices;
}

/// The input that a step sees is in f32.
Matrix inF32(Matrix a) {
  for (double &value : a.values)
    value = float(value);
  return a;
}

/// One program of these presets at three shapes, and the zoo as their inputs.
class ZooRun {
public:
  ZooRun(const std::vector<std::string> &presets, const std::string &dtype, const std::string &form,
         unsigned seed = 7) {
    for (auto [rows, columns] : {std::pair{40, 100}, {64, 64}, {90, 30}}) {
      std::vector<Named> inputs = zoo(rows, columns, seed);
      for (const std::string &preset : presets) {
        Group group{.shape = {rows, columns}, .preset = preset};
        group.adjustLr = "none", group.parameters = int(inputs.size());
        groups.push_back(group);
        for (const Named &input : inputs) {
          names.push_back(preset + " " + input.name + " " + std::to_string(rows));
          matrices.push_back(inF32(input.matrix));
          groupOf.push_back(groups.size() - 1);
        }
      }
    }
    results = orthogonalize(Program({.groups = groups, .dtype = dtype, .form = form}), matrices);
  }

  std::vector<Group> groups;
  std::vector<std::string> names;
  std::vector<size_t> groupOf;
  std::vector<Matrix> matrices, results;
};

void expectWithin(const ZooRun &run, double bound) {
  EXPECT_EQ(run.results.size(), run.matrices.size());
  for (size_t i = 0; i < run.results.size(); ++i) {
    StepReference reference(run.groups[run.groupOf[i]]);
    EXPECT_LE(relativeError(run.results[i], reference.direction(run.matrices[i])), bound) << run.names[i];
  }
}

TEST(Spectrum, StandardFormInF32) { expectWithin({{"keller", "torch", "polar_express"}, "f32", "standard"}, 2e-5); }

TEST(Spectrum, ChosenFormInF32) {
  expectWithin({{"keller", "moonlight", "polar_express", "inverse_root"}, "f32", "auto"}, 2e-4);
}

/// The zoo's matrices of the group's shape, those of `names` or all, through one program.
void expectZooWithin(Group group, Request request, double bound, const std::vector<std::string> &names = {}) {
  std::vector<Matrix> matrices;
  std::vector<std::string> taken;
  for (const Named &input : zoo(group.shape[0], group.shape[1]))
    if (names.empty() || std::find(names.begin(), names.end(), input.name) != names.end())
      matrices.push_back(inF32(input.matrix)), taken.push_back(input.name);
  group.adjustLr = "none", group.parameters = int(matrices.size());
  request.groups = {group};
  std::vector<Matrix> results = orthogonalize(Program(request), matrices);
  StepReference reference(group);
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_LE(relativeError(results[i], reference.direction(matrices[i])), bound)
        << group.preset << " " << taken[i] << " " << group.shape[0];
}

/// Pairs keep the standard form's bound on every spectrum of every table of quintics.
TEST(Spectrum, PairsInF32) {
  for (std::string preset : {"keller", "polar_express"})
    for (std::vector<int64_t> shape : {std::vector<int64_t>{64, 128}, {300, 300}})
      expectZooWithin({.shape = shape, .preset = preset}, {.dtype = "f32", .form = "standard", .pairs = "[0, 2]"},
                      3e-5);
}

/// What `auto` takes for a large square matrix of Keller's: three rows as one, then two.
TEST(Spectrum, TriplesInF32) {
  for (std::vector<int64_t> shape : {std::vector<int64_t>{64, 128}, {300, 300}, {37, 37}})
    expectZooWithin({.shape = shape, .preset = "keller"},
                    {.dtype = "f32", .form = "gram", .restarts = "[3]", .pairs = "[0, 1, 3]"}, 6e-5);
}

/// From 128 rows on, one shot: sums in runs round less, and a large matrix spreads it. Square, tall, ragged, and the
/// spectra that need it most.
TEST(Spectrum, OneShotOfLargeMatricesInF32) {
  for (std::vector<int64_t> shape : {std::vector<int64_t>{128, 128}, {128, 512}, {700, 190}, {256, 1024}, {1170, 300}})
    expectZooWithin({.shape = shape, .preset = "keller"},
                    {.dtype = "f32", .form = "gram", .restarts = "[]", .pairs = "[3]"}, 2e-4,
                    {"power law", "heavy tail", "near rank 1"});
}

/// Not farther from float64 than the peers are: torch and the originals keep every intermediate result in bf16. Every
/// spectrum of every preset, its squared errors summed over shapes and seeds: of a single matrix both errors are a few
/// roundings, and either may be the luckier.
void expectNotFartherThanPeers(const std::string &form) {
  struct Errors {
    double ours = 0, theirs = 0;
  };
  std::map<std::string, Errors> errors;
  for (unsigned seed = 7; seed < 12; ++seed) {
    ZooRun run({"keller", "torch", "polar_express"}, "bf16", form, seed);
    for (size_t i = 0; i < run.results.size(); ++i) {
      StepReference reference(run.groups[run.groupOf[i]]);
      Matrix exact = reference.direction(run.matrices[i]);
      double own = relativeError(run.results[i], exact);
      double peer = relativeError(reference.directionInBf16(run.matrices[i]), exact);
      EXPECT_LE(own, 1.25 * peer) << run.names[i] << " seed " << seed;
      Errors &sum = errors[run.names[i].substr(0, run.names[i].rfind(' '))];
      sum.ours += own * own, sum.theirs += peer * peer;
    }
  }
  for (const auto &[name, sum] : errors) {
    // A quarter of O and more is off there, because X is narrowed to bf16 before anything else, by both alike.
    bool ofNarrowing = name.ends_with("near rank 1") || name.ends_with("low rank");
    EXPECT_LE(std::sqrt(sum.ours / sum.theirs), ofNarrowing ? 1.005 : 1) << name << " " << form;
  }
}

TEST(Spectrum, Bf16IsNotFartherFromFloat64ThanThePeers) {
  expectNotFartherThanPeers("standard");
  expectNotFartherThanPeers("auto");
}

} // namespace
