//===- Harness.h - kernels compiled and called by hand ------------------------------*- C++ -*-===//
#ifndef MUON_TEST_CPU_HARNESS_H
#define MUON_TEST_CPU_HARNESS_H

#include "muon/CPU/Passes.h"
#include "muon/CPU/Targets.h"
#include "muon/Object/CompileObject.h"
#include "muon/Object/Jit.h"
#include "muon/Object/TranslateModule.h"
#include "muon_runtime.h"

#include <random>
#include <string>
#include <vector>

namespace muon::test {

/// The context all tests share.
mlir::MLIRContext &context();
TargetAttr target(llvm::StringRef name);
/// The machine the test runs on; AMX registers are asked for.
TargetAttr host();
bool hostHas(llvm::StringRef feature);
/// A target by name whose code runs on this machine, its instructions legalised where needed.
TargetAttr runnable(llvm::StringRef name);

/// One kernel's text compiled to memory.
class Program {
public:
  Program(const std::string &text, TargetAttr target);
  muon_tile_function function(llvm::StringRef name) const;

private:
  std::unique_ptr<Jit> jit;
};

/// Kernels of `text` as an llvm-dialect module; null after a diagnostic.
mlir::OwningOpRef<mlir::ModuleOp> lower(const std::string &text, TargetAttr target);
std::unique_ptr<llvm::Module> compile(const std::string &text, TargetAttr target, llvm::LLVMContext &context);

/// A matrix of doubles.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;
  Matrix() = default;
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), values(rows * columns) {}
  double &at(int64_t i, int64_t j) { return values[i * columns + j]; }
  double at(int64_t i, int64_t j) const { return values[i * columns + j]; }
};
enum class Dtype { f32, bf16, f16, f64 };
inline bool isHalf(Dtype dtype) { return dtype == Dtype::bf16 || dtype == Dtype::f16; }
const char *word(Dtype dtype);

/// Normal entries, rounded so that memory holds them exactly; f16: the whole numbers -3 to 3, whose products of up to a
/// hundred terms f16 sums hold too.
Matrix random(int64_t rows, int64_t columns, Dtype dtype, unsigned seed);
/// As a kernel rounds it, an f16 in a panel.
double rounded(Dtype dtype, double value);

/// A matrix in memory as kernels see it. Fresh memory is poison, so that what is not written shows.
class Memory {
public:
  Memory(Layout layout, Dtype dtype, int64_t rows, int64_t columns, int64_t lanes);
  /// Plain with given strides.
  Memory(Dtype dtype, int64_t rows, int64_t columns, int64_t rowStride, int64_t columnStride);
  Memory(Memory &&) = default; // moving a vector keeps its address
  Memory(const Memory &other) = delete;
  void set(const Matrix &matrix);
  Matrix get() const;
  muon_view view() { return {data(), rowStride, columnStride}; }
  void *data() { return bytes.data() + shift; }
  /// Whether every element outside the matrix is zero.
  bool paddingIsZero() const;
  /// The bytes, without what was added around them.
  std::vector<uint8_t> raw() const;

private:
  int64_t place(int64_t i, int64_t j) const;
  double load(int64_t index) const;
  void store(int64_t index, double value);

  Layout layout;
  Dtype dtype;
  int64_t rows, columns, lanes;
  std::vector<uint8_t> bytes;
  int64_t shift = 0, size = 0;

public:
  int64_t rowStride = 0, columnStride = 1;
};

/// One launch over one matrix.
struct Launch {
  std::vector<int64_t> sizes;
  std::vector<muon_view> views;
  std::vector<double> coefficients;
  std::vector<muon_scalar> scalars;
  int64_t tiles = 1;
  uint64_t parameter = 0;
  uint32_t matrix = 0;
  void run(muon_tile_function function) const;
};

int64_t ceilDiv(int64_t a, int64_t b);
/// Tiles of a product.
int64_t productTiles(int64_t m, int64_t n, int64_t blockM, int64_t blockN, bool symmetric);

} // namespace muon::test

#endif // MUON_TEST_CPU_HARNESS_H
