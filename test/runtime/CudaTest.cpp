//===- CudaTest.cpp - the CUDA executor, on the emulator in place of libcuda ------------------===//

#include "StepProgram.h"

#include "muon/Emulator/Emulator.h"

#include <cmath>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <stdlib.h>

using testing::HasSubstr;

static constexpr uint32_t kMixes = 3;
static constexpr uint32_t kLaunches = kMixes + 3; // one for each stage, whatever the groups

static const std::string &stepImage() {
  static const std::string image = [] {
    std::ifstream file(MUON_TEST_STEP_IMAGE, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }();
  return image;
}

namespace {
/// A trainer with all its memory on the device.
class Cuda : public testing::Test {
protected:
  void SetUp() override {
    setenv("MUON_CUDA_DRIVER", MUON_TEST_EMULATOR, 1);
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    muonEmulatorReset();
    muonEmulatorSetQuiet(1);
  }
  void TearDown() override {
    muonEmulatorReset();
    muon_release(binding);
    muon_unload(handle);
    for (CUdeviceptr address : allocations)
      EXPECT_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    EXPECT_EQ(muonEmulatorLiveObjects(), 0u);
  }

  /// Makes a program with one CUDA variant, the step kernels of StepKernels.h.
  void make(std::vector<GroupShape> shapes, const char *chip = "sm_80") {
    program.emplace(std::move(shapes), kMixes);
    muon_variant &variant = program->addVariant(Layout::Slab, chip);
    image = {MUON_IMAGE_BITCODE, 0, chip, stepImage().data(), stepImage().size()};
    variant.images = &image;
    variant.num_images = 1;
    for (std::vector<muon_launch> &stage : program->launches)
      for (muon_launch &launch : stage) {
        launch.function = nullptr;
        launch.block_threads = 64;
      }
  }
  CUdeviceptr allocate(size_t bytes) {
    CUdeviceptr address = 0;
    EXPECT_EQ(cuMemAlloc_v2(&address, bytes), CUDA_SUCCESS);
    allocations.push_back(address);
    return address;
  }
  void load() { ASSERT_EQ(program->load(&handle), MUON_OK) << muon_error_text(); }
  /// Copies the trainer's tensors to the device, strides and all, and binds those.
  muon_status bind() {
    memory.emplace(*program);
    tensors = memory->tensors;
    for (muon_tensor &tensor : tensors) {
      CUdeviceptr address = allocate(bytesOf(tensor));
      EXPECT_EQ(cuMemcpyHtoD_v2(address, tensor.data, bytesOf(tensor)), CUDA_SUCCESS);
      tensor.data = reinterpret_cast<void *>(address);
    }
    for (size_t p = 0; p < memory->gradients.size(); ++p)
      gradients.push_back(tensors[p * StepProgram::kArguments + 1].data);
    CUdeviceptr workspace = allocate(muon_workspace_size(handle));
    status = allocate(program->program.num_parameters * sizeof(muon_parameter_status));
    return muon_bind(handle, tensors.data(), tensors.size(), reinterpret_cast<void *>(workspace),
                     muon_workspace_size(handle), reinterpret_cast<muon_parameter_status *>(status), &binding);
  }
  void start(std::vector<GroupShape> shapes) {
    make(std::move(shapes));
    load();
    ASSERT_EQ(bind(), MUON_OK) << muon_error_text();
  }
  muon_status run(CUstream stream = nullptr) {
    return muon_run(binding, gradients.data(), memory->scalars.data(), stream);
  }

  static size_t bytesOf(const muon_tensor &tensor) {
    size_t elements = 1;
    for (uint32_t axis = 0; axis < tensor.rank; ++axis)
      elements *= static_cast<size_t>(tensor.sizes[axis]);
    return elements * sizeof(float);
  }
  std::vector<float> values(size_t tensor) {
    std::vector<float> copy(bytesOf(tensors[tensor]) / sizeof(float));
    EXPECT_EQ(
        cuMemcpyDtoH_v2(copy.data(), reinterpret_cast<CUdeviceptr>(tensors[tensor].data), bytesOf(tensors[tensor])),
        CUDA_SUCCESS);
    return copy;
  }
  std::vector<std::vector<float>> snapshot() {
    std::vector<std::vector<float>> all;
    for (size_t t = 0; t < tensors.size(); ++t)
      all.push_back(values(t));
    return all;
  }
  std::vector<uint32_t> states() {
    std::vector<muon_parameter_status> copy(program->program.num_parameters);
    EXPECT_EQ(cuMemcpyDtoH_v2(copy.data(), status, copy.size() * sizeof(muon_parameter_status)), CUDA_SUCCESS);
    std::vector<uint32_t> states;
    for (const muon_parameter_status &parameter : copy)
      states.push_back(parameter.state);
    return states;
  }

  std::optional<StepProgram> program;
  std::optional<TrainerMemory> memory; // on the host: initial values, scalars
  muon_image image;
  std::vector<muon_tensor> tensors;
  std::vector<void *> gradients;
  std::vector<CUdeviceptr> allocations;
  CUdeviceptr status = 0;
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
};
} // namespace

TEST_F(Cuda, TwoStepsOfSeveralGroups) {
  start({{{9, 7}, 3, {0, 1, 0}}, {{3, 4, 5}, 2}, {{33, 8}, 1, {1}}});
  std::vector<std::vector<float>> expected = snapshot();
  for (int step = 0; step < 2; ++step) {
    ASSERT_EQ(run(), MUON_OK) << muon_error_text();
    referenceStep(*program, expected, memory->scalars, kMixes);
  }
  EXPECT_EQ(snapshot(), expected);
  EXPECT_EQ(states(), std::vector<uint32_t>(6, 0));
  EXPECT_STREQ(muonEmulatorReports(), "");
  EXPECT_EQ(muon_workers(handle), 0u);
}

TEST_F(Cuda, LaunchesDoNotGrowWithParameters) {
  start({{{4, 4}, 1}});
  ASSERT_EQ(run(), MUON_OK);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  muonEmulatorCounters counters;
  muonEmulatorCount(&counters);
  EXPECT_EQ(counters.launches, kLaunches);
}

TEST_F(Cuda, LaunchesOfManyParameters) {
  start({{{4, 4}, 17}, {{2, 6, 4}, 5}});
  uint64_t bytes = muonEmulatorLiveBytes(), objects = muonEmulatorLiveObjects();
  ASSERT_EQ(run(), MUON_OK);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  muonEmulatorCounters counters;
  muonEmulatorCount(&counters);
  EXPECT_EQ(counters.launches, kLaunches);
  EXPECT_EQ(muonEmulatorLiveBytes(), bytes); // a run allocates nothing
  EXPECT_EQ(muonEmulatorLiveObjects(), objects);
}

TEST_F(Cuda, RunWaitsForNothing) {
  start({{{8, 8}, 2}});
  std::vector<float> before = values(0);
  ASSERT_EQ(run(), MUON_OK);
  // The emulator works when somebody waits. Its memory is the host's, so one can look without waiting.
  auto *weight = static_cast<float *>(tensors[0].data);
  EXPECT_EQ(std::vector<float>(weight, weight + before.size()), before);
  EXPECT_NE(values(0), before);
}

TEST_F(Cuda, NoGradientLeavesTheParameterAlone) {
  start({{{6, 5}, 3}});
  std::vector<std::vector<float>> before = snapshot();
  gradients[1] = nullptr;
  ASSERT_EQ(run(), MUON_OK) << muon_error_text();
  EXPECT_EQ(values(4), before[4]);
  EXPECT_EQ(values(6), before[6]);
  EXPECT_NE(values(0), before[0]);
  EXPECT_EQ(states(), (std::vector<uint32_t>{0, 1, 0}));
}

TEST_F(Cuda, PredicateStopsAParameterAndSaysSo) {
  start({{{6, 5}, 3}});
  std::vector<std::vector<float>> before = snapshot();
  float infinity = INFINITY;
  ASSERT_EQ(cuMemcpyHtoD_v2(reinterpret_cast<CUdeviceptr>(gradients[2]) + 8, &infinity, 4), CUDA_SUCCESS);
  ASSERT_EQ(run(), MUON_OK) << muon_error_text();
  EXPECT_EQ(values(8), before[8]);
  EXPECT_EQ(values(10), before[10]);
  EXPECT_EQ(states(), (std::vector<uint32_t>{0, 0, 2}));
}

TEST_F(Cuda, StatusIsOptional) {
  make({{{6, 5}, 1}});
  load();
  ASSERT_EQ(bind(), MUON_OK);
  muon_release(binding);
  CUdeviceptr workspace = allocations[allocations.size() - 2];
  ASSERT_EQ(muon_bind(handle, tensors.data(), tensors.size(), reinterpret_cast<void *>(workspace),
                      muon_workspace_size(handle), nullptr, &binding),
            MUON_OK);
  gradients[0] = nullptr;
  ASSERT_EQ(run(), MUON_OK);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS) << muonEmulatorReports();
}

TEST_F(Cuda, ACapturedGraphSeesNewScalarsAndGradients) {
  start({{{9, 7}, 2}, {{5, 8}, 1}});
  std::vector<std::vector<float>> expected = snapshot();
  CUstream stream;
  CUgraph graph;
  CUgraphExec executable;
  ASSERT_EQ(cuStreamCreate(&stream, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, 0), CUDA_SUCCESS);
  ASSERT_EQ(run(stream), MUON_OK) << muon_error_text();
  ASSERT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphInstantiateWithFlags(&executable, graph, 0), CUDA_SUCCESS);
  EXPECT_EQ(snapshot(), expected); // capturing ran nothing
  for (double rate : {0.1, 0.5}) {
    memory->scalars[0].f64 = rate;
    ASSERT_EQ(cuGraphLaunch(executable, stream), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    referenceStep(*program, expected, memory->scalars, kMixes);
    EXPECT_EQ(snapshot(), expected);
  }
  gradients[0] = nullptr; // the captured table is the trainer's own
  std::vector<float> before = values(0);
  ASSERT_EQ(cuGraphLaunch(executable, stream), CUDA_SUCCESS);
  EXPECT_EQ(values(0), before);
  EXPECT_EQ(states(), (std::vector<uint32_t>{1, 0, 0}));
  EXPECT_EQ(cuGraphExecDestroy(executable), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
}

TEST_F(Cuda, TheCpuComesFirstUnlessAsked) {
  make({{{4, 4}}});
  program->addVariant(Layout::Slab, "generic");
  load();
  EXPECT_STREQ(muon_variant_in_use(handle)->target, "generic");
  muon_unload(handle);
  handle = nullptr;
  ASSERT_EQ(program->load(&handle, 1, 1), MUON_OK) << muon_error_text();
  EXPECT_STREQ(muon_variant_in_use(handle)->target, "sm_80");
}

TEST_F(Cuda, MissingDriver) {
  make({{{4, 4}}});
  setenv("MUON_CUDA_DRIVER", "libcuda-that-is-not-there.so", 1);
  EXPECT_EQ(program->load(&handle), MUON_ERROR_TARGET);
  EXPECT_THAT(muon_error_text(),
              testing::AllOf(HasSubstr("'sm_80': no CUDA driver: "), HasSubstr("libcuda-that-is-not-there.so")));
  EXPECT_EQ(program->load(&handle, 1, 1), MUON_ERROR_TARGET);
  EXPECT_THAT(muon_error_text(), HasSubstr("variant 'sm_80': no CUDA driver"));
}

TEST_F(Cuda, ALibraryThatIsNoDriver) {
  make({{{4, 4}}});
  setenv("MUON_CUDA_DRIVER", "libc.so.6", 1);
  EXPECT_EQ(program->load(&handle), MUON_ERROR_TARGET);
  EXPECT_THAT(muon_error_text(), HasSubstr("CUDA driver 'libc.so.6' has no cuInit"));
}

TEST_F(Cuda, ModuleForAnotherChip) {
  make({{{4, 4}}}, "sm_90");
  EXPECT_EQ(program->load(&handle), MUON_ERROR_TARGET);
  EXPECT_THAT(muon_error_text(), HasSubstr("'sm_90': no bitcode for the emulated GPU, which is sm_80"));
  image.chip = "sm_80a"; // says it fits the chip, but what it holds is not for it
  image.data = "damaged";
  image.bytes = 7;
  EXPECT_EQ(program->load(&handle), MUON_ERROR_DEVICE);
  EXPECT_THAT(muon_error_text(),
              HasSubstr("the driver refuses the image for sm_80a of program 'step': CUDA_ERROR_INVALID_IMAGE"));
}

TEST_F(Cuda, KernelsTheImageOrDeviceDoesNotHave) {
  make({{{4, 4}}});
  muon_launch &launch = program->launches[1][0];
  launch.shared_bytes = 200 << 10;
  EXPECT_EQ(program->load(&handle), MUON_ERROR_DEVICE);
  EXPECT_THAT(muon_error_text(), HasSubstr("kernel 'absorb' wants 204800 bytes of shared memory"));
  launch.shared_bytes = 0;
  launch.kernel = "nothing";
  EXPECT_EQ(program->load(&handle), MUON_ERROR_DEVICE);
  EXPECT_THAT(muon_error_text(), HasSubstr("the image has no kernel 'nothing': CUDA_ERROR_NOT_FOUND"));
  launch.kernel = "absorb";
  launch.block_threads = 0;
  EXPECT_EQ(program->load(&handle), MUON_ERROR_ABI);
  EXPECT_THAT(muon_error_text(), HasSubstr("kernel 'absorb' has blocks of 0 threads, expected 1 to 1024"));
}

TEST_F(Cuda, BlocksOfOneKernelDiffer) {
  make({{{4, 4}}, {{6, 3}}});
  muon_launch &launch = program->launches[1][1];
  uint32_t threads = launch.block_threads;
  auto line = [&](uint32_t others, uint32_t shared) {
    return "program 'step' is malformed: a launch of kernel 'absorb' has blocks of " + std::to_string(others) +
           " threads and " + std::to_string(shared) + " bytes of shared memory, expected " + std::to_string(threads) +
           " and 0 as in the stage's first";
  };
  launch.shared_bytes = 16;
  EXPECT_EQ(program->load(&handle), MUON_ERROR_ABI);
  EXPECT_EQ(muon_error_text(), line(threads, 16));
  launch.shared_bytes = 0;
  launch.block_threads = 2 * threads;
  EXPECT_EQ(program->load(&handle), MUON_ERROR_ABI);
  EXPECT_EQ(muon_error_text(), line(2 * threads, 0));
}

TEST_F(Cuda, OutOfMemory) {
  make({{{4, 4}}});
  muonEmulatorInjectFault("cuModuleLoadData", 1, CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(program->load(&handle), MUON_ERROR_DEVICE);
  EXPECT_THAT(muon_error_text(), HasSubstr("CUDA_ERROR_OUT_OF_MEMORY"));
  EXPECT_EQ(muonEmulatorLiveObjects(), 0u); // neither module nor context is kept
  load();
  ASSERT_EQ(bind(), MUON_OK) << muon_error_text();
}

TEST_F(Cuda, BindRefuses) {
  make({{{4, 4}}});
  load();
  muonEmulatorInjectFault("cuMemcpyHtoD_v2", 5, CUDA_ERROR_INVALID_VALUE); // four tensors, then the tables
  EXPECT_EQ(bind(), MUON_ERROR_DEVICE);
  EXPECT_THAT(muon_error_text(),
              HasSubstr("copying the binding's tables to its workspace failed: CUDA_ERROR_INVALID_VALUE"));
  EXPECT_EQ(binding, nullptr);
  auto *workspace = reinterpret_cast<uint8_t *>(allocations[allocations.size() - 2]);
  EXPECT_EQ(
      muon_bind(handle, tensors.data(), tensors.size(), workspace + 64, muon_workspace_size(handle), nullptr, &binding),
      MUON_ERROR_ARGUMENT);
  EXPECT_THAT(muon_error_text(), HasSubstr("expected to be aligned to 256 bytes"));
}

TEST_F(Cuda, LaunchFailureLeavesWeightsUntouched) {
  start({{{9, 7}, 2}});
  std::vector<std::vector<float>> before = snapshot();
  for (uint32_t nth = 1; nth <= kLaunches; ++nth) {
    muonEmulatorInjectFault("cuLaunchKernel", nth, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
    EXPECT_EQ(run(), MUON_ERROR_DEVICE);
    EXPECT_THAT(muon_error_text(),
                testing::AllOf(HasSubstr("launching kernel '"), HasSubstr("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES")));
    EXPECT_EQ(values(0), before[0]);
    EXPECT_EQ(values(4), before[4]);
  }
  EXPECT_EQ(run(), MUON_OK); // the binding is still good
}

TEST_F(Cuda, AnErrorOfAKernelIsReportedByTheNextRun) {
  start({{{9, 7}, 2}});
  muonEmulatorInjectFault("kernel", 1, CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(run(), MUON_OK); // not executed yet
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(run(), MUON_ERROR_DEVICE);
  EXPECT_THAT(muon_error_text(), HasSubstr("CUDA_ERROR_ILLEGAL_ADDRESS"));
}
