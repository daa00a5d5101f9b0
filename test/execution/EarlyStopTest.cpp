//===- EarlyStopTest.cpp - Matrices that need less than their table ---------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace muon::execution;

namespace {

constexpr double kBound = 0.3;

/// ‖I - O Oᵀ‖_F on the short side.
double deviation(const Matrix &o) {
  Matrix r = o.rows <= o.columns ? o * transpose(o) : transpose(o) * o;
  return frobenius(r - identity(r.rows));
}

/// 3 U Vᵀ but for 1 % in its singular values.
Matrix nearlyOrthogonal(int64_t rows, int64_t columns, uint64_t seed) {
  std::vector<double> values;
  int64_t shorter = std::min(rows, columns);
  for (int64_t i = 0; i < shorter; ++i)
    values.push_back(3 + 0.03 * std::cos(double(i)));
  return Spectral(rows, columns, values, seed).matrix();
}

struct Outcome {
  Matrix o;
  double orthogonality, steps;
};

/// O, scaled as the step function leaves it, of every matrix of every parameter: a step of size one from zeros.
std::vector<Outcome> outcomes(const Program &program, const std::vector<Matrix> &inputs, uint32_t workers = 1) {
  Trainer trainer(program, {.workers = workers});
  std::vector<Outcome> results;
  size_t next = 0;
  for (size_t p = 0; p < trainer.parameters(); ++p)
    for (int64_t k = 0; k < trainer.gradient(p).matrices(); ++k)
      trainer.gradient(p).set(inputs.at(next++), k);
  Scalars row = scalars(1, 0);
  row["mu"] = 0;
  trainer.run(row);
  for (size_t p = 0; p < trainer.parameters(); ++p)
    for (int64_t k = 0; k < trainer.gradient(p).matrices(); ++k)
      results.push_back({-1.0 * trainer.weight(p).matrix(k),
                         trainer.tensor(p, "orthogonality").matrix().values.at(size_t(k)),
                         trainer.tensor(p, "steps").matrix().values.at(size_t(k))});
  return results;
}

Group stopping(std::vector<int64_t> shape, double bound = kBound, const std::string &preset = "keller") {
  Group group{.shape = std::move(shape), .preset = preset};
  group.adjustLr = "none";
  group.earlyStop = bound;
  return group;
}

const std::vector<std::vector<int64_t>> kShapes = {{1, 30}, {30, 1}, {40, 100}, {64, 64}, {100, 30}, {150, 130}};

/// What bf16 operands round beside the bound: 2^-9 per entry, of which the diagonal's add up.
double rounding(const std::string &dtype, const Matrix &o) {
  return dtype == "f32" ? 1e-5 : 0x1p-8 * std::sqrt(double(std::min(o.rows, o.columns)));
}

TEST(EarlyStop, WhatIsOrthogonalAlreadyTakesNoStepAndKeepsTheCertificate) {
  for (std::string dtype : {"f32", "bf16"})
    for (std::string target : {"cpu", "x86-64-v3"}) {
      std::vector<Group> groups;
      std::vector<Matrix> inputs;
      for (const std::vector<int64_t> &shape : kShapes) {
        groups.push_back(stopping(shape));
        inputs.push_back(nearlyOrthogonal(shape[0], shape[1], inputs.size()));
      }
      std::vector<Outcome> results = outcomes(Program({.groups = groups, .dtype = dtype, .target = target}), inputs);
      ASSERT_EQ(results.size(), inputs.size());
      for (size_t i = 0; i < results.size(); ++i) {
        const Outcome &result = results[i];
        double rounded = rounding(dtype, result.o), reached = deviation(result.o);
        EXPECT_EQ(result.steps, 0) << i << dtype << target;
        EXPECT_LE(result.orthogonality, kBound) << i;
        EXPECT_NEAR(reached, result.orthogonality, rounded) << i << dtype << target;
        double distance = frobenius(result.o - polarFactor(inputs[i]));
        EXPECT_LE(distance, result.orthogonality / (1 + std::sqrt(1 - kBound)) + rounded) << i << dtype << target;
      }
    }
}

/// In the middle of a table, in the block of a restart and after it.
TEST(EarlyStop, StopsBetweenRowsToo) {
  std::vector<std::vector<int64_t>> shapes{{10, 60}, {33, 150}, {140, 70}};
  for (std::string restarts : {"[]", "[3]", "[1, 4, 7]"}) {
    std::vector<Group> groups;
    std::vector<Matrix> inputs;
    for (const std::vector<int64_t> &shape : shapes) {
      groups.push_back(stopping(shape));
      groups.back().table = "polar_express", groups.back().steps = 8, groups.back().safety = 1.01;
      inputs.push_back(normal(shape[0], shape[1], inputs.size()));
    }
    std::vector<Outcome> results = outcomes(Program({.groups = groups, .form = "gram", .restarts = restarts}), inputs);
    ASSERT_EQ(results.size(), inputs.size());
    for (size_t i = 0; i < results.size(); ++i) {
      EXPECT_GT(results[i].steps, 0) << i << restarts;
      EXPECT_LT(results[i].steps, 8) << i << restarts;
      EXPECT_LE(results[i].orthogonality, kBound) << i << restarts;
      // One block of eight rows from a floor of 1e-3 recurs on a matrix that rounding moves.
      double moved = restarts == "[]" ? 0.05 : 2e-3;
      EXPECT_NEAR(deviation(results[i].o), results[i].orthogonality, moved) << i << restarts;
      EXPECT_LE(frobenius(results[i].o - polarFactor(inputs[i])),
                results[i].orthogonality / (1 + std::sqrt(1 - kBound)) + moved)
          << i << restarts;
    }
  }
}

/// One matrix of a batch stops, its neighbours go on as if nobody did: bit for bit what they are without the option.
TEST(EarlyStop, ConcernsOnlyTheMatrixThatStops) {
  for (std::string dtype : {"f32", "bf16"}) {
    Group group = stopping({4, 37, 53}), plain = group;
    plain.earlyStop.reset();
    std::vector<Matrix> inputs{normal(37, 53, 1), nearlyOrthogonal(37, 53, 2), Matrix(37, 53), normal(37, 53, 3)};
    Program program({.groups = {group}, .dtype = dtype}), without({.groups = {plain}, .dtype = dtype, .form = "gram"});
    std::vector<uint64_t> expected;
    for (uint32_t workers : {1u, 2u, 4u}) {
      std::vector<Outcome> results = outcomes(program, inputs, workers);
      ASSERT_EQ(results.size(), 4u);
      std::vector<double> steps;
      for (const Outcome &result : results)
        steps.push_back(result.steps);
      EXPECT_EQ(steps, (std::vector<double>{5, 0, 5, 5}));
      EXPECT_TRUE(std::isnan(results[2].orthogonality)) << "nothing is known of a zero matrix";
      Trainer other(without);
      for (int64_t k = 0; k < 4; ++k)
        other.gradient(0).set(inputs[size_t(k)], k);
      Scalars row = scalars(1, 0);
      row["mu"] = 0;
      other.run(row);
      for (size_t k : {0u, 2u, 3u})
        EXPECT_EQ(results[k].o.values, (-1.0 * other.weight(0).matrix(int64_t(k))).values) << k << dtype;
    }
  }
}

TEST(EarlyStop, NeverReachedChangesNoBit) {
  for (std::string dtype : {"f32", "bf16"}) {
    std::vector<Group> groups, plain;
    for (std::string preset : {"keller", "polar_express", "inverse_root", "normuon", "adamuon"}) {
      if (dtype == "bf16" && preset == "inverse_root") // f32 only
        continue;
      bool batched = preset == "keller" || preset == "normuon";
      groups.push_back(
          stopping(batched ? std::vector<int64_t>{2, 65, 30} : std::vector<int64_t>{40, 100}, 1e-6, preset));
      plain.push_back(groups.back());
      plain.back().earlyStop.reset();
    }
    Trainer stopping(Program({.groups = groups, .dtype = dtype}), {.workers = 2});
    Trainer always(Program({.groups = plain, .dtype = dtype, .form = "gram"}), {.workers = 2});
    for (Trainer *trainer : {&stopping, &always}) {
      uint64_t seed = 0;
      for (size_t p = 0; p < groups.size(); ++p)
        for (Tensor *tensor : {&trainer->weight(p), &trainer->gradient(p), &trainer->momentum(p)})
          for (int64_t k = 0; k < tensor->matrices(); ++k)
            tensor->set(normal(tensor->matrix(k).rows, tensor->matrix(k).columns, ++seed), k);
      trainer->run(scalars());
    }
    for (size_t p = 0; p < groups.size(); ++p) {
      EXPECT_EQ(stopping.weight(p).bits(), always.weight(p).bits()) << groups[p].preset << dtype;
      EXPECT_EQ(stopping.momentum(p).bits(), always.momentum(p).bits()) << groups[p].preset << dtype;
    }
  }
}

/// Some stop, some do not, the second step meets what the first left in the workspace.
TEST(EarlyStop, SameBitsForAnyWorkersAndGroups) {
  std::vector<Group> groups, five;
  for (std::vector<int64_t> shape : {std::vector<int64_t>{37, 53}, {150, 130}, {3, 40, 24}, {64, 300}}) {
    groups.push_back(stopping(shape));
    five.push_back(groups.back());
    five.back().parameters = 5;
  }
  auto give = [](Trainer &trainer, size_t p, uint64_t seed) {
    Tensor &gradient = trainer.gradient(p);
    for (int64_t k = 0; k < gradient.matrices(); ++k) {
      Matrix like = gradient.matrix(k);
      bool near = (seed + uint64_t(k)) % 2;
      gradient.set(near ? nearlyOrthogonal(like.rows, like.columns, seed) : normal(like.rows, like.columns, seed), k);
    }
  };
  auto written = [](Trainer &trainer, size_t p) {
    std::vector<uint64_t> result;
    for (const char *name : {"weight", "momentum", "orthogonality", "steps"})
      for (uint64_t bits : trainer.tensor(p, name).bits())
        result.push_back(bits);
    return result;
  };
  Program program({.groups = groups, .dtype = "bf16"}), together({.groups = five, .dtype = "bf16"});
  std::vector<std::vector<uint64_t>> expected(5 * groups.size());
  for (size_t i = 0; i < 5; ++i) {
    Trainer alone(program);
    for (size_t step = 0; step < 2; ++step) {
      for (size_t g = 0; g < groups.size(); ++g)
        give(alone, g, 10 * (5 * g + i) + step);
      alone.run(scalars());
    }
    for (size_t g = 0; g < groups.size(); ++g)
      expected[5 * g + i] = written(alone, g);
  }
  for (uint32_t workers : {1u, 2u, 4u, 7u}) {
    Trainer all(together, {.workers = workers});
    for (size_t step = 0; step < 2; ++step) {
      for (size_t p = 0; p < all.parameters(); ++p)
        give(all, p, 10 * p + step);
      all.run(scalars());
    }
    for (size_t p = 0; p < all.parameters(); ++p)
      EXPECT_EQ(written(all, p), expected[p]) << workers << " workers, parameter " << p;
  }
}

TEST(EarlyStop, OfNonFiniteGradients) {
  Matrix broken = nearlyOrthogonal(24, 40, 1);
  broken.at(3, 7) = NAN;
  for (std::string nonfinite : {"propagate", "skip"}) {
    Group group = stopping({24, 40});
    group.parameters = 3;
    Program program({.groups = {group}, .nonfinite = nonfinite});
    Trainer trainer(program, {.workers = 2});
    trainer.gradient(0).set(nearlyOrthogonal(24, 40, 2));
    trainer.gradient(1).set(broken);
    trainer.gradient(2).set(normal(24, 40, 3));
    Scalars row = scalars(1, 0);
    row["mu"] = 0;
    trainer.run(row);
    bool skips = nonfinite == "skip";
    EXPECT_EQ(trainer.status(0).state, 0u) << "stopping early is no failure";
    EXPECT_EQ(trainer.status(1).state, skips ? 2u : 0u);
    EXPECT_EQ(trainer.status(2).state, 0u);
    EXPECT_EQ(trainer.tensor(0, "steps").matrix().values[0], 0);
    EXPECT_EQ(trainer.tensor(2, "steps").matrix().values[0], 5);
    EXPECT_LE(deviation(-1.0 * trainer.weight(0).matrix()), kBound);
    double left = trainer.weight(1).matrix().at(3, 7);
    EXPECT_TRUE(skips ? left == 0 : std::isnan(left)) << left;
    EXPECT_EQ(trainer.tensor(1, "steps").matrix().values[0], skips ? 0 : 5);
  }
}

/// eps keeps small gradients small; a matrix that it has brought below the table's floor does not stop.
TEST(EarlyStop, KeepsTheMeaningOfEps) {
  const std::vector<double> sizes{1e-30, 1e-12, 1e-3, 1e30};
  Group group = stopping({24, 40});
  group.parameters = int(sizes.size());
  std::vector<Matrix> inputs;
  for (double size : sizes)
    inputs.push_back(size / 3 * nearlyOrthogonal(24, 40, 1));
  std::vector<Outcome> results = outcomes(Program({.groups = {group}}), inputs);
  ASSERT_EQ(results.size(), sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(results[i].steps, sizes[i] >= 1e-3 ? 0 : 5) << sizes[i];
    EXPECT_LT(frobenius(results[i].o), std::sqrt(24.0) * 1.2);
  }
}

/// Every way to normalise, and rows below and above a quintic.
TEST(EarlyStop, OfOtherPresets) {
  std::vector<Group> groups;
  std::vector<Matrix> inputs;
  for (std::string preset : {"torch", "moonlight", "polar_express", "inverse_root"}) {
    groups.push_back(stopping({40, 100}, kBound, preset));
    inputs.push_back(nearlyOrthogonal(40, 100, inputs.size()));
  }
  for (std::string table : {"cubic", "simple_quintic", "pade"}) {
    groups.push_back(stopping({8, 30}));
    groups.back().table = table, groups.back().steps = 12;
    inputs.push_back(normal(8, 30, 1));
  }
  std::vector<Outcome> results = outcomes(Program({.groups = groups}), inputs);
  ASSERT_EQ(results.size(), inputs.size());
  for (size_t i = 0; i < results.size(); ++i) {
    bool near = i < 4;
    EXPECT_EQ(results[i].steps == 0, near) << i;
    EXPECT_LT(results[i].steps, 12) << i;
    EXPECT_NEAR(deviation(results[i].o), results[i].orthogonality, near ? 1e-5 : 1e-3) << i;
  }
}

} // namespace
