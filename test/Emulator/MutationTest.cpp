//===- MutationTest.cpp - the emulator finds every fault we know how to make ------------------===//
//
// Each mutant of kernels/Kernels.c has one fault. Its kernel must not pass: a report of the expected kind, or for
// faults that only change values, a wrong result.
//
//===-----------------------------------------------------------------------------------------------------===//

#include "RunKernels.h"

namespace {
struct Mutant {
  const char *name;
  Outcome (*run)(EmulatedDevice &);
  CUresult error;     ///< What the device says; CUDA_SUCCESS: only the values are wrong.
  const char *report; ///< Part of the report.
};
void PrintTo(const Mutant &mutant, std::ostream *out) { *out << mutant.name; }
/// 6 steps: two rounds of the 3 stages.
Outcome bf16(EmulatedDevice &device) { return runMatmulBf16(device, 64, 32, 96); }
Outcome bf16Ragged(EmulatedDevice &device) { return runMatmulBf16(device, 72, 40, 88); }
Outcome f32(EmulatedDevice &device) { return runMatmulF32(device, 16, 16, 48); }
Outcome f32Ragged(EmulatedDevice &device) { return runMatmulF32(device, 19, 35, 50); }
Outcome sums(EmulatedDevice &device) { return runReduce(device, 2, 500); }

class Mutants : public testing::TestWithParam<std::tuple<Mutant, uint64_t>> {};
} // namespace

TEST_P(Mutants, AreFound) {
  auto &[mutant, seed] = GetParam();
  EmulatedDevice device(mutant.name, MUON_EMULATOR_ALL, seed);
  Outcome outcome = mutant.run(device);
  EXPECT_EQ(outcome.error, mutant.error) << device.reports();
  if (mutant.error == CUDA_SUCCESS)
    EXPECT_FALSE(outcome.right);
  EXPECT_THAT(device.reports(), testing::HasSubstr(mutant.report));
  if (mutant.error != CUDA_SUCCESS) // every report says where
    EXPECT_THAT(device.reports(), testing::AllOf(testing::HasSubstr("kernel '"), testing::HasSubstr("block "),
                                                 testing::HasSubstr("thread "), testing::HasSubstr("Kernels.c:")));
}

/// Why values are not enough: these are right in round-robin order, and only the clocks find them.
TEST(Mutants, SomeGiveRightValues) {
  struct Case {
    const char *name;
    Outcome (*run)(EmulatedDevice &);
  };
  for (const Case &mutant : {Case{"NO_BARRIER_BEFORE", bf16}, Case{"NO_BARRIER_AFTER", bf16}}) {
    EmulatedDevice device(mutant.name, MUON_EMULATOR_VALUES);
    EXPECT_TRUE(mutant.run(device).right) << mutant.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sm80, Mutants,
    testing::Combine(
        testing::Values(Mutant{"NO_WAIT", bf16, CUDA_ERROR_LAUNCH_FAILED, "uninitialised"},
                        Mutant{"SHORT_WAIT", bf16, CUDA_ERROR_LAUNCH_FAILED, "races"},
                        Mutant{"NO_COMMIT", bf16, CUDA_ERROR_LAUNCH_FAILED, "races"},
                        Mutant{"NO_BARRIER_BEFORE", bf16, CUDA_ERROR_LAUNCH_FAILED, "races"},
                        Mutant{"NO_BARRIER_AFTER", bf16, CUDA_ERROR_LAUNCH_FAILED, "asynchronous write"},
                        Mutant{"SWAPPED_FRAGMENT", bf16, CUDA_SUCCESS, ""},
                        Mutant{"TRANSPOSED_A", bf16, CUDA_SUCCESS, ""},
                        Mutant{"UNTRANSPOSED_B", bf16, CUDA_SUCCESS, ""},
                        Mutant{"NO_ZERO_FILL", bf16Ragged, CUDA_ERROR_ILLEGAL_ADDRESS, "out of bounds"},
                        Mutant{"NO_BARRIER_STORED", f32, CUDA_ERROR_LAUNCH_FAILED, "races"},
                        Mutant{"NO_BARRIER_READ", f32, CUDA_ERROR_LAUNCH_FAILED, "races"},
                        Mutant{"BEYOND_TILE", f32, CUDA_ERROR_ILLEGAL_ADDRESS, "outside every shared variable"},
                        Mutant{"BEYOND_MATRIX", f32Ragged, CUDA_ERROR_ILLEGAL_ADDRESS, "out of bounds"},
                        Mutant{"NO_BARRIER_WARPS", sums, CUDA_ERROR_LAUNCH_FAILED, "races"},
                        Mutant{"WRONG_SHUFFLE", sums, CUDA_SUCCESS, ""},
                        Mutant{"UNINITIALISED", sums, CUDA_ERROR_LAUNCH_FAILED, "uninitialised"},
                        Mutant{"MISALIGNED", sums, CUDA_ERROR_MISALIGNED_ADDRESS, "expected to be aligned to 16"},
                        Mutant{"DIVERGENT_BARRIER", sums, CUDA_ERROR_LAUNCH_TIMEOUT, "deadlock"},
                        Mutant{"MISSING_LANE", sums, CUDA_ERROR_LAUNCH_TIMEOUT, "deadlock"},
                        Mutant{"SAME_OUTPUT", sums, CUDA_ERROR_LAUNCH_FAILED, "another block"},
                        Mutant{"UNKNOWN_OPERATION", sums, CUDA_ERROR_ILLEGAL_INSTRUCTION, "does not know"},
                        Mutant{"TRAP", sums, CUDA_ERROR_ILLEGAL_INSTRUCTION, "trapped"},
                        Mutant{"ABSENT_LANE", sums, CUDA_ERROR_ILLEGAL_INSTRUCTION, "which takes no part"},
                        Mutant{"FOREIGN_MASK", sums, CUDA_ERROR_ILLEGAL_INSTRUCTION, "not in its own member mask 1"},
                        Mutant{"PARTIAL_BARRIER", sums, CUDA_ERROR_ILLEGAL_INSTRUCTION, "barrier for 48 threads"},
                        Mutant{"UNLIKE_BARRIERS", sums, CUDA_ERROR_ILLEGAL_INSTRUCTION, "threads, others said "},
                        Mutant{"CONSTANT_WRITE", sums, CUDA_ERROR_ILLEGAL_ADDRESS, " is to constant memory"}),
        testing::Values(0, 1, 2)),
    [](const auto &info) {
      return std::string(std::get<0>(info.param).name) + "_" + std::to_string(std::get<1>(info.param));
    });
