//===- DeterminismTest.cpp - Same inputs, same bits -------------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

using namespace muon::execution;

namespace {

/// Several tiles, blocks and row counts that no tile divides.
const std::vector<std::vector<int64_t>> kShapes = {{37, 53}, {150, 130}, {3, 40, 24}, {64, 300}};

std::vector<uint64_t> joined(std::vector<uint64_t> to, const std::vector<uint64_t> &more) {
  to.insert(to.end(), more.begin(), more.end());
  return to;
}

/// Weight, momentum and other states after a step from these inputs.
std::vector<uint64_t> written(Trainer &trainer, size_t parameter, bool moment) {
  std::vector<uint64_t> bits = joined(trainer.weight(parameter).bits(), trainer.momentum(parameter).bits());
  return moment ? joined(bits, trainer.tensor(parameter, "second_moment").bits()) : bits;
}

void give(Trainer &trainer, size_t parameter, uint64_t seed) {
  for (Tensor *tensor : {&trainer.weight(parameter), &trainer.gradient(parameter), &trainer.momentum(parameter)})
    for (int64_t k = 0; k < tensor->matrices(); ++k) {
      Matrix like = tensor->matrix(k);
      tensor->set(normal(like.rows, like.columns, ++seed), k);
    }
}

/// Parameters of a program of groups of five, and of the same groups of one.
void expectGroupEqualsSingles(Group group, const std::string &dtype) {
  bool moment = group.preset == "normuon" || group.preset == "adamuon";
  constexpr size_t kMany = 5;
  std::vector<Group> singles, fives;
  for (const std::vector<int64_t> &shape : kShapes) {
    group.shape = shape, group.parameters = 1;
    singles.push_back(group);
    group.parameters = kMany;
    fives.push_back(group);
  }
  Program one({.groups = singles, .dtype = dtype}), many({.groups = fives, .dtype = dtype});
  Trainer together(many, {.workers = 2});
  for (size_t p = 0; p < together.parameters(); ++p)
    give(together, p, 100 * p);
  together.run(scalars());
  for (size_t i = 0; i < kMany; ++i) {
    Trainer alone(one);
    for (size_t g = 0; g < singles.size(); ++g)
      give(alone, g, 100 * (kMany * g + i));
    alone.run(scalars());
    for (size_t g = 0; g < singles.size(); ++g)
      EXPECT_EQ(written(together, kMany * g + i, moment), written(alone, g, moment)) << i << g;
  }
}

TEST(Determinism, GroupOfFiveEqualsFiveSingles) {
  expectGroupEqualsSingles({.shape = {}}, "f32");
  expectGroupEqualsSingles({.shape = {}}, "bf16");
}

TEST(Determinism, GroupOfFiveEqualsFiveSinglesOfOtherPresets) {
  expectGroupEqualsSingles({.shape = {}, .preset = "normuon"}, "f32");
  expectGroupEqualsSingles({.shape = {}, .preset = "polar_express", .clip = 0.1}, "bf16");
}

TEST(Determinism, BatchEqualsItsMatricesAlone) {
  for (std::string dtype : {"f32", "bf16"}) {
    Program batch({.groups = {{.shape = {4, 37, 53}}}, .dtype = dtype});
    Program one({.groups = {{.shape = {37, 53}}}, .dtype = dtype});
    Trainer before(batch), after(batch);
    before.fill(1), after.fill(1);
    after.run(scalars());
    for (int64_t k = 0; k < 4; ++k) {
      Trainer alone(one);
      alone.weight(0).set(before.weight(0).matrix(k));
      alone.gradient(0).set(before.gradient(0).matrix(k));
      alone.momentum(0).set(before.momentum(0).matrix(k));
      alone.run(scalars());
      EXPECT_EQ(after.weight(0).matrix(k).values, alone.weight(0).matrix().values) << k;
      EXPECT_EQ(after.momentum(0).matrix(k).values, alone.momentum(0).matrix().values) << k;
    }
  }
}

TEST(Determinism, GroupsOfOneProgramDoNotTouchEachOther) {
  std::vector<Group> groups;
  for (const std::vector<int64_t> &shape : kShapes)
    groups.push_back({.shape = shape, .parameters = 2});
  Program all({.groups = groups});
  Trainer together(all, {.workers = 2});
  for (size_t p = 0; p < 8; ++p)
    give(together, p, 100 * p);
  together.run(scalars());
  for (size_t g = 0; g < groups.size(); ++g) {
    Program own({.groups = {groups[g]}});
    Trainer alone(own);
    give(alone, 0, 200 * g), give(alone, 1, 200 * g + 100);
    alone.run(scalars());
    EXPECT_EQ(written(together, 2 * g, false), written(alone, 0, false));
    EXPECT_EQ(written(together, 2 * g + 1, false), written(alone, 1, false));
  }
}

TEST(Determinism, AnyNumberOfWorkers) {
  std::vector<Group> groups;
  for (std::string preset : {"keller", "normuon", "adamuon", "exact"})
    for (const std::vector<int64_t> &shape : kShapes)
      groups.push_back({.shape = shape, .preset = preset});
  groups.push_back({.shape = {200000}, .preset = "rms"});
  groups.push_back({.shape = {40, 2000}, .clip = 0.5});
  for (std::string dtype : {"f32", "bf16"}) {
    if (dtype == "bf16") // what follows is f32 only
      std::erase_if(groups, [](const Group &group) { return group.preset == "exact"; });
    Program program({.groups = groups, .dtype = dtype});
    std::vector<uint64_t> expected;
    for (uint32_t workers : {1u, 2u, 3u, 2u, 7u}) {
      Trainer trainer(program, {.workers = workers});
      trainer.fill(5);
      trainer.run(scalars());
      trainer.run(scalars());
      if (expected.empty())
        expected = trainer.bits();
      EXPECT_EQ(trainer.bits(), expected) << workers << " workers";
    }
  }
}

/// Null gradients leave weight and states to the bit, and the others take their step as always.
TEST(Determinism, AbsentGradientsLeaveTheirParametersUntouched) {
  std::vector<Group> groups{{.shape = {37, 53}, .parameters = 3},
                            {.shape = {2, 20, 30}, .preset = "normuon", .parameters = 2},
                            {.shape = {90}, .preset = "rms"}};
  Program program({.groups = groups});
  for (uint32_t workers : {1u, 2u}) {
    Trainer all(program, {.workers = workers}), some(program, {.workers = workers});
    all.fill(1), some.fill(1);
    std::vector<uint64_t> one = written(some, 1, false), three = written(some, 3, true), five = written(some, 5, false);
    all.run(scalars());
    some.run(scalars(), {1, 3, 5});
    EXPECT_EQ(written(some, 1, false), one);
    EXPECT_EQ(written(some, 3, true), three);
    EXPECT_EQ(written(some, 5, false), five);
    for (size_t p : {0u, 2u, 4u}) {
      EXPECT_EQ(written(some, p, p == 4), written(all, p, p == 4)) << p;
      EXPECT_EQ(some.status(p).state, 0u);
    }
    for (size_t p : {1u, 3u, 5u})
      EXPECT_EQ(some.status(p).state, 1u);
    some.run(scalars()); // and in the next step they are back
    EXPECT_EQ(written(some, 1, false), written(all, 1, false));
  }
}

} // namespace
