//===- CudaImagesTest.cpp - which image the CUDA executor hands to a driver, and what it holds --------------------===//
//
// The driver is RecordingDriver.cpp: no kernel runs, every call is written down, any can fail.

#include "RecordingDriver.h"
#include "StepProgram.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

static constexpr uint32_t kMixes = 3, kLaunches = kMixes + 3;

namespace {
class CudaImages : public testing::Test {
protected:
  void SetUp() override {
    setenv("MUON_CUDA_DRIVER", MUON_TEST_RECORDING_DRIVER, 1);
    void *library = dlopen(MUON_TEST_RECORDING_DRIVER, RTLD_NOW);
    ASSERT_NE(library, nullptr) << dlerror();
    driver = reinterpret_cast<RecordedDriver>(dlsym(library, "recordedDriver"))();
    *driver = DriverRecord();
    program.emplace(std::vector<GroupShape>{{{9, 7}, 2}, {{4, 6}, 1}}, kMixes);
    variant = &program->addVariant(Layout::Slab, "sm_80");
    for (std::vector<muon_launch> &stage : program->launches)
      for (muon_launch &launch : stage) {
        launch.function = nullptr;
        launch.block_threads = 64;
        launch.shared_bytes = 512;
      }
  }
  void TearDown() override {
    unload();
    unsetenv("MUON_CUDA_DRIVER");
  }

  /// Images as "cubin sm_80" or "ptx sm_80"; "=90" behind: what it holds is for another chip.
  void give(const std::vector<std::string> &names) {
    images.clear();
    bytes.clear();
    chips.clear();
    for (const std::string &name : names) {
      size_t space = name.find(' '), lie = name.find('=');
      std::string kind = name.substr(0, space), chip = name.substr(space + 1, lie - space - 1);
      int held = atoi((lie == std::string::npos ? chip.substr(3) : name.substr(lie + 1)).c_str());
      chips.push_back(chip);
      bytes.push_back(kind == "cubin" ? cubin(held) : ptx(held));
      images.push_back({kind == "cubin" ? uint32_t(MUON_IMAGE_CUBIN)
                        : kind == "ptx" ? uint32_t(MUON_IMAGE_PTX)
                                        : uint32_t(MUON_IMAGE_BITCODE),
                        0, nullptr, nullptr, 0});
    }
    for (size_t i = 0; i < images.size(); ++i) {
      images[i].chip = chips[i].c_str();
      images[i].data = bytes[i].data();
      images[i].bytes = bytes[i].size();
    }
    variant->images = images.data();
    variant->num_images = images.size();
  }
  static std::string cubin(int chip) {
    constexpr int kMachine = 18, kFlags = 48, kHeader = 64;
    std::string header(kHeader, '\0');
    header.replace(0, 5, "\177ELF\2");
    uint16_t machine = 190;
    uint32_t flags = chip;
    memcpy(&header[kMachine], &machine, sizeof machine);
    memcpy(&header[kFlags], &flags, sizeof flags);
    return header;
  }
  static std::string ptx(int chip) { return ".version 8.0\n.target sm_" + std::to_string(chip) + "\n" + '\0'; }

  muon_status load() { return program->load(&handle); }
  muon_status bind() {
    memory.emplace(*program);
    workspace.assign(muon_workspace_size(handle) + 256, 0);
    auto start = (reinterpret_cast<uintptr_t>(workspace.data()) + 255) / 256 * 256;
    states.resize(program->program.num_parameters);
    return muon_bind(handle, memory->tensors.data(), memory->tensors.size(), reinterpret_cast<void *>(start),
                     muon_workspace_size(handle), states.data(), &binding);
  }
  muon_status run(void *stream) { return muon_run(binding, memory->gradients.data(), memory->scalars.data(), stream); }
  void unload() {
    muon_release(binding);
    muon_unload(handle);
    binding = nullptr, handle = nullptr;
  }
  /// What a chip gets of the images, or the error text.
  std::string handed(int chip) {
    driver->chip = chip;
    driver->images.clear();
    std::string said = load() == MUON_OK ? driver->images.back() : muon_error_text();
    unload();
    return said;
  }
  void expectNothingHeld() {
    EXPECT_EQ(driver->modules, 0);
    EXPECT_EQ(driver->contexts, 0);
    EXPECT_EQ(driver->pushed, 0);
  }

  DriverRecord *driver = nullptr;
  std::optional<StepProgram> program;
  std::optional<TrainerMemory> memory;
  muon_variant *variant = nullptr;
  std::vector<muon_image> images;
  std::vector<std::string> bytes, chips;
  std::vector<uint8_t> workspace;
  std::vector<muon_parameter_status> states;
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
};
} // namespace

TEST_F(CudaImages, MachineCodeForTheChipElsePtx) {
  give({"ptx sm_80", "cubin sm_80", "cubin sm_90", "bitcode sm_80"});
  EXPECT_EQ(handed(80), "cubin 80");
  EXPECT_EQ(handed(86), "cubin 80"); // a later minor version runs it
  EXPECT_EQ(handed(90), "cubin 90");
  EXPECT_EQ(handed(120), "ptx 80");
  EXPECT_THAT(handed(75), HasSubstr("'sm_80': no image for this GPU, which is sm_75"));
  expectNothingHeld();
}

TEST_F(CudaImages, OfEqualsTheLatest) {
  give({"ptx sm_80", "cubin sm_80", "cubin sm_86", "ptx sm_89"});
  EXPECT_EQ(handed(80), "cubin 80");
  EXPECT_EQ(handed(89), "cubin 86");
  EXPECT_EQ(handed(120), "ptx 89");
  expectNothingHeld();
}

TEST_F(CudaImages, FeaturesOfOneArchitectureRunOnlyThere) {
  give({"cubin sm_90a=90"});
  EXPECT_EQ(handed(90), "cubin 90");
  EXPECT_THAT(handed(100), HasSubstr("no image for this GPU, which is sm_100"));
  expectNothingHeld();
}

TEST_F(CudaImages, BitcodeIsForTheEmulatorOnly) {
  give({"bitcode sm_80"});
  EXPECT_THAT(handed(80), HasSubstr("no image for this GPU, which is sm_80"));
  expectNothingHeld();
}

TEST_F(CudaImages, AListThatIsMissingIsNotLookedAt) {
  variant->num_images = 1;
  EXPECT_EQ(load(), MUON_ERROR_ABI);
  EXPECT_THAT(muon_error_text(), HasSubstr("image 0 of variant 'sm_80' is empty"));
}

TEST_F(CudaImages, ModuleForAnotherChip) {
  for (const char *image : {"cubin sm_80=90", "ptx sm_80=90"}) {
    give({image});
    EXPECT_EQ(load(), MUON_ERROR_DEVICE);
    EXPECT_THAT(muon_error_text(), AllOf(HasSubstr("the driver refuses the image for sm_80 of program 'step': "
                                                   "CUDA_ERROR_NO_BINARY_FOR_GPU"),
                                         Not(HasSubstr("\n"))));
    EXPECT_EQ(handle, nullptr);
    expectNothingHeld();
  }
}

/// In the order they are made; a driver that fails in any of them leaves nothing behind.
TEST_F(CudaImages, EveryCallOfLoadingMayFail) {
  give({"cubin sm_80"});
  for (const char *call :
       {"cuInit", "cuCtxGetCurrent", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2",
        "cuModuleLoadData", "cuModuleGetFunction", "cuFuncGetAttribute", "cuFuncSetAttribute"}) {
    driver->failing = call, driver->countdown = 1, driver->error = 2;
    EXPECT_NE(load(), MUON_OK) << call;
    EXPECT_THAT(muon_error_text(), AllOf(HasSubstr("CUDA_ERROR_OUT_OF_MEMORY"), Not(HasSubstr("\n")))) << call;
    EXPECT_EQ(driver->countdown, 0) << call << " is not made";
    EXPECT_EQ(handle, nullptr) << call;
    expectNothingHeld();
  }
  EXPECT_EQ(load(), MUON_OK) << muon_error_text();
  unload();
  expectNothingHeld();
}

TEST_F(CudaImages, EveryCallOfAStepMayFail) {
  give({"cubin sm_80"});
  ASSERT_EQ(load(), MUON_OK) << muon_error_text();
  for (const char *call : {"cuCtxPushCurrent_v2", "cuMemcpyHtoD_v2"}) {
    driver->failing = call, driver->countdown = 1, driver->error = 2;
    EXPECT_EQ(bind(), MUON_ERROR_DEVICE) << call;
    EXPECT_THAT(muon_error_text(), HasSubstr("CUDA_ERROR_OUT_OF_MEMORY")) << call;
    EXPECT_EQ(binding, nullptr);
  }
  driver->failing = "";
  ASSERT_EQ(bind(), MUON_OK) << muon_error_text();
  for (auto [call, times] : {std::pair{"cuCtxPushCurrent_v2", 1},
                             {"cuMemcpyHtoDAsync_v2", 2},
                             {"cuMemsetD32Async", 1},
                             {"cuLaunchKernel", int(kLaunches)}})
    for (int nth = 1; nth <= times; ++nth) {
      driver->failing = call, driver->countdown = nth, driver->error = 719;
      EXPECT_EQ(run(nullptr), MUON_ERROR_DEVICE) << call << " " << nth;
      EXPECT_THAT(muon_error_text(), AllOf(HasSubstr("CUDA_ERROR_LAUNCH_FAILED"), Not(HasSubstr("\n")))) << call;
      EXPECT_EQ(driver->pushed, 0) << call;
    }
  EXPECT_EQ(run(nullptr), MUON_OK); // the binding is still good
  unload();
  expectNothingHeld();
}

/// What a graph can capture: work on the caller's stream, nothing that waits or allocates.
TEST_F(CudaImages, AStepIsQueuedOnTheStreamAndNothingElse) {
  give({"cubin sm_80"});
  ASSERT_EQ(load(), MUON_OK) << muon_error_text();
  ASSERT_EQ(bind(), MUON_OK) << muon_error_text();
  driver->calls.clear();
  int tag;
  ASSERT_EQ(run(&tag), MUON_OK) << muon_error_text();
  for (const std::string &call : driver->calls)
    EXPECT_THAT((std::vector<std::string>{"cuCtxPushCurrent_v2", "cuMemcpyHtoDAsync_v2", "cuMemsetD32Async",
                                          "cuLaunchKernel", "cuCtxPopCurrent_v2"}),
                Contains(call));
  ASSERT_EQ(driver->launches.size(), kLaunches);
  for (const RecordedLaunch &launch : driver->launches) {
    EXPECT_EQ(launch.stream, &tag) << launch.kernel;
    EXPECT_EQ(launch.threads, 64u);
    EXPECT_EQ(launch.sharedBytes, 512u);
  }
}

/// A framework's context is used as it is, and stays the framework's.
TEST_F(CudaImages, ACurrentContextIsNotRetained) {
  give({"cubin sm_80"});
  driver->contextIsCurrent = true;
  ASSERT_EQ(load(), MUON_OK) << muon_error_text();
  EXPECT_THAT(driver->calls, Not(Contains("cuDevicePrimaryCtxRetain")));
  unload();
  expectNothingHeld();
}
