//===- ChipTest.cpp - the emulator pretends to be the chip that a target describes ------------===//

#include "muon/Emulator/Emulator.h"
#include "muon/GPU/Targets.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace muon;

static unsigned attribute(int which) {
  int value = 0;
  EXPECT_EQ(cuDeviceGetAttribute(&value, which, 0), CUDA_SUCCESS);
  return static_cast<unsigned>(value);
}

static void compare(const std::string &name) {
  mlir::MLIRContext context;
  llvm::Expected<TargetAttr> target = lookupGpuTarget(&context, name);
  ASSERT_TRUE(bool(target)) << llvm::toString(target.takeError());
  ChipAttr chip = target->getChip();
  setenv("MUON_EMULATE_CHIP", name.c_str(), 1);
  ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
  unsigned capability = 10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
                        attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  EXPECT_EQ("sm_" + std::to_string(capability), name);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT), chip.getMultiprocessors());
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR), chip.getShared());
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN), chip.getBlockShared());
}

/// Each in a process of its own: the emulator is one chip per process.
TEST(Chip, IsTheTargets) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const std::string &name : knownGpuTargets())
    EXPECT_EXIT((compare(name), exit(testing::Test::HasFailure())), testing::ExitedWithCode(0), "") << name;
}
