//===- KernelTest.cpp - correct kernels are right and clean -----------------------------------===//

#include "RunKernels.h"

#include <bit>
#include <cmath>

namespace {
struct Mode {
  muonEmulatorChecks checks;
  uint64_t seed;
};
void PrintTo(const Mode &mode, std::ostream *out) { *out << "checks " << mode.checks << ", schedule " << mode.seed; }
class Kernels : public testing::TestWithParam<Mode> {
protected:
  EmulatedDevice device{"NONE", GetParam().checks, GetParam().seed};

  void expectClean(Outcome outcome) {
    EXPECT_EQ(outcome.error, CUDA_SUCCESS);
    EXPECT_TRUE(outcome.right);
    EXPECT_EQ(device.reports(), "");
  }
};
} // namespace

TEST_P(Kernels, MatmulF32Exact) { expectClean(runMatmulF32(device, 32, 48, 64)); }
TEST_P(Kernels, MatmulF32Ragged) { expectClean(runMatmulF32(device, 19, 35, 50)); }
TEST_P(Kernels, MatmulBf16Exact) { expectClean(runMatmulBf16(device, 128, 64, 96)); }
TEST_P(Kernels, MatmulBf16Ragged) { expectClean(runMatmulBf16(device, 72, 40, 88)); }
TEST_P(Kernels, MatmulBf16OneStep) { expectClean(runMatmulBf16(device, 64, 32, 16)); }
TEST_P(Kernels, Reduce) { expectClean(runReduce(device, 5, 1000)); }

TEST_P(Kernels, NamedBarriers) {
  CUdeviceptr out = device.allocate(32 * 4);
  ASSERT_EQ(device.launch("named_barriers", 1, 1, 64, 0, {&out}), CUDA_SUCCESS) << device.reports();
  std::vector<uint32_t> values = device.download<uint32_t>(out, 32);
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(values[i], 10 * (i + 1));
}

INSTANTIATE_TEST_SUITE_P(Modes, Kernels,
                         testing::Values(Mode{MUON_EMULATOR_VALUES, 0}, Mode{MUON_EMULATOR_MEMORY, 0},
                                         Mode{MUON_EMULATOR_ALL, 0}, Mode{MUON_EMULATOR_ALL, 1},
                                         Mode{MUON_EMULATOR_ALL, 2}),
                         [](const auto &info) {
                           return std::string(info.param.checks == MUON_EMULATOR_VALUES   ? "Values"
                                              : info.param.checks == MUON_EMULATOR_MEMORY ? "Memory"
                                                                                          : "All") +
                                  std::to_string(info.param.seed);
                         });

TEST(Fragments, F16) {
  EmulatedDevice device;
  std::vector<float> a = integers(16 * 16, 4), b = integers(16 * 8, 5);
  auto narrow = [](const std::vector<float> &values) {
    std::vector<uint16_t> bits;
    for (float value : values) // integers up to 4: the exponent and two bits of the fraction
      bits.push_back(value == 0 ? 0
                                : static_cast<uint16_t>(
                                      (value < 0) << 15 | (std::ilogb(value) + 15) << 10 |
                                      static_cast<int>(std::ldexp(std::fabs(value), 10 - std::ilogb(value)) - 1024)));
    return bits;
  };
  CUdeviceptr da = device.upload(narrow(a)), db = device.upload(narrow(b)), dc = device.allocate(16 * 8 * 4);
  ASSERT_EQ(device.launch("fragments_f16", 1, 1, 32, 0, {&da, &db, &dc}), CUDA_SUCCESS) << device.reports();
  EXPECT_TRUE(equal(device.download<float>(dc, 16 * 8), product(a, b, 16, 8, 16)));
}

TEST(Fragments, HalfAWarpIsRefused) {
  EmulatedDevice device;
  CUdeviceptr in = device.upload(std::vector<float>(256)), out = device.allocate(16 * 8 * 4);
  EXPECT_EQ(device.launch("fragments_tf32", 1, 1, 16, 0, {&in, &in, &out}), CUDA_ERROR_ILLEGAL_INSTRUCTION);
  EXPECT_THAT(device.reports(), testing::HasSubstr("expected a whole warp, got 16 threads"));
}

TEST(Fragments, Tf32IgnoresTheLowBits) {
  EmulatedDevice device;
  std::vector<float> a = integers(16 * 8, 6), b = integers(8 * 8, 7);
  std::vector<uint32_t> noisy;
  for (float value : a)
    noisy.push_back(std::bit_cast<uint32_t>(value) | (value != 0 ? 0x1fff : 0));
  CUdeviceptr da = device.upload(noisy), db = device.upload(b), dc = device.allocate(16 * 8 * 4);
  ASSERT_EQ(device.launch("fragments_tf32", 1, 1, 32, 0, {&da, &db, &dc}), CUDA_SUCCESS) << device.reports();
  EXPECT_TRUE(equal(device.download<float>(dc, 16 * 8), product(a, b, 16, 8, 8)));
}

TEST(Warp, VotesShufflesReductionsStores) {
  EmulatedDevice device;
  CUdeviceptr out = device.allocate(256 * 4);
  ASSERT_EQ(device.launch("warp_operations", 1, 1, 32, 0, {&out}), CUDA_SUCCESS) << device.reports();
  std::vector<uint32_t> values = device.download<uint32_t>(out, 256);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(values[lane], 0x49249249u); // every third bit
    EXPECT_EQ(values[32 + lane], 31u);
    EXPECT_EQ(values[64 + lane], lane ^ 5);
    EXPECT_EQ(values[96 + lane], lane / 8 * 8 + 3);
  }
  for (uint32_t i = 0; i < 128; ++i) { // row r of matrix h holds what lanes 4r to 4r + 3 gave, twice each
    uint32_t matrix = i / 64, row = i % 64 / 8, column = i % 8;
    EXPECT_EQ(values[128 + i], row * 4 + column / 2 + 100 * matrix);
  }
}

TEST(Scalar, NarrowingRoundsAsTheDevice) {
  EmulatedDevice device;
  std::vector<float> in = {1.0f, 2.5f, 1e-40f, 3.0e38f, 1.00390625f, 65519.0f, 6e-8f, 0.333333f};
  in.resize(32, 1.5f);
  CUdeviceptr din = device.upload(in), out = device.allocate(32 * 4 * 4);
  ASSERT_EQ(device.launch("scalar_operations", 1, 1, 32, 0, {&din, &out}), CUDA_SUCCESS) << device.reports();
  std::vector<uint32_t> values = device.download<uint32_t>(out, 128);
  for (size_t i = 0; i < in.size(); ++i) {
    EXPECT_EQ(values[4 * i], toBf16(in[i])) << in[i]; // subnormals are kept
    EXPECT_EQ(values[4 * i + 1], std::bit_cast<uint16_t>(static_cast<_Float16>(in[i]))) << in[i];
    EXPECT_FLOAT_EQ(std::bit_cast<float>(values[4 * i + 2]), 1 / std::sqrt(in[i])) << in[i];
    EXPECT_EQ(std::bit_cast<float>(values[4 * i + 3]), std::fma(in[i], in[i], -1.0f)) << in[i];
  }
}

TEST(Counters, CountWhatAKernelDoes) {
  EmulatedDevice device;
  runMatmulBf16(device, 64, 32, 96);
  muonEmulatorCounters counters;
  muonEmulatorCount(&counters);
  EXPECT_EQ(counters.launches, 1u);
  EXPECT_EQ(counters.blocks, 1u);
  EXPECT_EQ(counters.multiplyAdds, 64u * 32 * 96);
  EXPECT_EQ(counters.copiedBytes, (64u + 32) * 96 * 2);
  EXPECT_GT(counters.bankConflicts, 0u); // rows of 32 and 64 bytes without a swizzle
}
