//===- BindTest.cpp - every tensor that is not what the program expects -----------------------===//

#include "StepProgram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::HasSubstr;
using testing::MatchesRegex;

namespace {
class Bind : public testing::Test {
protected:
  Bind() : program({{{4, 6}, 2}, {{3, 2, 5}}}) {
    program.addVariant(Layout::Slab);
    EXPECT_EQ(program.load(&handle), MUON_OK) << muon_error_text();
    memory.emplace(program);
  }
  ~Bind() override { muon_unload(handle); }

  void refused(const char *text) {
    EXPECT_EQ(memory->bind(handle, &binding), MUON_ERROR_ARGUMENT) << text;
    EXPECT_THAT(muon_error_text(), HasSubstr(text));
    EXPECT_EQ(binding, nullptr);
  }
  void accepted() {
    EXPECT_EQ(memory->bind(handle, &binding), MUON_OK) << muon_error_text();
    muon_release(binding);
  }

  StepProgram program;
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
  std::optional<TrainerMemory> memory;
};
} // namespace

enum : size_t { WEIGHT, GRADIENT, MOMENTUM, METRIC, WEIGHT1, GRADIENT1, MOMENTUM1, METRIC1, BATCHED };

TEST_F(Bind, Accepts) { accepted(); }

TEST_F(Bind, RefusesNull) {
  EXPECT_EQ(muon_bind(nullptr, nullptr, 0, nullptr, 0, nullptr, &binding), MUON_ERROR_ARGUMENT);
  EXPECT_EQ(muon_bind(handle, nullptr, 12, nullptr, 0, nullptr, &binding), MUON_ERROR_ARGUMENT);
  EXPECT_EQ(muon_bind(handle, nullptr, 0, nullptr, 0, nullptr, nullptr), MUON_ERROR_ARGUMENT);
  muon_release(nullptr);
}

TEST_F(Bind, RefusesTensorCount) {
  memory->tensors.pop_back();
  refused("expected 12 tensors (every argument of every parameter), got 11");
}

TEST_F(Bind, RefusesDtype) {
  memory->tensors[MOMENTUM1].dtype = MUON_BF16;
  refused("parameter 'layer.1': momentum expected f32 [4, 6], got bf16 [4, 6]");
  memory->tensors[MOMENTUM1].dtype = 99;
  refused("parameter 'layer.1': momentum expected f32 [4, 6], got an unknown dtype [4, 6]");
}

TEST_F(Bind, RefusesShape) {
  memory->sizes[WEIGHT] = {6, 4};
  refused("parameter 'layer.0': weight expected f32 [4, 6], got f32 [6, 4]");
}

TEST_F(Bind, RefusesRank) {
  memory->tensors[GRADIENT].rank = 1;
  refused("parameter 'layer.0': gradient expected f32 [4, 6], got f32 [4]");
  memory->tensors[GRADIENT].rank = 100;
  memory->sizes[GRADIENT].assign(100, 1);
  memory->tensors[GRADIENT].sizes = memory->sizes[GRADIENT].data();
  refused("got f32 [1, 1, 1, 1, 1, 1, 1, 1, ...]");
}

TEST_F(Bind, RefusesNullSizes) {
  memory->tensors[WEIGHT].strides = nullptr;
  refused("parameter 'layer.0': weight has null sizes or strides, expected 2 of each");
}

TEST_F(Bind, RefusesStrides) {
  memory->strides[GRADIENT] = {12, 2};
  refused("parameter 'layer.0': gradient has strides [12, 2], expected 1 in one of the last two");
  memory->strides[GRADIENT] = {-6, 1};
  refused("gradient has strides [-6, 1], expected none to be negative");
  memory->strides[GRADIENT] = {INT64_MAX, 1};
  refused("beyond the address space");
}

TEST_F(Bind, UnitStrideInABatchDimensionIsNotEnough) {
  memory->strides[BATCHED] = {1, 15, 3};
  refused("weight has strides [1, 15, 3]");
}

TEST_F(Bind, RefusesWrittenTensorsThatShareElements) {
  memory->strides[WEIGHT] = {0, 1};
  refused("weight has strides [0, 1], expected no two elements to share memory");
  memory->strides[WEIGHT] = {3, 1};
  refused("weight has strides [3, 1], expected no two elements to share memory");
}

TEST_F(Bind, AcceptsAnExpandedGradient) {
  memory->strides[GRADIENT] = {0, 1};
  accepted();
}

TEST_F(Bind, RefusesMisalignedData) {
  memory->tensors[WEIGHT].data = static_cast<char *>(memory->tensors[WEIGHT].data) + 2;
  EXPECT_EQ(memory->bind(handle, &binding), MUON_ERROR_ARGUMENT);
  EXPECT_THAT(muon_error_text(),
              MatchesRegex("parameter 'layer.0': weight data 0x.* expected to be aligned to 4 bytes"));
}

TEST_F(Bind, RefusesNullData) {
  memory->tensors[MOMENTUM].data = nullptr;
  refused("parameter 'layer.0': momentum data is null, expected f32 [4, 6]");
}

TEST_F(Bind, GradientAndMetricDataMayBeNull) {
  memory->tensors[GRADIENT].data = nullptr;
  memory->tensors[METRIC].data = nullptr;
  accepted();
}

TEST_F(Bind, RefusesWorkspace) {
  memory->bind(handle, &binding);
  muon_release(binding);
  auto bind = [&](void *workspace, uint64_t bytes) {
    return muon_bind(handle, memory->tensors.data(), 12, workspace, bytes, nullptr, &binding);
  };
  EXPECT_EQ(bind(memory->workspace, memory->workspaceBytes - 1), MUON_ERROR_ARGUMENT);
  EXPECT_THAT(muon_error_text(), MatchesRegex("workspace of [0-9]+ bytes, expected at least [0-9]+"));
  EXPECT_EQ(bind(nullptr, memory->workspaceBytes), MUON_ERROR_ARGUMENT);
  EXPECT_EQ(bind(static_cast<char *>(memory->workspace) + 32, memory->workspaceBytes), MUON_ERROR_ARGUMENT);
  EXPECT_THAT(muon_error_text(), HasSubstr("expected to be aligned to 64 bytes"));
}

TEST_F(Bind, RefusesAliasing) {
  void *weight = memory->tensors[WEIGHT].data;
  memory->tensors[MOMENTUM].data = weight;
  refused("of parameter 'layer.0' at [0x");
  EXPECT_THAT(muon_error_text(), MatchesRegex("(weight|momentum) of parameter 'layer.0' .* shares "
                                              "memory with (weight|momentum) of parameter 'layer.0' "
                                              ".*, expected memory of its own"));
  memory.emplace(program); // the last row of one under the first row of the other
  memory->tensors[WEIGHT1].data = static_cast<float *>(memory->tensors[WEIGHT].data) + 18;
  memory->storage[WEIGHT].resize(100);
  memory->tensors[WEIGHT].data = memory->storage[WEIGHT].data();
  memory->tensors[WEIGHT1].data = memory->storage[WEIGHT].data() + 18;
  refused("shares memory with");
  memory->tensors[WEIGHT1].data = memory->storage[WEIGHT].data() + 24;
  accepted();
}

TEST_F(Bind, RefusesTensorsInTheWorkspace) {
  memory->bind(handle, &binding);
  muon_release(binding);
  memory->tensors[MOMENTUM].data = static_cast<char *>(memory->workspace) + 128;
  EXPECT_EQ(muon_bind(handle, memory->tensors.data(), 12, memory->workspace, memory->workspaceBytes, nullptr, &binding),
            MUON_ERROR_ARGUMENT);
  EXPECT_THAT(muon_error_text(), MatchesRegex("momentum of parameter 'layer.0' .* shares memory with the workspace.*"));
}

TEST_F(Bind, RefusesStatus) {
  accepted();
  auto refuseStatus = [&](void *status, const char *text) {
    EXPECT_EQ(muon_bind(handle, memory->tensors.data(), 12, memory->workspace, memory->workspaceBytes,
                        static_cast<muon_parameter_status *>(status), &binding),
              MUON_ERROR_ARGUMENT)
        << text;
    EXPECT_THAT(muon_error_text(), MatchesRegex(text));
  };
  refuseStatus(memory->tensors[WEIGHT].data, "weight of parameter 'layer.0' .* shares memory with the status array .*");
  refuseStatus(memory->workspace, "the status array .* shares memory with the workspace .*|"
                                  "the workspace .* shares memory with the status array .*");
  refuseStatus(reinterpret_cast<char *>(memory->status.data()) + 1,
               "status at 0x.*, expected to be aligned to 4 bytes");
}

TEST_F(Bind, AcceptsAFlatBuffer) {
  std::vector<float> flat(4 * 24 + 30);
  memory->place(WEIGHT, flat.data(), {6, 1});
  memory->place(MOMENTUM, flat.data() + 24, {6, 1});
  memory->place(WEIGHT1, flat.data() + 48, {1, 4});
  memory->place(MOMENTUM1, flat.data() + 72, {6, 1});
  memory->place(BATCHED, flat.data() + 96, {10, 5, 1});
  accepted();
}

TEST_F(Bind, AcceptsInterleavedColumns) {
  std::vector<float> fused(4 * 18); // q, k, v of one matrix
  memory->place(WEIGHT, fused.data(), {18, 1});
  memory->place(WEIGHT1, fused.data() + 6, {18, 1});
  memory->place(MOMENTUM, fused.data() + 12, {18, 1});
  accepted();
  memory->tensors[WEIGHT1].data = fused.data() + 5;
  refused("shares memory with");
}
