//===- WarpgroupTest.cpp - tensor copies, mbarriers and wgmma, as upstream's nvgpu lowering writes them ----===//

#include "EmulatedDevice.h"

#include <cmath>
#include <cstdlib>

// Before any test initialises the driver.
static const int kChosen = setenv("MUON_EMULATE_CHIP", "sm_90", 1);

static constexpr uint64_t kRows = 64, kColumns = 128, kDepth = 5 * 64; // five steps: both stages are used again

/// Small integers in f16.
static std::vector<uint16_t> asF16(const std::vector<float> &values) {
  std::vector<uint16_t> bits;
  for (float value : values) {
    auto half = static_cast<_Float16>(value);
    bits.push_back(std::bit_cast<uint16_t>(half));
  }
  return bits;
}

/// A map of a row-major matrix with boxes of 64 x 64, copied to the device.
static CUdeviceptr makeMap(EmulatedDevice &device, CUdeviceptr matrix, uint64_t rows, uint64_t columns) {
  CUtensorMap map;
  uint64_t sizes[] = {columns, rows}, strides[] = {2 * columns};
  uint32_t box[] = {64, 64}, steps[] = {1, 1};
  EXPECT_EQ(cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, reinterpret_cast<void *>(matrix), sizes, strides, box, steps,
                                   0, CU_TENSOR_MAP_SWIZZLE_128B, 0, 0),
            CUDA_SUCCESS);
  return device.upload(std::vector<CUtensorMap>{map});
}

struct Outcome {
  CUresult error;
  bool right;
};

static Outcome run(EmulatedDevice &device) {
  std::vector<float> a = integers(kRows * kDepth, 1), b = integers(kDepth * kColumns, 2);
  CUdeviceptr mapA = makeMap(device, device.upload(asF16(a)), kRows, kDepth);
  CUdeviceptr mapB = makeMap(device, device.upload(asF16(b)), kDepth, kColumns);
  CUdeviceptr c = device.allocate(kRows * kColumns * 4);
  // A memref: allocated and aligned pointer, offset, sizes, strides; then the number of steps.
  uint64_t offset = 0, sizes[] = {kRows, kColumns}, strides[] = {kColumns, 1}, steps = kDepth / 64;
  constexpr unsigned shared = 2 * 64 * kColumns * 2; // two stages of B
  EXPECT_EQ(cuFuncSetAttribute(device.function("matmul_wgmma"), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared), CUDA_SUCCESS);
  CUresult error = device.launch("matmul_wgmma", 1, 1, 128, shared,
                                 {&mapA, &mapB, &c, &c, &offset, &sizes[0], &sizes[1], &strides[0], &strides[1], &steps});
  if (error)
    return {error, false};
  std::vector<float> got = device.download<float>(c, kRows * kColumns);
  std::vector<double> expected = product(a, b, kRows, kColumns, kDepth);
  bool right = true;
  for (size_t i = 0; i < got.size(); ++i)
    right &= static_cast<double>(got[i]) == expected[i];
  return {error, right};
}

TEST(Warpgroup, MatmulIsRightAndClean) {
  for (uint64_t seed : {0, 1, 2}) {
    EmulatedDevice device("WGMMA", MUON_EMULATOR_ALL, seed);
    Outcome outcome = run(device);
    EXPECT_EQ(outcome.error, CUDA_SUCCESS) << device.reports();
    EXPECT_TRUE(outcome.right);
    EXPECT_EQ(device.reports(), "");
    muonEmulatorCounters counters;
    muonEmulatorCount(&counters);
    EXPECT_EQ(counters.multiplyAdds, kRows * kColumns * kDepth);
    EXPECT_EQ(counters.copiedBytes, 2 * (kRows + kColumns) * kDepth);
  }
}

namespace {
struct Mutant {
  const char *name;
  CUresult error;
  const char *report;
};
class WarpgroupMutants : public testing::TestWithParam<Mutant> {};
} // namespace

TEST_P(WarpgroupMutants, AreFound) {
  for (uint64_t seed : {0, 1}) {
    EmulatedDevice device(GetParam().name, MUON_EMULATOR_ALL, seed);
    Outcome outcome = run(device);
    EXPECT_EQ(outcome.error, GetParam().error) << device.reports();
    EXPECT_FALSE(outcome.right);
    EXPECT_THAT(device.reports(), testing::HasSubstr(GetParam().report));
  }
}

INSTANTIATE_TEST_SUITE_P(Sm90, WarpgroupMutants,
                         testing::Values(Mutant{"WGMMA_FEW_BYTES", CUDA_ERROR_LAUNCH_TIMEOUT, "lacks 0 arrivals and"},
                                         Mutant{"WGMMA_MANY_BYTES", CUDA_ERROR_LAUNCH_TIMEOUT, "lacks 0 arrivals and"},
                                         Mutant{"WGMMA_NO_TRY_WAIT", CUDA_ERROR_LAUNCH_FAILED, "uninitialised"},
                                         Mutant{"WGMMA_WRONG_PARITY", CUDA_ERROR_LAUNCH_FAILED, "uninitialised"},
                                         Mutant{"WGMMA_NO_WAIT", CUDA_ERROR_LAUNCH_FAILED, "asynchronous write"},
                                         Mutant{"WGMMA_SHORT_WAIT", CUDA_ERROR_LAUNCH_FAILED, "asynchronous write"},
                                         Mutant{"WGMMA_NO_BARRIER", CUDA_ERROR_LAUNCH_FAILED, "asynchronous write"},
                                         Mutant{"WGMMA_OFFSET", CUDA_ERROR_LAUNCH_FAILED, "asynchronous read"}),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(TensorMap, LimitsAreChecked) {
  EmulatedDevice device("WGMMA");
  CUtensorMap map;
  auto encode = [&](uint64_t stride, uint32_t width, int swizzle) {
    uint64_t sizes[] = {100, 8}, strides[] = {stride};
    uint32_t box[] = {width, 8}, steps[] = {1, 1};
    return cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, nullptr, sizes, strides, box, steps, 0, swizzle, 0, 0);
  };
  EXPECT_EQ(encode(208, 64, CU_TENSOR_MAP_SWIZZLE_128B), CUDA_SUCCESS);
  EXPECT_EQ(encode(200, 64, CU_TENSOR_MAP_SWIZZLE_128B), CUDA_ERROR_INVALID_VALUE); // strides are multiples of 16 bytes
  EXPECT_EQ(encode(208, 64, CU_TENSOR_MAP_SWIZZLE_64B), CUDA_ERROR_INVALID_VALUE);  // a row of the box fits the swizzle
  EXPECT_EQ(encode(208, 4, CU_TENSOR_MAP_SWIZZLE_NONE), CUDA_ERROR_INVALID_VALUE);  // and is a multiple of 16 bytes
}
