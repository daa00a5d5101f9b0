//===- RunTest.cpp - one step gives what it should --------------------------------------------===//

#include "StepProgram.h"

#include "StepKernels.h"

#include <atomic>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>
#include <utility>

using testing::HasSubstr;

static constexpr uint32_t kMixes = 3;

namespace {
class Run : public testing::Test {
protected:
  ~Run() override {
    tile_hook = nullptr;
    muon_release(binding);
    muon_unload(handle);
  }

  void start(std::vector<GroupShape> shapes, uint32_t workers = 1, Layout layout = Layout::Slab) {
    program.emplace(std::move(shapes), kMixes);
    program->addVariant(layout);
    ASSERT_EQ(program->load(&handle, workers), MUON_OK) << muon_error_text();
    memory.emplace(*program);
  }
  void bind() { ASSERT_EQ(memory->bind(handle, &binding), MUON_OK) << muon_error_text(); }
  muon_status run() { return muon_run(binding, memory->gradients.data(), memory->scalars.data(), nullptr); }
  std::vector<std::vector<float>> snapshot() const {
    std::vector<std::vector<float>> all;
    for (size_t t = 0; t < memory->tensors.size(); ++t)
      all.push_back(memory->values(t));
    return all;
  }
  void stepWithoutOne(Layout layout, float gradient, uint32_t state);
  void stop();
  /// Binds, runs two steps and compares every tensor with the reference.
  void compareTwoSteps() {
    std::vector<std::vector<float>> expected = snapshot();
    bind();
    for (int step = 0; step < 2; ++step) {
      ASSERT_EQ(run(), MUON_OK) << muon_error_text();
      referenceStep(*program, expected, memory->scalars, kMixes);
    }
    EXPECT_EQ(snapshot(), expected);
    for (const muon_parameter_status &status : memory->status)
      EXPECT_EQ(status.state, 0u);
  }

  std::optional<StepProgram> program;
  std::optional<TrainerMemory> memory;
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
};
} // namespace

enum : size_t { WEIGHT, GRADIENT, MOMENTUM, METRIC, WEIGHT1, GRADIENT1, MOMENTUM1, METRIC1 };

TEST_F(Run, MatchesTheReference) {
  start({{{5, 7}, 3}, {{8, 3}, 2}, {{1, 9}}, {{9, 1}}, {{1, 1}}});
  compareTwoSteps();
}

TEST_F(Run, UnravelsBatches) {
  start({{{2, 3, 5, 4}, 2}, {{6, 3, 3}}});
  compareTwoSteps();
}

TEST_F(Run, TakesTransposedAndPaddedTensors) {
  start({{{5, 7}, 2}});
  std::vector<float> buffer(1000);
  memory->place(WEIGHT, buffer.data(), {1, 5});
  memory->place(GRADIENT, buffer.data() + 100, {11, 1});
  memory->place(MOMENTUM, buffer.data() + 201, {1, 9});
  memory->place(WEIGHT1, buffer.data() + 303, {20, 1});
  memory->place(MOMENTUM1, buffer.data() + 310, {20, 1}); // beside the weight in the same rows
  compareTwoSteps();
}

TEST_F(Run, TakesStridedBatches) {
  start({{{2, 3, 4, 5}}});
  std::vector<float> buffer(2000);
  memory->place(WEIGHT, buffer.data(), {7, 300, 1, 50});
  memory->place(GRADIENT, buffer.data() + 1000, {120, 20, 1, 4});
  compareTwoSteps();
}

TEST_F(Run, TakesAFlatBufferOfEverything) {
  start({{{5, 7}, 4}, {{3, 4, 4}}});
  std::vector<float> flat(5000);
  size_t next = 0;
  for (size_t t = 0; t < memory->tensors.size(); ++t) {
    size_t elements = memory->values(t).size();
    memory->place(t, flat.data() + next, memory->strides[t]);
    next += elements;
  }
  compareTwoSteps();
}

TEST_F(Run, EveryParameterReadsItsScalarSet) {
  start({{{4, 4}, 3, {0, 1, 0}}, {{2, 6}, 2, {1, 0}}});
  compareTwoSteps();
}

TEST_F(Run, ScalarsAndGradientsMayMove) {
  start({{{4, 4}, 2, {0, 1}}});
  std::vector<std::vector<float>> expected = snapshot();
  bind();
  for (int step = 0; step < 3; ++step) {
    std::vector<muon_scalar> scalars = memory->scalars;
    scalars[0].f64 = 0.1 * step;
    std::vector<float> gradient(16, 0.25f * static_cast<float>(step));
    std::vector<void *> gradients = memory->gradients;
    gradients[1] = gradient.data();
    ASSERT_EQ(muon_run(binding, gradients.data(), scalars.data(), nullptr), MUON_OK);
    expected[GRADIENT1] = gradient;
    referenceStep(*program, expected, scalars, kMixes);
  }
  expected[GRADIENT1] = memory->values(GRADIENT1);
  EXPECT_EQ(snapshot(), expected);
}

TEST_F(Run, NullGradientLeavesTheParameterAlone) {
  for (uint32_t workers : {1u, 3u}) {
    start({{{4, 6}, 3}, {{2, 4, 4}}}, workers);
    std::vector<std::vector<float>> before = snapshot(), expected = before;
    void *second = memory->gradients[1], *batched = memory->gradients[3];
    bind();
    memory->gradients[1] = memory->gradients[3] = nullptr;
    ASSERT_EQ(run(), MUON_OK) << muon_error_text();
    std::vector<uint32_t> states;
    for (const muon_parameter_status &status : memory->status)
      states.push_back(status.state);
    EXPECT_EQ(states, (std::vector<uint32_t>{0, 1, 0, 1}));
    referenceStep(*program, expected, memory->scalars, kMixes);
    for (size_t t = 0; t < expected.size(); ++t)
      EXPECT_EQ(memory->values(t), t / 4 % 2 ? before[t] : expected[t]) << t;

    // It comes back with the next gradient.
    memory->gradients[1] = second;
    memory->gradients[3] = batched;
    for (size_t t = 0; t < expected.size(); ++t)
      expected[t] = memory->values(t);
    ASSERT_EQ(run(), MUON_OK);
    referenceStep(*program, expected, memory->scalars, kMixes);
    EXPECT_EQ(snapshot(), expected);
    EXPECT_EQ(memory->status[1].state, 0u);
    muon_release(binding);
    binding = nullptr;
    muon_unload(handle);
  }
  handle = nullptr;
}

TEST_F(Run, AllGradientsNull) {
  start({{{4, 6}, 2}}, 2);
  std::vector<std::vector<float>> before = snapshot();
  bind();
  memory->gradients.assign(2, nullptr);
  ASSERT_EQ(run(), MUON_OK);
  EXPECT_EQ(snapshot(), before);
}

/// One step of eight parameters, of which the gradient of number 5 stops its own: that one stays as it was and reports
/// `state`.
void Run::stepWithoutOne(Layout layout, float gradient, uint32_t state) {
  start({{{4, 6}, 8}}, 2, layout);
  memory->element(5 * 4 + GRADIENT, 13) = gradient;
  std::vector<std::vector<float>> before = snapshot(), expected = before;
  bind();
  ASSERT_EQ(run(), MUON_OK);
  referenceStep(*program, expected, memory->scalars, kMixes);
  for (size_t t = 0; t < expected.size(); ++t)
    EXPECT_EQ(memory->values(t), t / 4 == 5 ? before[t] : expected[t]) << t;
  for (size_t p = 0; p < 8; ++p)
    EXPECT_EQ(memory->status[p].state, p == 5 ? state : 0u) << p;
}

void Run::stop() {
  muon_release(binding);
  binding = nullptr;
  muon_unload(handle);
  handle = nullptr;
}

TEST_F(Run, PredicateSkipsAndReports) {
  for (Layout layout : {Layout::Slab, Layout::Shared}) {
    stepWithoutOne(layout, INFINITY, 2);
    memory->element(5 * 4 + GRADIENT, 13) = 1.0f;
    ASSERT_EQ(run(), MUON_OK);
    EXPECT_EQ(memory->status[5].state, 0u);
    stop();
  }
}

TEST_F(Run, PredicateOfWhatIsDoneSkipsInSilence) {
  for (Layout layout : {Layout::Slab, Layout::Shared}) {
    stepWithoutOne(layout, DONE, 0);
    stop();
  }
}

TEST_F(Run, UnboundMetricIsNotWritten) {
  start({{{4, 6}, 2}});
  std::vector<std::vector<float>> before = snapshot(), expected = before;
  void *metric = std::exchange(memory->tensors[METRIC].data, nullptr);
  bind();
  memory->tensors[METRIC].data = metric;
  ASSERT_EQ(run(), MUON_OK);
  referenceStep(*program, expected, memory->scalars, kMixes);
  EXPECT_NE(expected[METRIC], before[METRIC]);
  expected[METRIC] = before[METRIC];
  EXPECT_EQ(snapshot(), expected);
}

TEST_F(Run, StatusIsOptional) {
  start({{{4, 6}, 2}});
  bind();
  muon_release(binding);
  ASSERT_EQ(muon_bind(handle, memory->tensors.data(), memory->tensors.size(), memory->workspace, memory->workspaceBytes,
                      nullptr, &binding),
            MUON_OK);
  EXPECT_EQ(run(), MUON_OK);
}

TEST_F(Run, RefusesBadInputs) {
  start({{{4, 6}, 2}});
  std::vector<std::vector<float>> before = snapshot();
  bind();
  EXPECT_EQ(muon_run(nullptr, memory->gradients.data(), memory->scalars.data(), nullptr), MUON_ERROR_ARGUMENT);
  EXPECT_EQ(muon_run(binding, nullptr, memory->scalars.data(), nullptr), MUON_ERROR_ARGUMENT);
  EXPECT_STREQ(muon_error_text(), "gradients is null, expected 2 pointers");
  EXPECT_EQ(muon_run(binding, memory->gradients.data(), nullptr, nullptr), MUON_ERROR_ARGUMENT);
  EXPECT_STREQ(muon_error_text(), "scalars is null, expected 2 rows of 2");
  void *good = memory->gradients[1];
  memory->gradients[1] = static_cast<char *>(good) + 1;
  EXPECT_EQ(run(), MUON_ERROR_ARGUMENT);
  EXPECT_THAT(muon_error_text(), HasSubstr("parameter 'layer.1': gradient at 0x"));
  EXPECT_THAT(muon_error_text(), HasSubstr("expected to be aligned to 4 bytes"));
  EXPECT_EQ(snapshot(), before);
  memory->gradients[1] = good;
  EXPECT_EQ(run(), MUON_OK);
}

TEST_F(Run, RefusesAGradientTheProgramWrites) {
  start({{{4, 6}, 2}});
  std::vector<std::vector<float>> before = snapshot();
  bind();
  void *good = memory->gradients[1];
  for (void *bad : {memory->tensors[WEIGHT].data, memory->tensors[MOMENTUM1].data,
                    static_cast<void *>(static_cast<float *>(memory->workspace) + 20),
                    static_cast<void *>(memory->status.data())}) {
    memory->gradients[1] = bad;
    EXPECT_EQ(run(), MUON_ERROR_ARGUMENT);
    EXPECT_THAT(muon_error_text(), HasSubstr("which the program writes"));
    EXPECT_THAT(muon_error_text(), HasSubstr("parameter 'layer.1': gradient at 0x"));
  }
  EXPECT_EQ(snapshot(), before);
  memory->gradients[1] = memory->gradients[0]; // shared gradients are only read
  EXPECT_EQ(run(), MUON_OK) << muon_error_text();
  memory->gradients[1] = good;
  EXPECT_EQ(run(), MUON_OK);
}

static std::atomic<int> inside{0};
static std::atomic<bool> leave{false};
static void waitInside(const muon_launch *, void *, uint32_t) {
  inside = 1;
  while (!leave)
    std::this_thread::yield();
}

TEST_F(Run, ABusyBindingIsRefused) {
  start({{{4, 6}, 2}});
  bind();
  inside = 0;
  leave = false;
  tile_hook = waitInside;
  muon_status first = MUON_ERROR_BUSY;
  std::thread other([&] { first = run(); });
  while (!inside)
    std::this_thread::yield();
  EXPECT_EQ(run(), MUON_ERROR_BUSY);
  EXPECT_THAT(muon_error_text(), HasSubstr("already running"));
  leave = true;
  other.join();
  EXPECT_EQ(first, MUON_OK);
  EXPECT_EQ(run(), MUON_OK);
}

static std::atomic<int> misalignedScratch{0};
static void checkScratch(const muon_launch *, void *scratch, uint32_t) {
  if (reinterpret_cast<uintptr_t>(scratch) % 64)
    ++misalignedScratch;
  memset(scratch, 0xAB, 100); // sanitizers see a buffer that is too small
}

TEST_F(Run, ScratchIsAlignedAndBigEnough) {
  start({{{40, 6}, 3}}, 4);
  bind();
  misalignedScratch = 0;
  tile_hook = checkScratch;
  EXPECT_EQ(run(), MUON_OK);
  EXPECT_EQ(misalignedScratch, 0);
}

TEST_F(Run, TwoBindingsOfOneHandleRunAtTheSameTime) {
  start({{{5, 7}, 6}}, 3);
  std::vector<std::vector<float>> expected = snapshot();
  TrainerMemory second(*program);
  muon_binding *other = nullptr;
  bind();
  ASSERT_EQ(second.bind(handle, &other), MUON_OK);
  std::thread thread([&] {
    for (int step = 0; step < 200; ++step)
      EXPECT_EQ(muon_run(other, second.gradients.data(), second.scalars.data(), nullptr), MUON_OK);
  });
  for (int step = 0; step < 200; ++step)
    EXPECT_EQ(run(), MUON_OK);
  thread.join();
  for (int step = 0; step < 200; ++step)
    referenceStep(*program, expected, memory->scalars, kMixes);
  EXPECT_EQ(snapshot(), expected);
  for (size_t t = 0; t < expected.size(); ++t)
    EXPECT_EQ(second.values(t), expected[t]);
  muon_release(other);
}

TEST_F(Run, AHandleMayBeUnloadedBeforeItsBindings) {
  start({{{4, 6}, 2}}, 2);
  bind();
  muon_unload(handle);
  handle = nullptr;
  EXPECT_EQ(run(), MUON_OK);
}
