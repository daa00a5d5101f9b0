//===- ScheduleTest.cpp - any order and any number of workers give the same bits --------------===//

#include "StepProgram.h"

#include "Binding.h"
#include "Schedule.h"
#include "StepKernels.h"

#include <gtest/gtest.h>
#include <mutex>
#include <set>

using namespace muon::runtime;

namespace {
struct Outcome {
  std::vector<std::vector<float>> tensors;
  std::vector<bool> matrixMajor; // of every group
};
} // namespace

static const std::vector<GroupShape> kShapes = {{{9, 7}, 16}, {{4, 4, 5}, 3}, {{33, 8}, 2}, {{1, 3}}};

static Outcome steps(Layout layout, uint32_t workers, int count = 5) {
  StepProgram program(kShapes, 4);
  program.addVariant(layout);
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
  EXPECT_EQ(program.load(&handle, workers), MUON_OK) << muon_error_text();
  TrainerMemory memory(program);
  EXPECT_EQ(memory.bind(handle, &binding), MUON_OK) << muon_error_text();
  Outcome outcome;
  for (int step = 0; step < count; ++step)
    EXPECT_EQ(muon_run(binding, memory.gradients.data(), memory.scalars.data(), nullptr), MUON_OK);
  for (size_t t = 0; t < memory.tensors.size(); ++t)
    outcome.tensors.push_back(memory.values(t));
  const Binding &made = *reinterpret_cast<Binding *>(binding);
  outcome.matrixMajor.assign(kShapes.size(), true);
  for (size_t s = 0; s < made.shares.size(); ++s)
    if (!made.shares[s].jobs)
      outcome.matrixMajor[made.plan().shares[s].group] = false;
  muon_release(binding);
  muon_unload(handle);
  return outcome;
}

TEST(Schedule, SameBitsForAnyWorkersAndOrder) {
  Outcome one = steps(Layout::Shared, 1);
  EXPECT_EQ(one.matrixMajor, std::vector<bool>({false, false, false, false}));
  StepProgram program(kShapes, 4);
  std::vector<std::vector<float>> expected;
  TrainerMemory memory(program);
  for (size_t t = 0; t < memory.tensors.size(); ++t)
    expected.push_back(memory.values(t));
  for (int step = 0; step < 5; ++step)
    referenceStep(program, expected, memory.scalars, 4);
  EXPECT_EQ(one.tensors, expected);
  for (Layout layout : {Layout::Slab, Layout::BigSlab, Layout::Arrays, Layout::Shared})
    for (uint32_t workers : {1u, 2u, 3u, 8u})
      EXPECT_EQ(steps(layout, workers).tensors, expected) << "layout " << int(layout) << ", workers " << workers;
}

TEST(Schedule, SmallMatricesGoMatrixMajor) {
  // 16, 12, 2 and 1 matrices.
  EXPECT_EQ(steps(Layout::Slab, 1).matrixMajor, std::vector<bool>({true, true, true, false}));
  EXPECT_EQ(steps(Layout::Slab, 2).matrixMajor, std::vector<bool>({true, true, false, false}));
  EXPECT_EQ(steps(Layout::Slab, 8).matrixMajor, std::vector<bool>({true, false, false, false}));
  EXPECT_EQ(steps(Layout::Arrays, 2).matrixMajor, std::vector<bool>({true, true, false, false}));
  EXPECT_EQ(steps(Layout::Shared, 2).matrixMajor, std::vector<bool>(4, false));
}

TEST(Schedule, WhatAFullRoundOfJobsLeavesGoesInStages) {
  auto jobs = [](std::vector<GroupShape> shapes, uint32_t workers) {
    StepProgram program(std::move(shapes), 4);
    program.addVariant(Layout::Arrays);
    muon_handle *handle = nullptr;
    muon_binding *binding = nullptr;
    EXPECT_EQ(program.load(&handle, workers), MUON_OK) << muon_error_text();
    TrainerMemory memory(program);
    EXPECT_EQ(memory.bind(handle, &binding), MUON_OK) << muon_error_text();
    EXPECT_EQ(muon_run(binding, memory.gradients.data(), memory.scalars.data(), nullptr), MUON_OK);
    uint64_t found = reinterpret_cast<Binding *>(binding)->shares[0].jobs;
    muon_release(binding);
    muon_unload(handle);
    return found;
  };
  // Of 5 tiles each: two workers end one matrix in 3/5 of one worker's time, four end it in 2/5 and two in 3/5.
  EXPECT_EQ(jobs({{{9, 7}, 5}}, 1), 5u);
  EXPECT_EQ(jobs({{{9, 7}, 5}}, 2), 5u);
  EXPECT_EQ(jobs({{{9, 7}, 8}}, 4), 8u);
  EXPECT_EQ(jobs({{{9, 7}, 9}}, 4), 8u);
  EXPECT_EQ(jobs({{{9, 7}, 10}}, 4), 10u);
  EXPECT_EQ(jobs({{{2, 7}, 9}}, 4), 9u); // of one tile
}

TEST(Schedule, NoBarrierPartsJobsFromAFirstStageOfOtherMemory) {
  auto stageRuns = [](bool apart) {
    StepProgram program({{{4, 4}, 4}, {{5, 6}}}, 4);
    program.addVariant(Layout::Arrays);
    if (!apart) // the second group's flags, which are read, where the first group's are
      for (muon_operand &operand : program.operands[8])
        if (operand.place == MUON_PLACE_WORKSPACE && !operand.written)
          operand.offset = program.operands[0].back().offset;
    muon_handle *handle = nullptr;
    muon_binding *binding = nullptr;
    EXPECT_EQ(program.load(&handle, 2), MUON_OK) << muon_error_text();
    TrainerMemory memory(program);
    EXPECT_EQ(memory.bind(handle, &binding), MUON_OK) << muon_error_text();
    size_t found = reinterpret_cast<Binding *>(binding)->stages.size();
    muon_release(binding);
    muon_unload(handle);
    return found;
  };
  EXPECT_EQ(stageRuns(true), 7u); // the jobs and the first stage, then the others
  EXPECT_EQ(stageRuns(false), 8u);
}

TEST(Schedule, RuleOfMatrixMajor) {
  EXPECT_TRUE(prefersMatrixMajor(4, 2 << 20, 2));
  EXPECT_FALSE(prefersMatrixMajor(3, 100, 2));
  EXPECT_FALSE(prefersMatrixMajor(64, (2 << 20) + 1, 2));
}

/// Whether groups are isolated after `change` moved their workspace operands.
template <typename Change> static std::vector<bool> isolated(Change change) {
  StepProgram program({{{4, 4}, 3}, {{4, 4}, 3}}, 1);
  program.addVariant(Layout::Arrays);
  program.variants[0].workspace_bytes += 1 << 16;
  change(program);
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
  EXPECT_EQ(program.load(&handle), MUON_OK) << muon_error_text();
  TrainerMemory memory(program);
  EXPECT_EQ(memory.bind(handle, &binding), MUON_OK) << muon_error_text();
  std::vector<bool> found;
  for (const GroupPlan &group : reinterpret_cast<Binding *>(binding)->plan().groups)
    found.push_back(group.isolated);
  muon_release(binding);
  muon_unload(handle);
  return found;
}

TEST(Schedule, BuffersThatShareMemoryAcrossMatricesNeedBarriers) {
  using P = StepProgram &;
  EXPECT_EQ(isolated([](P) {}), std::vector<bool>({true, true}));
  // Operands of group 0 are lists 0, 1, 2, 3; the last one of each but the first is the flag.
  // One matrix's flag over the next one's.
  EXPECT_EQ(isolated([](P p) { p.operands[3].back().offset += 64; }), std::vector<bool>({false, true}));
  EXPECT_EQ(isolated([](P p) { p.operands[3].back().matrix_stride = 0; }), std::vector<bool>({false, true}));
  EXPECT_EQ(isolated([](P p) {
              uint64_t distance = p.operands[4][1].offset - p.operands[0][1].offset;
              for (size_t list = 4; list < 8; ++list) // group 1 into the memory of group 0
                for (muon_operand &operand : p.operands[list])
                  if (operand.place == MUON_PLACE_WORKSPACE)
                    operand.offset -= distance;
            }),
            std::vector<bool>({true, false}));
}

static std::mutex tilesLock;
static std::multiset<std::pair<const muon_launch *, uint32_t>> tilesSeen;
static void recordTile(const muon_launch *launch, void *, uint32_t tile) {
  std::lock_guard<std::mutex> guard(tilesLock);
  tilesSeen.insert({launch, tile});
}

TEST(Schedule, EveryTileRunsOnce) {
  for (uint32_t workers : {1u, 4u, 7u}) {
    StepProgram program(kShapes, 2);
    program.addVariant(Layout::Slab);
    muon_handle *handle = nullptr;
    muon_binding *binding = nullptr;
    ASSERT_EQ(program.load(&handle, workers), MUON_OK);
    TrainerMemory memory(program);
    ASSERT_EQ(memory.bind(handle, &binding), MUON_OK);
    memory.gradients[2] = nullptr;
    tilesSeen.clear();
    tile_hook = recordTile;
    ASSERT_EQ(muon_run(binding, memory.gradients.data(), memory.scalars.data(), nullptr), MUON_OK);
    tile_hook = nullptr;
    std::multiset<std::pair<const muon_launch *, uint32_t>> expected;
    for (const std::vector<muon_launch> &stage : program.launches)
      for (const muon_launch &launch : stage) {
        const muon_group &group = program.groups[launch.group];
        uint64_t matrices = group.num_parameters * group.matrices_per_parameter;
        for (uint32_t tile = 0; tile < matrices * launch.tiles_per_matrix; ++tile)
          if (launch.group != 0 || tile / launch.tiles_per_matrix != 2)
            expected.insert({&launch, tile});
      }
    EXPECT_EQ(tilesSeen, expected);
    muon_release(binding);
    muon_unload(handle);
  }
}

TEST(Schedule, ManyRunsWithBarriers) {
  // A barrier that lets one worker through early shows here.
  Outcome one = steps(Layout::Shared, 1, 200);
  EXPECT_EQ(steps(Layout::Shared, 3, 200).tensors, one.tensors);
}
