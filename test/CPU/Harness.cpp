//===- Harness.cpp ----------------------------------------------------------------------------===//

#include "Harness.h"

#include "muon/IR/Request.h"
#include "muon/Polynomial/Emulate.h"

#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace mlir;
using namespace muon;
using namespace muon::test;

MLIRContext &test::context() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registry.insert<MuonDialect, arith::ArithDialect, math::MathDialect, func::FuncDialect>();
    return new MLIRContext(registry);
  }();
  return *context;
}

TargetAttr test::target(StringRef name) { return cantFail(lookupTarget(&context(), name)); }

TargetAttr test::host() {
  static TargetAttr host = [] {
#if defined(__linux__) && defined(__x86_64__)
    syscall(SYS_arch_prctl, 0x1023, 18); // ARCH_REQ_XCOMP_PERM, tile data
#endif
    return target("native");
  }();
  return host;
}

bool test::hostHas(StringRef feature) { return hasFeature(host(), feature); }

TargetAttr test::runnable(StringRef name) {
  TargetAttr wanted = target(name);
  for (const std::string &feature : requiredFeatures(wanted))
    if (!llvm::is_contained(requiredFeatures(host()), feature))
      return scheduleOn(wanted, host());
  return wanted;
}

OwningOpRef<ModuleOp> test::lower(const std::string &text, TargetAttr target) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context());
  if (!module)
    return {};
  (*module)->setAttr(kRequest, RequestAttr::get(target));
  PassManager pm(&context());
  buildCpuPipeline(pm);
  if (failed(pm.run(*module)))
    return {};
  return module;
}

std::unique_ptr<llvm::Module> test::compile(const std::string &text, TargetAttr target, llvm::LLVMContext &context) {
  OwningOpRef<ModuleOp> module = lower(text, target);
  if (!module)
    llvm::report_fatal_error("the kernel does not lower");
  std::unique_ptr<llvm::Module> code = translate(*module, context);
  if (!code)
    llvm::report_fatal_error("the kernel does not translate");
  optimise(*code);
  return code;
}

Program::Program(const std::string &text, TargetAttr target) {
  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  auto code = compile(text, target, *llvmContext);
  jit = llvm::ExitOnError("jit: ")(Jit::create(std::move(code), std::move(llvmContext)));
}

muon_tile_function Program::function(StringRef name) const {
  auto function = reinterpret_cast<muon_tile_function>(jit->lookup(name));
  if (!function)
    llvm::report_fatal_error("no such kernel");
  return function;
}

//===----------------------------------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------------------------------===//

const char *test::word(Dtype dtype) {
  return dtype == Dtype::bf16 ? "bf16" : dtype == Dtype::f16 ? "f16" : dtype == Dtype::f32 ? "f32" : "f64";
}

static double roundedToBf16(double value) {
  float narrow = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &narrow, 4);
  bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
  std::memcpy(&narrow, &bits, 4);
  return narrow;
}

/// The f16 of a panel, f16Scale times the value.
static llvm::APFloat halfOf(double value) {
  llvm::APFloat half(value * f16Scale);
  bool loses;
  half.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven, &loses);
  return half;
}

double test::rounded(Dtype dtype, double value) {
  if (dtype == Dtype::f16)
    return halfOf(value).convertToDouble() / f16Scale;
  return dtype == Dtype::bf16 ? roundedToBf16(value) : dtype == Dtype::f32 ? double(float(value)) : value;
}

Matrix test::random(int64_t rows, int64_t columns, Dtype dtype, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  Matrix matrix(rows, columns);
  for (double &value : matrix.values)
    value = dtype == Dtype::f16 ? std::clamp(std::round(normal(engine)), -3.0, 3.0) : rounded(dtype, normal(engine));
  return matrix;
}

int64_t test::ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t test::productTiles(int64_t m, int64_t n, int64_t blockM, int64_t blockN, bool symmetric) {
  int64_t down = ceilDiv(m, blockM);
  return symmetric ? down * (down + 1) / 2 : down * ceilDiv(n, blockN);
}

//===----------------------------------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------------------------------===//

static int64_t sizeOf(Dtype dtype) { return dtype == Dtype::f64 ? 8 : dtype == Dtype::f32 ? 4 : 2; }

Memory::Memory(Layout layout, Dtype dtype, int64_t rows, int64_t columns, int64_t lanes)
    : layout(layout), dtype(dtype), rows(rows), columns(columns), lanes(lanes) {
  bool turned = layout == Layout::rows || layout == Layout::row_tiles;
  int64_t lane = turned ? rows : columns, depth = turned ? columns : rows;
  int64_t padded = dtype == Dtype::f32 ? ceilDiv(depth, 16) * 16 : ceilDiv(depth, 32) * 32;
  if (layout == Layout::plain) {
    rowStride = columns;
    bytes.assign(rows * columns * sizeOf(dtype), 0xff);
  } else if (layout == Layout::columns || layout == Layout::rows) {
    rowStride = padded * sizeOf(dtype) / 4 * lanes;
    bytes.assign(ceilDiv(lane, lanes) * rowStride * 4, 0xff);
  } else {
    rowStride = 16 * padded;
    bytes.assign(ceilDiv(lane, 32) * 2 * rowStride * 2, 0xff);
  }
  // Cache-line aligned, as in a program's workspace.
  size = bytes.size();
  bytes.resize(size + 64, 0xff);
  shift = -reinterpret_cast<uintptr_t>(bytes.data()) & 63;
}

Memory::Memory(Dtype dtype, int64_t rows, int64_t columns, int64_t rowStride, int64_t columnStride)
    : layout(Layout::plain), dtype(dtype), rows(rows), columns(columns), lanes(0) {
  this->rowStride = rowStride, this->columnStride = columnStride;
  // One element before and after, and an address aligned to no more than an element.
  shift = sizeOf(dtype);
  size = ((rows - 1) * rowStride + (columns - 1) * columnStride + 1) * sizeOf(dtype);
  bytes.assign(size + 2 * shift, 0xff);
}

std::vector<uint8_t> Memory::raw() const {
  return std::vector<uint8_t>(bytes.begin() + shift, bytes.begin() + shift + size);
}

int64_t Memory::place(int64_t i, int64_t j) const {
  int64_t elements = isHalf(dtype) ? 2 : 1;
  switch (layout) {
  case Layout::plain:
    return i * rowStride + j * columnStride;
  case Layout::rows:
    std::swap(i, j);
    [[fallthrough]];
  case Layout::columns:
    return ((j / lanes) * rowStride + (i / elements) * lanes + j % lanes) * elements + i % elements;
  case Layout::column_tiles:
    std::swap(i, j);
    [[fallthrough]];
  case Layout::row_tiles:
    return (i / 16) * rowStride + (j / 32) * 512 + (i % 16) * 32 + j % 32;
  case Layout::padded:
  case Layout::turned: // a GPU's blocks only
    break;
  }
  return 0;
}

double Memory::load(int64_t index) const {
  const uint8_t *at = bytes.data() + shift + index * sizeOf(dtype);
  if (dtype == Dtype::f64) {
    double value;
    std::memcpy(&value, at, 8);
    return value;
  }
  uint32_t bits = 0;
  std::memcpy(&bits, at, sizeOf(dtype));
  if (dtype == Dtype::f16)
    return llvm::APFloat(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits)).convertToDouble() / f16Scale;
  if (dtype == Dtype::bf16)
    bits <<= 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

void Memory::store(int64_t index, double value) {
  uint8_t *at = bytes.data() + shift + index * sizeOf(dtype);
  if (dtype == Dtype::f64) {
    std::memcpy(at, &value, 8);
    return;
  }
  float narrow = static_cast<float>(rounded(dtype, value));
  uint32_t bits;
  std::memcpy(&bits, &narrow, 4);
  if (dtype == Dtype::bf16)
    bits >>= 16;
  if (dtype == Dtype::f16)
    bits = static_cast<uint32_t>(halfOf(value).bitcastToAPInt().getZExtValue());
  std::memcpy(at, &bits, sizeOf(dtype));
}

void Memory::set(const Matrix &matrix) {
  if (layout != Layout::plain)
    std::memset(data(), 0, size);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      store(place(i, j), matrix.at(i, j));
}

Matrix Memory::get() const {
  Matrix matrix(rows, columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      matrix.at(i, j) = load(place(i, j));
  return matrix;
}

bool Memory::paddingIsZero() const {
  std::vector<bool> inside(size / sizeOf(dtype), false);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      inside[place(i, j)] = true;
  for (size_t index = 0; index < inside.size(); ++index)
    if (!inside[index] && load(index) != 0)
      return false;
  return true;
}

//===----------------------------------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------------------------------===//

void Launch::run(muon_tile_function function) const {
  muon_launch launch = {};
  launch.tiles_per_matrix = static_cast<uint32_t>(tiles);
  launch.num_operands = static_cast<uint32_t>(views.size());
  launch.num_coefficients = static_cast<uint32_t>(coefficients.size());
  launch.coefficients = coefficients.data();
  std::copy(sizes.begin(), sizes.end(), launch.sizes);
  // Two matrices of which the second is ours, behind other launches' items.
  launch.item_bytes = sizeof(muon_item) + views.size() * sizeof(muon_view);
  launch.item_offset = 40;
  std::vector<uint8_t> items(launch.item_offset + 2 * launch.item_bytes, 0xff);
  muon_item item = {scalars.data(), parameter, 0, matrix};
  uint8_t *at = items.data() + launch.item_offset + launch.item_bytes;
  std::memcpy(at, &item, sizeof item);
  std::memcpy(at + sizeof item, views.data(), views.size() * sizeof(muon_view));
  muon_binding binding = {items.data()};
  static std::vector<uint8_t> scratch(16 << 20);
  void *aligned = reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) & ~63ull);
  static bool poisoned = false; // once: benchmarks call this too
  if (!poisoned)
    std::memset(aligned, 0xff, scratch.size() - 64), poisoned = true;
  for (int64_t tile = 0; tile < tiles; ++tile)
    function(&launch, &binding, nullptr, aligned, static_cast<uint32_t>(tiles + tile));
}
