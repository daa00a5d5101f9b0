//===- BlockProgram.cpp - kernels lowered for a GPU and launched on the emulator --------------===//

#include "BlockProgram.h"

#include "muon/GPU/Passes.h"
#include "muon/GPU/Targets.h"
#include "muon/IR/Request.h"
#include "muon/Object/CompileBlocks.h"
#include "muon/Object/TranslateModule.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace muon;
using namespace muon::test;

//===----------------------------------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------------------------------===//

static const llvm::fltSemantics &semanticsOf(Dtype dtype) {
  switch (dtype) {
  case Dtype::f32:
    return llvm::APFloat::IEEEsingle();
  case Dtype::bf16:
    return llvm::APFloat::BFloat();
  case Dtype::f16:
    return llvm::APFloat::IEEEhalf();
  case Dtype::tf32:
    return llvm::APFloat::IEEEsingle();
  case Dtype::f64:
    break;
  }
  return llvm::APFloat::IEEEdouble();
}

int64_t test::bytesOf(Dtype dtype) { return llvm::APFloat::getSizeInBits(semanticsOf(dtype)) / 8; }

static llvm::APFloat convert(llvm::APFloat value, Dtype dtype) {
  bool loses;
  if (dtype == Dtype::tf32)
    value.convert(llvm::APFloat::FloatTF32(), llvm::APFloat::rmNearestTiesToAway, &loses);
  value.convert(semanticsOf(dtype), llvm::APFloat::rmNearestTiesToEven, &loses);
  return value;
}

double test::rounded(double value, Dtype dtype) {
  return convert(convert(llvm::APFloat(value), dtype), Dtype::f64).convertToDouble();
}

Matrix test::transpose(const Matrix &a) {
  Matrix t(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j)
      t.at(j, i) = a.at(i, j);
  return t;
}

Matrix test::integers(int64_t rows, int64_t columns, unsigned seed, int largest) {
  std::mt19937 engine(seed);
  Matrix matrix(rows, columns);
  for (double &value : matrix.values)
    value = engine() % 3 ? 0 : int(engine() % (2 * largest + 1)) - largest;
  return matrix;
}

Matrix test::normal(int64_t rows, int64_t columns, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> distribution;
  Matrix matrix(rows, columns);
  for (double &value : matrix.values)
    value = distribution(engine);
  return matrix;
}

Matrix test::symmetricIntegers(int64_t n, unsigned seed) {
  Matrix matrix = integers(n, n, seed);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j)
      matrix.at(i, j) = matrix.at(j, i);
  return matrix;
}

DeviceMatrix::DeviceMatrix(execution::Device &device, Dtype dtype, int64_t rows, int64_t columns, int64_t grain,
                           const Matrix *values, int64_t count)
    : dtype(dtype), rows(rows), columns(columns), stride(llvm::alignTo(columns, grain)),
      height(llvm::alignTo(rows, grain)), count(count) {
  std::vector<uint8_t> bytes(count * height * stride * bytesOf(dtype));
  address = device.allocate(bytes.size());
  if (!values)
    return;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      uint64_t word = convert(llvm::APFloat(values->at(i, j)), dtype).bitcastToAPInt().getZExtValue();
      std::memcpy(&bytes[(i * stride + j) * bytesOf(dtype)], &word, bytesOf(dtype));
    }
  EXPECT_EQ(cuMemcpyHtoD_v2(reinterpret_cast<CUdeviceptr>(address), bytes.data(), bytes.size()), CUDA_SUCCESS);
}

Matrix DeviceMatrix::get(int64_t k) const {
  std::vector<uint8_t> bytes(count * height * stride * bytesOf(dtype));
  EXPECT_EQ(cuMemcpyDtoH_v2(bytes.data(), reinterpret_cast<CUdeviceptr>(address), bytes.size()), CUDA_SUCCESS);
  Matrix matrix(rows, columns);
  bool padded = true;
  for (int64_t i = 0; i < height; ++i)
    for (int64_t j = 0; j < stride; ++j) {
      uint64_t word = 0;
      std::memcpy(&word, &bytes[((k * height + i) * stride + j) * bytesOf(dtype)], bytesOf(dtype));
      llvm::APInt bits(bytesOf(dtype) * 8, word);
      if (i < rows && j < columns)
        matrix.at(i, j) = convert(llvm::APFloat(semanticsOf(dtype), bits), Dtype::f64).convertToDouble();
      else
        padded &= word == 0;
    }
  EXPECT_TRUE(padded) << "something other than zero lies in the padding";
  return matrix;
}

//===----------------------------------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------------------------------===//

static MLIRContext &context() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registry.insert<MuonDialect, arith::ArithDialect, math::MathDialect, func::FuncDialect>();
    return new MLIRContext(registry);
  }();
  return *context;
}

BlockProgram::BlockProgram(const std::string &text, const std::string &chip) {
  TargetAttr target = cantFail(lookupGpuTarget(&context(), chip));
  OwningOpRef<ModuleOp> lowered = parseSourceString<ModuleOp>(text, &context());
  if (!lowered)
    llvm::report_fatal_error("the kernel does not parse");
  (*lowered)->setAttr(kRequest, RequestAttr::get(target));
  lowered->walk([&](KernelOp kernel) {
    KernelBlock block = blockOf(kernel);
    shapes.push_back({kernel.getSymName().str(), block.threads, block.sharedBytes});
  });
  PassManager pm(&context());
  buildGpuPipeline(pm);
  if (failed(pm.run(*lowered)))
    llvm::report_fatal_error("the kernel does not lower");
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> code = translate(*lowered, llvmContext);
  if (!code)
    llvm::report_fatal_error("the kernel does not translate");
  llvm::cantFail(finishBlocks(*code, target));
  std::string bitcode = writeBitcode(*code);
  EXPECT_EQ(muonEmulatorModuleLoad(&module, bitcode.data(), bitcode.size()), CUDA_SUCCESS);
}

BlockProgram::~BlockProgram() { EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS); }

/// The launches and behind them what they point to, as they lie at `address`.
std::vector<uint8_t> BlockProgram::tablesAt(uint64_t address, const std::vector<BlockLaunch> &launches) const {
  std::vector<uint8_t> bytes(launches.size() * sizeof(muon_device_launch));
  auto append = [&](const void *data, size_t size) {
    uint64_t at = address + bytes.size();
    auto *begin = static_cast<const uint8_t *>(data);
    bytes.insert(bytes.end(), begin, begin + size);
    return at;
  };
  uint32_t firstTile = 0;
  for (size_t i = 0; i < launches.size(); ++i) {
    const BlockLaunch &launch = launches[i];
    muon_device_launch made = {};
    made.first_tile = firstTile;
    made.tiles_per_matrix = launch.tiles;
    firstTile += launch.tiles * launch.items.size();
    made.num_operands = launch.items.front().size();
    made.num_coefficients = launch.coefficients.size();
    std::copy(launch.sizes.begin(), launch.sizes.end(), made.sizes);
    made.coefficients = reinterpret_cast<const double *>(
        append(launch.coefficients.data(), launch.coefficients.size() * sizeof(double)));
    made.item_bytes = sizeof(muon_device_item) + made.num_operands * sizeof(muon_view);
    made.items = reinterpret_cast<const uint8_t *>(address + bytes.size());
    made.predicate = -1;
    for (size_t matrix = 0; matrix < launch.items.size(); ++matrix) {
      muon_device_item item = {};
      item.matrix = matrix;
      append(&item, sizeof item);
      append(launch.items[matrix].data(), launch.items[matrix].size() * sizeof(muon_view));
    }
    std::memcpy(&bytes[i * sizeof made], &made, sizeof made);
  }
  return bytes;
}

void BlockProgram::run(execution::Device &device, const std::string &kernel, const std::vector<BlockLaunch> &launches) {
  auto shape = llvm::find_if(shapes, [&](const Shape &shape) { return shape.kernel == kernel; });
  size_t size = tablesAt(0, launches).size();
  auto tables = reinterpret_cast<CUdeviceptr>(device.allocate(size));
  std::vector<uint8_t> bytes = tablesAt(tables, launches);
  EXPECT_EQ(cuMemcpyHtoD_v2(tables, bytes.data(), size), CUDA_SUCCESS);
  CUfunction function = nullptr;
  EXPECT_EQ(cuModuleGetFunction(&function, module, kernel.c_str()), CUDA_SUCCESS);
  EXPECT_EQ(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shape->sharedBytes),
            CUDA_SUCCESS);
  unsigned grid = 0;
  for (const BlockLaunch &launch : launches)
    grid += launch.tiles * launch.items.size();
  uint32_t count = launches.size();
  void *parameters[] = {&tables, &count};
  EXPECT_EQ(
      cuLaunchKernel(function, grid, 1, 1, shape->threads, 1, 1, shape->sharedBytes, nullptr, parameters, nullptr),
      CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_STREQ(muonEmulatorReports(), "");
}
