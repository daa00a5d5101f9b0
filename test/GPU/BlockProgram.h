//===- BlockProgram.h - kernels lowered for a GPU and launched on the emulator ----------------===//

#ifndef MUON_TEST_GPU_BLOCKPROGRAM_H
#define MUON_TEST_GPU_BLOCKPROGRAM_H

#include "Device.h"

#include "muon/IR/Muon.h"
#include "muon_runtime.h"

#include <string>
#include <vector>

namespace muon::test {

/// An element type in memory; tf32 is f32 words.
enum class Dtype { f32, bf16, f16, tf32, f64 };
int64_t bytesOf(Dtype dtype);
/// `value` to nearest, ties to even; for tf32 away from zero.
double rounded(double value, Dtype dtype);

/// A matrix of doubles.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;
  Matrix() = default;
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), values(rows * columns) {}
  double &at(int64_t i, int64_t j) { return values[i * columns + j]; }
  double at(int64_t i, int64_t j) const { return values[i * columns + j]; }
  bool operator==(const Matrix &other) const { return values == other.values; }
};
Matrix transpose(const Matrix &a);
/// Small integers, most of them zero, so that sums of products are exact in f32.
Matrix integers(int64_t rows, int64_t columns, unsigned seed, int largest = 3);
Matrix symmetricIntegers(int64_t n, unsigned seed);
/// Normal entries, rounded to f32.
Matrix normal(int64_t rows, int64_t columns, unsigned seed);

/// A matrix in device memory: row-major, `count` of them one after the other, each padded to multiples of `grain` rows
/// and columns.
class DeviceMatrix {
public:
  /// `values` is written, and zeros around it; without values the memory is uninitialised.
  DeviceMatrix(execution::Device &device, Dtype dtype, int64_t rows, int64_t columns, int64_t grain,
               const Matrix *values = nullptr, int64_t count = 1);
  muon_view view() const { return {address, stride, 1}; }
  /// The k-th matrix. Fails the test where its padding is not zero.
  Matrix get(int64_t k = 0) const;

private:
  void *address;
  Dtype dtype;
  int64_t rows, columns, stride, height, count;
};

/// One launch: a shape, and the views of each of its matrices.
struct BlockLaunch {
  std::vector<int64_t> sizes;
  int64_t tiles;
  std::vector<std::vector<muon_view>> items;
  std::vector<double> coefficients;
};

/// The kernels of a text, lowered for a chip and loaded.
class BlockProgram {
public:
  BlockProgram(const std::string &text, const std::string &chip);
  ~BlockProgram();
  BlockProgram(const BlockProgram &) = delete;
  /// Runs launches that share the kernel as one launch of the device, and waits. A report of the emulator fails the
  /// test.
  void run(execution::Device &device, const std::string &kernel, const std::vector<BlockLaunch> &launches);

private:
  std::vector<uint8_t> tablesAt(uint64_t address, const std::vector<BlockLaunch> &launches) const;

  struct Shape {
    std::string kernel;
    unsigned threads, sharedBytes;
  };
  std::vector<Shape> shapes;
  CUmodule module = nullptr;
};

} // namespace muon::test

#endif // MUON_TEST_GPU_BLOCKPROGRAM_H
