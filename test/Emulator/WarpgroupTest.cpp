//===- WarpgroupTest.cpp - tensor copies, mbarriers and wgmma, as upstream's nvgpu lowering writes them -----------===//

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
  EXPECT_EQ(cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, reinterpret_cast<void *>(matrix), sizes,
                                   strides, box, steps, 0, CU_TENSOR_MAP_SWIZZLE_128B, 0, 0),
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
  EXPECT_EQ(
      cuFuncSetAttribute(device.function("matmul_wgmma"), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared),
      CUDA_SUCCESS);
  CUresult error =
      device.launch("matmul_wgmma", 1, 1, 128, shared,
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
void PrintTo(const Mutant &mutant, std::ostream *out) { *out << mutant.name; }
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

/// One product of operands without a swizzle. `alongK`: groups of 8 lines, of 8 elements along k each, else the other
/// way round. The descriptor's leading stride is between groups along k, its other stride between groups of lines.
static bool runUnswizzled(bool alongK) {
  constexpr uint64_t rows = 64, columns = 8, depth = 16, group = 8 * 8;
  EmulatedDevice device("WGMMA_LAYOUTS");
  std::vector<float> a = integers(rows * depth, 1), b = integers(depth * columns, 2);
  auto pack = [&](uint64_t lines, auto at) {
    std::vector<float> packed(lines * depth);
    for (uint64_t i = 0; i < lines; ++i)
      for (uint64_t k = 0; k < depth; ++k)
        packed[i / 8 * group + k / 8 * (lines * 8) + (alongK ? i % 8 * 8 + k % 8 : k % 8 * 8 + i % 8)] = at(i, k);
    return device.upload(asF16(packed));
  };
  auto strides = [](uint64_t lines) { return lines * 8 * 2 / 16 << 16 | (group * 2 / 16) << 32; };
  CUdeviceptr da = pack(rows, [&](uint64_t i, uint64_t k) { return a[i * depth + k]; });
  CUdeviceptr db = pack(columns, [&](uint64_t j, uint64_t k) { return b[k * columns + j]; });
  CUdeviceptr d = device.allocate(rows * columns * 4);
  uint64_t stridesA = strides(rows), stridesB = strides(columns);
  EXPECT_EQ(device.launch(alongK ? "along_k" : "along_lines", 1, 1, 128, 0, {&da, &db, &d, &stridesA, &stridesB}),
            CUDA_SUCCESS);
  EXPECT_EQ(device.reports(), "");
  std::vector<float> got = device.download<float>(d, rows * columns);
  std::vector<double> expected = product(a, b, rows, columns, depth);
  bool right = true;
  for (uint64_t i = 0; i < got.size(); ++i) { // four of each thread: two columns of two rows
    uint64_t thread = i / 4, row = thread / 32 * 16 + thread % 32 / 4 + i % 4 / 2 * 8, column = thread % 4 * 2 + i % 2;
    right &= static_cast<double>(got[i]) == expected[row * columns + column];
  }
  return right;
}

TEST(Warpgroup, ThreeWarpsAreRefused) {
  EmulatedDevice device("WGMMA_LAYOUTS");
  CUdeviceptr operands = device.upload(std::vector<uint16_t>(1024)), d = device.allocate(64 * 8 * 4);
  uint64_t strides = 0;
  EXPECT_EQ(device.launch("along_k", 1, 1, 96, 0, {&operands, &operands, &d, &strides, &strides}),
            CUDA_ERROR_ILLEGAL_INSTRUCTION);
  EXPECT_THAT(device.reports(), testing::HasSubstr("wgmma by an incomplete warpgroup"));
}

TEST(Warpgroup, OperandsWithoutSwizzle) {
  EXPECT_TRUE(runUnswizzled(/*alongK=*/true));
  EXPECT_TRUE(runUnswizzled(/*alongK=*/false));
}

/// Negates a 16 x 64 box at (x, y) of a 20 x 100 matrix, elsewhere ones.
static CUresult negate(EmulatedDevice &device, int32_t x, int32_t y, std::vector<float> &in, std::vector<float> &out) {
  constexpr uint64_t rows = 20, columns = 100;
  in = integers(rows * columns, 3);
  auto map = [&](CUdeviceptr matrix) {
    CUtensorMap made;
    uint64_t sizes[] = {columns, rows}, strides[] = {columns * 4};
    uint32_t box[] = {64, 16}, steps[] = {1, 1};
    EXPECT_EQ(cuTensorMapEncodeTiled(&made, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2, reinterpret_cast<void *>(matrix), sizes,
                                     strides, box, steps, 0, CU_TENSOR_MAP_SWIZZLE_NONE, 0, 0),
              CUDA_SUCCESS);
    return device.upload(std::vector<CUtensorMap>{made});
  };
  CUdeviceptr result = device.upload(std::vector<float>(rows * columns, 1));
  CUdeviceptr from = map(device.upload(in)), to = map(result);
  CUresult error = device.launch("negate", 1, 1, 128, 0, {&from, &to, &x, &y});
  if (!error)
    out = device.download<float>(result, rows * columns);
  return error;
}

TEST(TensorCopies, LoadAndStoreLeaveOutWhatIsOutside) {
  for (auto [x, y] :
       {std::pair{0, 0}, std::pair{36, 4}, std::pair{60, 10}, std::pair{-8, -3}, std::pair{-3, 2}, std::pair{38, -1}}) {
    EmulatedDevice device("TENSOR");
    std::vector<float> in, out;
    ASSERT_EQ(negate(device, x, y, in, out), CUDA_SUCCESS) << device.reports();
    for (int row = 0; row < 20; ++row)
      for (int column = 0; column < 100; ++column) {
        bool inside = row >= y && row < y + 16 && column >= x && column < x + 64;
        ASSERT_EQ(out[row * 100 + column], inside ? -in[row * 100 + column] : 1)
            << x << " " << y << " " << row << " " << column;
      }
    EXPECT_EQ(device.reports(), "");
  }
}

TEST(TensorCopies, MutantsAreFound) {
  for (auto [name, error, report] :
       {std::tuple{"TENSOR_NO_FENCE", CUDA_ERROR_LAUNCH_FAILED, "without a fence.proxy.async after the write"},
        std::tuple{"TENSOR_NO_INIT", CUDA_ERROR_LAUNCH_FAILED, "no mbarrier was initialised at this address"},
        std::tuple{"TENSOR_OVERWRITTEN", CUDA_ERROR_ILLEGAL_INSTRUCTION, "the mbarrier's memory was overwritten"},
        std::tuple{"TENSOR_NO_BARRIER", CUDA_ERROR_LAUNCH_FAILED, "races with a write"},
        std::tuple{"TENSOR_NO_WAIT", CUDA_ERROR_ILLEGAL_INSTRUCTION, "returned before its tensor store"}}) {
    EmulatedDevice device(name);
    std::vector<float> in, out;
    EXPECT_EQ(negate(device, 0, 0, in, out), error) << name;
    EXPECT_THAT(device.reports(), testing::HasSubstr(report)) << name;
  }
}

TEST(TensorMap, LimitsAreChecked) {
  EmulatedDevice device("WGMMA");
  CUtensorMap map;
  auto encode = [&](uint64_t stride, uint32_t width, int swizzle) {
    uint64_t sizes[] = {100, 8}, strides[] = {stride};
    uint32_t box[] = {width, 8}, steps[] = {1, 1};
    return cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, nullptr, sizes, strides, box, steps, 0,
                                  swizzle, 0, 0);
  };
  EXPECT_EQ(encode(208, 64, CU_TENSOR_MAP_SWIZZLE_128B), CUDA_SUCCESS);
  EXPECT_EQ(encode(200, 64, CU_TENSOR_MAP_SWIZZLE_128B), CUDA_ERROR_INVALID_VALUE); // strides are multiples of 16 bytes
  EXPECT_EQ(encode(208, 64, CU_TENSOR_MAP_SWIZZLE_64B), CUDA_ERROR_INVALID_VALUE);  // a row of the box fits the swizzle
  EXPECT_EQ(encode(208, 4, CU_TENSOR_MAP_SWIZZLE_NONE), CUDA_ERROR_INVALID_VALUE);  // and is a multiple of 16 bytes
}
