//===- WavesTest.cpp - few matrices in flight, on the same memory again and again -------------===//

#include "StepProgram.h"

#include "Binding.h"
#include "StepKernels.h"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <limits>
#include <thread>

using namespace muon::runtime;

static constexpr uint32_t kMixes = 4;

namespace {
/// A program, its trainer and what the runtime made of it.
struct Loaded {
  Loaded(std::vector<GroupShape> shapes, Layout layout, uint32_t workers) : program(std::move(shapes), kMixes) {
    program.addVariant(layout);
    EXPECT_EQ(program.load(&handle, workers), MUON_OK) << muon_error_text();
  }
  ~Loaded() {
    tile_hook = nullptr;
    muon_release(binding);
    muon_unload(handle);
  }
  Loaded(const Loaded &) = delete;
  Loaded &operator=(const Loaded &) = delete;

  const WavePlan &plan() const { return handle->plan; }
  uint32_t waves() const { return plan().shares[plan().shares.size() - 1].wave + 1; }
  uint64_t workspaceSize() const { return muon_workspace_size(handle); }

  void bind() {
    memory.emplace(program);
    EXPECT_EQ(memory->bind(handle, &binding), MUON_OK) << muon_error_text();
  }
  void run() {
    EXPECT_EQ(muon_run(binding, memory->gradients.data(), memory->scalars.data(), nullptr), MUON_OK)
        << muon_error_text();
  }
  std::vector<std::vector<float>> snapshot() const {
    std::vector<std::vector<float>> all;
    for (size_t t = 0; t < memory->tensors.size(); ++t)
      all.push_back(memory->values(t));
    return all;
  }
  /// Runs two steps and compares every tensor with the reference.
  void compareTwoSteps() {
    bind();
    std::vector<std::vector<float>> expected = snapshot();
    for (int step = 0; step < 2; ++step) {
      run();
      referenceStep(program, expected, memory->scalars, kMixes);
    }
    EXPECT_EQ(snapshot(), expected);
  }

  StepProgram program;
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
  std::optional<TrainerMemory> memory;
};
} // namespace

TEST(Waves, RuleOfSlots) {
  EXPECT_EQ(waveTiles(2), 16u);
  EXPECT_EQ(slotsFor(48, 21, 2), 1u);
  EXPECT_EQ(slotsFor(48, 16, 2), 1u);
  EXPECT_EQ(slotsFor(48, 15, 2), 2u);
  EXPECT_EQ(slotsFor(48, 1, 2), 16u);
  EXPECT_EQ(slotsFor(3, 1, 2), 3u);
  EXPECT_EQ(slotsFor(48, 1, 2048), 48u);
}

TEST(Waves, WorkspaceEndsWithTheWave) {
  uint64_t slab = (2 << 20) + 64 + 2 * 832;      // 40 by 5 floats in whole cache lines
  for (uint32_t parameters : {1u, 2u, 10u, 50u}) // of 20 tiles
    EXPECT_EQ(Loaded({{{40, 5}, parameters}}, Layout::BigSlab, 2).workspaceSize(), slab);
  for (uint32_t parameters : {3u, 10u, 50u})
    EXPECT_EQ(Loaded({{{40, 5}, parameters}}, Layout::BigSlab, 7).workspaceSize(), 3 * slab);
  slab -= 2 << 20;
  for (uint32_t parameters : {16u, 17u, 50u, 500u}) // jobs of one worker
    EXPECT_EQ(Loaded({{{40, 5}, parameters}}, Layout::Slab, 2).workspaceSize(), 16 * slab);
  EXPECT_EQ(Loaded({{{40, 5}, 5}}, Layout::Slab, 2).workspaceSize(), 5 * slab);
  // Groups that fill waves of their own use the same memory.
  EXPECT_EQ(Loaded({{{40, 5}, 30}, {{40, 5}, 2}, {{40, 5}, 40}}, Layout::BigSlab, 2).workspaceSize(), slab + (2 << 20));
}

TEST(Waves, OneMatrixMoreWhereTilesComeOutEven) {
  auto slots = [](std::vector<GroupShape> shapes, uint32_t workers) {
    return Loaded(std::move(shapes), Layout::BigSlab, workers).plan().groups[0].slots;
  };
  EXPECT_EQ(slots({{{20, 5}, 48}}, 6), 6u); // of 10 tiles: 50 are 9 rounds of 6 workers, 60 are 10
  EXPECT_EQ(slots({{{20, 5}, 48}}, 5), 4u);
  EXPECT_EQ(slots({{{20, 5}, 5}}, 6), 5u);  // there is no other
  EXPECT_EQ(slots({{{34, 5}, 48}}, 2), 1u); // of 17 tiles: 9 rounds, but one at a time
}

TEST(Waves, SmallGroupsGoTogether) {
  // Of 20, 2, 2 and 20 tiles; a wave of two workers wants 16.
  Loaded loaded({{{40, 5}, 2}, {{4, 4}, 2}, {{4, 6}, 3}, {{40, 5}, 2}}, Layout::BigSlab, 2);
  std::vector<std::vector<uint64_t>> shares;
  for (const Share &share : loaded.plan().shares)
    shares.push_back({share.wave, share.group, share.firstMatrix, share.endMatrix});
  EXPECT_EQ(shares, (std::vector<std::vector<uint64_t>>{
                        {0, 0, 0, 1}, {1, 0, 1, 2}, {2, 1, 0, 2}, {2, 2, 0, 3}, {2, 3, 0, 1}, {3, 3, 1, 2}}));
}

/// Everything else relies on: every matrix in one share, full waves, regions that do not meet.
static void checkPlan(const Loaded &loaded, uint32_t workers) {
  const WavePlan &plan = loaded.plan();
  EXPECT_LE(plan.workspaceBytes, loaded.program.variants[0].workspace_bytes);
  uint64_t nextMatrix = 0, end = 0, tiles = 0;
  for (size_t s = 0; s < plan.shares.size(); ++s) {
    const Share &share = plan.shares[s];
    const GroupPlan &group = plan.groups[share.group];
    const muon_group &parameters = loaded.program.groups[share.group];
    EXPECT_EQ(share.firstMatrix, nextMatrix);
    EXPECT_GT(share.matrices(), 0u);
    bool isLast = share.endMatrix == parameters.num_parameters * parameters.matrices_per_parameter;
    nextMatrix = isLast ? 0 : share.endMatrix;
    if (s && share.wave != plan.shares[s - 1].wave) {
      EXPECT_EQ(share.wave, plan.shares[s - 1].wave + 1);
      EXPECT_GE(tiles, waveTiles(workers));
      tiles = end = 0;
    }
    EXPECT_GE(share.base, end);
    EXPECT_EQ(share.base % 64, group.low % 64);
    end = share.base + share.matrices() * group.matrixBytes;
    EXPECT_LE(end, plan.workspaceBytes);
    tiles += share.matrices() * group.thinnestTiles;
  }
  EXPECT_EQ(nextMatrix, 0u);
}

static const std::vector<GroupShape> kShapes = {{{9, 7}, 70}, {{4, 4, 5}, 9}, {{33, 8}, 2},
                                                {{1, 3}},     {{40, 6}, 5},   {{3, 7, 2}, 11}};

TEST(Waves, FewSlotsGiveTheSameBits) {
  for (Layout layout : {Layout::Slab, Layout::BigSlab})
    for (uint32_t workers : {1u, 2u, 3u, 8u}) {
      SCOPED_TRACE("layout " + std::to_string(int(layout)) + ", workers " + std::to_string(workers));
      Loaded loaded(kShapes, layout, workers);
      checkPlan(loaded, workers);
      EXPECT_GT(loaded.waves(), 1u);
      loaded.compareTwoSteps();
    }
}

TEST(Waves, OneWaveIsJobsAndStages) {
  // 16 jobs fill a wave; of the next, one matrix goes in stages with another group's.
  Loaded loaded({{{4, 4}, 17}, {{5, 6}}}, Layout::Slab, 2);
  loaded.compareTwoSteps();
  const Binding &binding = *reinterpret_cast<Binding *>(loaded.binding);
  std::vector<bool> matrixMajor;
  for (const ShareRun &share : binding.shares)
    matrixMajor.push_back(share.jobs != 0);
  EXPECT_EQ(matrixMajor, std::vector<bool>({true, false, false}));
  EXPECT_EQ(loaded.plan().shares[2].wave, 1u);
  // Jobs and stages in the same wave: 4 jobs are not enough to fill it.
  Loaded both({{{4, 4}, 4}, {{5, 6}}}, Layout::Slab, 2);
  both.compareTwoSteps();
  EXPECT_EQ(both.waves(), 1u);
  EXPECT_EQ(reinterpret_cast<Binding *>(both.binding)->shares[0].jobs, 4u);
  EXPECT_EQ(reinterpret_cast<Binding *>(both.binding)->shares[1].jobs, 0u);
}

TEST(Waves, GradientsMayBeMissingInWholeWaves) {
  for (Layout layout : {Layout::Slab, Layout::BigSlab})
    for (uint32_t workers : {1u, 3u}) {
      Loaded loaded({{{9, 7}, 60}, {{2, 4, 4}, 20}}, layout, workers);
      loaded.bind();
      std::vector<std::vector<float>> before = loaded.snapshot(), expected = before;
      auto isMissing = [](size_t p) { return p < 25 || (p > 26 && p < 52) || p == 79; };
      for (size_t p = 0; p < 80; ++p)
        if (isMissing(p))
          loaded.memory->gradients[p] = nullptr;
      loaded.memory->element(26 * 4 + 1, 5) = std::numeric_limits<float>::infinity();
      before = loaded.snapshot();
      loaded.run();
      referenceStep(loaded.program, expected, loaded.memory->scalars, kMixes);
      for (size_t p = 0; p < 80; ++p) {
        uint32_t state = isMissing(p) ? 1 : p == 26 ? 2 : 0;
        EXPECT_EQ(loaded.memory->status[p].state, state) << p;
        for (size_t t = p * 4; t < p * 4 + 4; ++t)
          EXPECT_EQ(loaded.memory->values(t), state ? before[t] : expected[t]) << t;
      }
    }
}

/// Per wave, how many of its tiles ran; a tile of a later wave must find all of them.
static std::vector<uint32_t> waveOfMatrix[2]; // by group
static std::vector<uint64_t> tilesOfWave;
static std::atomic<uint64_t> ran[64];
static std::atomic<uint64_t> early{0};
static void watchWaves(const muon_launch *launch, void *, uint32_t tile) {
  uint32_t wave = waveOfMatrix[launch->group][tile / launch->tiles_per_matrix];
  // Some are slow: without a barrier others would be far into the next wave by now.
  if (tile % 7 == 3)
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  for (uint32_t earlier = 0; earlier < wave; ++earlier)
    early += ran[earlier] != tilesOfWave[earlier];
  ++ran[wave];
}

TEST(Waves, DoNotOverlapInTime) {
  // A wave reuses the memory of the one before: its matrices' X and Y would be overwritten. This
  // counts tiles, and the results would be wrong too.
  for (Layout layout : {Layout::Slab, Layout::BigSlab}) {
    Loaded loaded({{{12, 7}, 70}, {{16, 8}, 20}}, layout, 3);
    ASSERT_GT(loaded.waves(), 2u);
    ASSERT_LE(loaded.waves(), 64u);
    tilesOfWave.assign(loaded.waves(), 0);
    for (std::vector<uint32_t> &waves : waveOfMatrix)
      waves.clear();
    for (const Share &share : loaded.plan().shares) {
      std::vector<uint32_t> &waves = waveOfMatrix[share.group];
      waves.insert(waves.end(), share.matrices(), share.wave);
      for (const std::vector<muon_launch> &stage : loaded.program.launches)
        for (const muon_launch &launch : stage)
          if (launch.group == share.group)
            tilesOfWave[share.wave] += share.matrices() * launch.tiles_per_matrix;
    }
    loaded.bind();
    std::vector<std::vector<float>> expected = loaded.snapshot();
    for (int step = 0; step < 3; ++step) {
      for (std::atomic<uint64_t> &count : ran)
        count = 0;
      tile_hook = watchWaves;
      loaded.run();
      tile_hook = nullptr;
      referenceStep(loaded.program, expected, loaded.memory->scalars, kMixes);
      EXPECT_EQ(early, 0u);
      EXPECT_TRUE(std::equal(tilesOfWave.begin(), tilesOfWave.end(), ran));
    }
    EXPECT_EQ(loaded.snapshot(), expected);
  }
}

TEST(Waves, OtherLayoutsHaveEverythingInFlight) {
  for (Layout layout : {Layout::Arrays, Layout::Shared})
    for (uint32_t workers : {1u, 3u}) {
      Loaded loaded(kShapes, layout, workers);
      EXPECT_EQ(loaded.waves(), 1u);
      EXPECT_EQ(loaded.workspaceSize(), loaded.program.variants[0].workspace_bytes);
      loaded.compareTwoSteps();
    }
  // One group that is not a slab is enough: no memory of the program may move then.
  StepProgram program(kShapes, kMixes);
  program.addVariant(Layout::Slab);
  for (muon_operand &operand : program.operands[1])
    if (operand.place == MUON_PLACE_WORKSPACE && !operand.written)
      operand.matrix_stride = 0; // reads one flag for all
  muon_handle *handle = nullptr;
  ASSERT_EQ(program.load(&handle, 2), MUON_OK) << muon_error_text();
  EXPECT_EQ(handle->plan.shares.size(), kShapes.size());
  EXPECT_FALSE(handle->plan.groups[0].movable);
  EXPECT_TRUE(handle->plan.groups[1].movable);
  EXPECT_EQ(muon_workspace_size(handle), program.variants[0].workspace_bytes);
  muon_unload(handle);
}
