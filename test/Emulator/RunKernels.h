//===- RunKernels.h - the test kernels on small-integer data, against double ------------------===//

#ifndef MUON_TEST_EMULATOR_RUNKERNELS_H
#define MUON_TEST_EMULATOR_RUNKERNELS_H

#include "EmulatedDevice.h"

/// What a run showed.
struct Outcome {
  CUresult error;
  bool right; ///< Every element is exact.
};

inline bool equal(const std::vector<float> &got, const std::vector<double> &expected) {
  for (size_t i = 0; i < got.size(); ++i)
    if (static_cast<double>(got[i]) != expected[i])
      return false;
  return true;
}

inline Outcome runMatmulF32(EmulatedDevice &device, uint32_t m, uint32_t n, uint32_t k) {
  std::vector<float> a = integers(size_t(m) * k, 1), b = integers(size_t(k) * n, 2);
  CUdeviceptr da = device.upload(a), db = device.upload(b), dc = device.allocate(size_t(m) * n * 4);
  CUresult error = device.launch("matmul_f32", (n + 15) / 16, (m + 15) / 16, 256, 0, {&da, &db, &dc, &m, &n, &k});
  return {error, !error && equal(device.download<float>(dc, size_t(m) * n), product(a, b, m, n, k))};
}

inline Outcome runMatmulBf16(EmulatedDevice &device, uint32_t m, uint32_t n, uint32_t k) {
  std::vector<float> a = integers(size_t(m) * k, 1), b = integers(size_t(k) * n, 2);
  CUdeviceptr da = device.upload(asBf16(a)), db = device.upload(asBf16(b)), dc = device.allocate(size_t(m) * n * 4);
  CUresult error =
      device.launch("matmul_bf16", (n + 31) / 32, (m + 63) / 64, 128, 3 * 96 * 32, {&da, &db, &dc, &m, &n, &k});
  return {error, !error && equal(device.download<float>(dc, size_t(m) * n), product(a, b, m, n, k))};
}

inline Outcome runReduce(EmulatedDevice &device, uint32_t blocks, uint32_t n) {
  std::vector<float> in = integers(size_t(blocks) * n, 3);
  std::vector<double> expected(blocks);
  for (size_t i = 0; i < in.size(); ++i)
    expected[i / n] += in[i];
  CUdeviceptr din = device.upload(in), dout = device.allocate(blocks * 4);
  CUresult error = device.launch("reduce", blocks, 1, 128, 0, {&din, &dout, &n});
  return {error, !error && equal(device.download<float>(dout, blocks), expected)};
}

#endif // MUON_TEST_EMULATOR_RUNKERNELS_H
