//===- ImageTest.cpp - Real cubins and PTX, as a driver gets them -----------------------------===//
//
// The driver (test/runtime/RecordingDriver.h) reads what they are for and runs nothing.
//
//===----------------------------------------------------------------------===//

#include "../runtime/RecordingDriver.h"
#include "Device.h"
#include "Program.h"

#include <cstdlib>
#include <dlfcn.h>
#include <gtest/gtest.h>

using namespace muon::execution;

namespace {

struct Image : ::testing::Test {
  void SetUp() override {
    if (std::string why = whyNoGpuPrograms(); !why.empty())
      GTEST_SKIP() << why;
    setenv("MUON_CUDA_DRIVER", MUON_TEST_RECORDING_DRIVER, 1);
    void *library = dlopen(MUON_TEST_RECORDING_DRIVER, RTLD_NOW);
    ASSERT_NE(library, nullptr) << dlerror();
    driver = reinterpret_cast<RecordedDriver>(dlsym(library, "recordedDriver"))();
  }

  /// What a chip gets of the program, or why it is refused.
  std::string handed(const Program &program, int chip) {
    *driver = DriverRecord();
    driver->chip = chip;
    std::string why;
    muon_handle *handle = program.load({}, &why);
    std::string image = handle ? driver->images.back() : why;
    muon_unload(handle);
    EXPECT_EQ(driver->modules, 0);
    EXPECT_EQ(driver->contexts, 0);
    return image;
  }

  DriverRecord *driver = nullptr;
};

TEST_F(Image, TheChipsOwnCubinElsePtx) {
  for (auto [target, chip] : {std::pair{"sm_80", 80}, {"sm_120", 120}}) {
    Program program({.groups = {{.shape = {40, 56}}}, .dtype = "bf16", .target = target});
    EXPECT_EQ(handed(program, chip), "cubin " + std::to_string(chip));
    if (chip == 80) {
      EXPECT_EQ(handed(program, 86), "cubin 80");
      EXPECT_EQ(handed(program, 120), "ptx 80");
    }
    EXPECT_NE(handed(program, 75).find("no image for this GPU, which is sm_75"), std::string::npos);
  }
}

} // namespace
