//===- KernelBench.cpp - rates of product kernels ---------------------------------------------===//
//
// Reads lines and answers each, in GF: 1e9 flop/s of this thread's processor time, symmetric products counted at half.
//   stage reference milliseconds   runs both by turns and answers with the medians `rate rate ratio`
//   registers f32|bf16|f16           the widest multiply-adds this processor has for the type, operands in registers
// stage and reference: `target dtype symmetric m n k block_m block_n k_chunk outputs`; outputs: letters of p(lain)
// c(olumns) r(ows) t(iles of rows), or `-` for the register tiles alone.
//
//===-------------------------------------------------------------------------------------------===//

#include "KernelTexts.h"

#include <algorithm>
#include <ctime>
#include <iostream>
#include <map>
#include <sstream>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace muon;
using namespace muon::test;

static double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static double median(std::vector<double> &values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

/// The layout an output's letter stands for.
static Layout layoutOf(char letter) {
  return letter == 'p'   ? Layout::plain
         : letter == 'c' ? Layout::columns
         : letter == 'r' ? Layout::rows
                         : Layout::row_tiles;
}

static std::string textOf(TargetAttr target, Dtype operands, bool symmetric, const std::string &outputs) {
  bool narrow = packedAs(target, operands) != Dtype::f32, tiles = usesTiles(target, operands);
  std::string packed = word(packedAs(target, operands));
  auto operand = [](std::string direction, std::string layout, std::string dtype) {
    return "#muon.operand<" + direction + ", element, " + layout + ", " + dtype + ", none>";
  };
  std::string text = "muon.kernel @k product ", values, types, rounded;
  text += std::string(symmetric ? "symmetric square " : "") + "of " + word(operands) + " operands [" +
          operand("in", tiles ? "row_tiles" : "columns", packed) + ", " + operand("in", "columns", packed);
  for (char letter : outputs) {
    if (letter == '-')
      continue;
    bool plain = letter == 'p';
    text += ", " + operand("out", stringifyLayout(layoutOf(letter)).str(), plain ? "f32" : packed);
    values += (values.empty() ? "" : ", ") + std::string(plain || !narrow ? "%y" : "%n");
    types += (types.empty() ? "" : ", ") + std::string(plain ? "f32" : packed);
  }
  text += "] scalars [] [] coefficients 1 {\n^bb0(%acc: f32, %c: f32):\n%y = arith.mulf %acc, %c : "
          "f32\n";
  if (narrow)
    text += "%n = arith.truncf %y : f32 to " + packed + "\n";
  return text + "muon.yield " + (values.empty() ? "" : values + " : " + types) + "\n}\n";
}

/// `name`, or `name:6,6,4/16` with other heights and lanes.
static TargetAttr parseTarget(const std::string &name) {
  size_t colon = name.find(':');
  TargetAttr target = runnable(name.substr(0, colon));
  if (colon == std::string::npos)
    return target;
  std::vector<int64_t> heights;
  std::stringstream shape(name.substr(colon + 1));
  int64_t number;
  char separator = ',';
  while (separator == ',' && shape >> number >> separator)
    heights.push_back(number);
  shape >> number;
  return TargetAttr::get(&context(), target.getCpu(), target.getFeatures(), target.getTriple(), target.getIsa(), number,
                         mlir::DenseI64ArrayAttr::get(&context(), heights), target.getVector(), target.getL1(),
                         target.getL2());
}

#if defined(__x86_64__)
static constexpr int kRounds = 20000;

/// Seconds of kRounds times eight independent multiply-adds of 16 and of 8 lanes.
__attribute__((target("avx512f"))) static double fma512() {
  __m512 x = _mm512_set1_ps(1), a[8] = {x, x, x, x, x, x, x, x};
  double begin = now();
  for (int i = 0; i < kRounds; ++i)
    for (__m512 &sum : a)
      asm volatile("vfmadd231ps %1, %1, %0" : "+v"(sum) : "v"(x));
  return now() - begin;
}
__attribute__((target("avx2,fma"))) static double fma256() {
  __m256 x = _mm256_set1_ps(1), a[8] = {x, x, x, x, x, x, x, x};
  double begin = now();
  for (int i = 0; i < kRounds; ++i)
    for (__m256 &sum : a)
      asm volatile("vfmadd231ps %1, %1, %0" : "+x"(sum) : "x"(x));
  return now() - begin;
}
/// Of twelve of 32 lanes of f16, whose latency is longer.
__attribute__((target("avx512fp16"))) static double fmaF16() {
  __m512h x = _mm512_set1_ph(1), a[12] = {x, x, x, x, x, x, x, x, x, x, x, x};
  double begin = now();
  for (int i = 0; i < kRounds; ++i)
    for (__m512h &sum : a)
      asm volatile("vfmadd231ph %1, %1, %0" : "+v"(sum) : "v"(x));
  return now() - begin;
}
/// Seconds of kRounds times four 16 x 16 x 32 products.
__attribute__((target("amx-tile,amx-bf16"))) static double tiles() {
  alignas(64) unsigned char configuration[64] = {1};
  for (int t = 0; t < 8; ++t)
    configuration[16 + 2 * t] = 64, configuration[48 + t] = 16;
  _tile_loadconfig(configuration);
  double begin = now();
  for (int i = 0; i < kRounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  double spent = now() - begin;
  _tile_release();
  return spent;
}

/// Median rate over a tenth of a second; 0 where there is no such instruction.
static double registerRate(const std::string &dtype) {
  bool amx = dtype == "bf16" && hostHas("amx-bf16"), half = dtype == "f16" && hostHas("avx512fp16"),
       wide = hostHas("avx512f");
  if (dtype != "f32" && !amx && !half)
    return 0;
  double flops = amx ? 4.0 * 2 * 16 * 16 * 32 : half ? 12.0 * 2 * 32 : 8.0 * 2 * (wide ? 16 : 8);
  std::vector<double> rates;
  for (double start = now(); now() - start < 0.1;)
    rates.push_back(1e-9 * kRounds * flops / (amx ? tiles() : half ? fmaF16() : wide ? fma512() : fma256()));
  return median(rates);
}
#else
static double registerRate(const std::string &) { return 0; }
#endif

/// A request of the input, ready to run.
struct Case {
  double flops;
  Launch launch;
  std::vector<Memory> memories;
  muon_tile_function function;

  explicit Case(std::istringstream &line);
  /// Seconds of one run, from as many as fill half a millisecond. The clock is a system call: it is read outside of
  /// them.
  double time() {
    double begin = now(), spent;
    for (int i = 0; i < repeats; ++i)
      launch.run(function);
    spent = now() - begin;
    if (spent >= 5e-4)
      return spent / repeats;
    repeats *= 2;
    return time();
  }

private:
  int repeats = 1;
};

Case::Case(std::istringstream &line) {
  std::string name, dtype, outputs;
  bool symmetric;
  int64_t m, n, k, blockM, blockN, chunk;
  line >> name >> dtype >> symmetric >> m >> n >> k >> blockM >> blockN >> chunk >> outputs;
  Dtype operands = dtype == "bf16" ? Dtype::bf16 : dtype == "f16" ? Dtype::f16 : Dtype::f32;
  static std::map<std::string, std::pair<TargetAttr, std::unique_ptr<Program>>> programs;
  auto &entry = programs[name + dtype + (symmetric ? "s" : "f") + outputs];
  if (!entry.second) {
    TargetAttr target = parseTarget(name);
    entry.first = target;
    entry.second = std::make_unique<Program>(textOf(target, operands, symmetric, outputs), target);
  }
  TargetAttr target = entry.first;
  Dtype packed = packedAs(target, operands);
  memories.emplace_back(usesTiles(target, operands) ? Layout::row_tiles : Layout::rows, packed, m, k,
                        target.getLanes());
  memories.emplace_back(Layout::columns, packed, k, n, target.getLanes());
  memories[0].set(random(m, k, Dtype::bf16, 1)), memories[1].set(random(k, n, Dtype::bf16, 2));
  for (char letter : outputs)
    if (letter != '-')
      memories.emplace_back(layoutOf(letter), letter == 'p' ? Dtype::f32 : packed, m, n, target.getLanes());
  launch.sizes = {m, n, k, blockM, blockN, chunk}, launch.coefficients = {1.0};
  launch.tiles = productTiles(m, n, blockM, blockN, symmetric);
  for (Memory &memory : memories)
    launch.views.push_back(memory.view());
  function = entry.second->function("k");
  flops = (symmetric ? 1.0 : 2.0) * double(m) * double(n) * double(k);
}

/// Both run by turns, so that whoever else uses the core slows both; the ratio of their rates is taken per turn.
static void measure(std::istringstream &line) {
  Case stage(line), reference(line);
  double milliseconds;
  line >> milliseconds;
  std::vector<double> rates, references, ratios;
  for (double start = now(); now() - start < 1e-3 * milliseconds;) {
    double before = reference.flops / reference.time(), rate = stage.flops / stage.time();
    double mean = (before + reference.flops / reference.time()) / 2;
    rates.push_back(1e-9 * rate), references.push_back(1e-9 * mean), ratios.push_back(rate / mean);
  }
  std::cout << median(rates) << " " << median(references) << " " << median(ratios) << std::endl;
}

int main() {
  for (std::string text; std::getline(std::cin, text);) {
    std::istringstream line(text);
    std::string first, dtype;
    if (text.rfind("registers ", 0) == 0 && line >> first >> dtype)
      std::cout << registerRate(dtype) << std::endl;
    else
      measure(line);
  }
}
