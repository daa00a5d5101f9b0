//===- KernelBench.cpp - rates of product kernels
//-------------------------------------------------===//
//
// Reads lines `target dtype symmetric m n k block_m block_n k_chunk outputs milliseconds` and
// answers each with `quiet n shared n` in GF (1e9 flop/s of the full product, 2 m n k, of this
// thread's processor time; medians and sample counts), so that a script can interleave it with
// other libraries. A sample is quiet when a register-only loop before and after it ran at full
// speed: on rented machines somebody else's thread often shares the core. outputs: letters of
// p(lain) c(olumns) t(iles), or `-` for the register tiles alone.
//
//===-------------------------------------------------------------------------------------------===//

#include "Harness.h"

#include <algorithm>
#include <cstdlib>
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

#if defined(__x86_64__)
/// Tile loads show a shared core best: four times slower. Tiles are configured already.
__attribute__((target("amx-tile"))) static void loadTiles() {
  static unsigned char tiles[4096];
  for (int i = 0; i < 500; ++i)
    for (int t = 0; t < 4; ++t)
      _tile_loadd(4, tiles + 1024 * t, 64);
}
__attribute__((target("amx-tile"))) static void configureTiles() {
  alignas(64) unsigned char configuration[64] = {1};
  for (int t = 0; t < 8; ++t)
    configuration[16 + 2 * t] = 64, configuration[48 + t] = 16;
  _tile_loadconfig(configuration);
}
__attribute__((target("amx-tile"))) static void releaseTiles() { _tile_release(); }
#endif

/// Seconds a fixed loop takes.
static double probe() {
#if defined(__x86_64__)
  static bool amx = hostHas("amx-tile");
  if (amx) {
    configureTiles();
    double begin = now();
    loadTiles();
    double time = now() - begin;
    releaseTiles();
    return time;
  }
#endif
  double begin = now(), x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int i = 0; i < 5000; ++i)
    for (double &value : x)
      asm volatile("mulsd %1, %0" : "+x"(value) : "x"(1.0));
  return now() - begin;
}
static double fastest = 1e9;

static double median(std::vector<double> &values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

static std::string textOf(TargetAttr target, bool bf16, bool symmetric,
                          const std::string &outputs) {
  bool narrow = bf16 && target.getIsa() != "fma", tiles = bf16 && target.getIsa() == "amx";
  std::string packed = narrow ? "bf16" : "f32";
  auto operand = [](std::string direction, std::string layout, std::string dtype) {
    return "#muon.operand<" + direction + ", element, " + layout + ", " + dtype + ", none>";
  };
  std::string text = "muon.kernel @k product ", values, types, rounded;
  text += std::string(symmetric ? "symmetric " : "") + "of " + (bf16 ? "bf16" : "f32") +
          " operands [" + operand("in", tiles ? "row_tiles" : "columns", packed) + ", " +
          operand("in", "columns", packed);
  for (char letter : outputs) {
    if (letter == '-')
      continue;
    bool plain = letter == 'p';
    text += ", " + operand("out",
                           plain           ? "plain"
                           : letter == 'c' ? "columns"
                                           : "row_tiles",
                           plain ? "f32" : packed);
    values += (values.empty() ? "" : ", ") + std::string(plain || !narrow ? "%y" : "%n");
    types += (types.empty() ? "" : ", ") + std::string(plain ? "f32" : packed);
  }
  text += "] scalars [] [] coefficients 1 {\n^bb0(%acc: f32, %c: f32):\n%y = arith.mulf %acc, %c : "
          "f32\n";
  if (narrow)
    text += "%n = arith.truncf %y : f32 to bf16\n";
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
  return TargetAttr::get(&context(), target.getCpu(), target.getFeatures(), target.getTriple(),
                         target.getIsa(), number, mlir::DenseI64ArrayAttr::get(&context(), heights),
                         target.getVector(), target.getL1(), target.getL2());
}

static void measure(std::istringstream &line) {
  std::string name, dtype, outputs;
  bool symmetric;
  int64_t m, n, k, blockM, blockN, chunk;
  double milliseconds;
  line >> name >> dtype >> symmetric >> m >> n >> k >> blockM >> blockN >> chunk >> outputs >>
      milliseconds;
  bool bf16 = dtype == "bf16";
  static std::map<std::string, std::pair<TargetAttr, std::unique_ptr<Program>>> programs;
  auto &entry = programs[name + dtype + (symmetric ? "s" : "f") + outputs];
  if (!entry.second) {
    TargetAttr target = parseTarget(name);
    entry.first = target;
    entry.second = std::make_unique<Program>(textOf(target, bf16, symmetric, outputs), target);
  }
  TargetAttr target = entry.first;
  bool narrow = bf16 && target.getIsa() != "fma", tiles = bf16 && target.getIsa() == "amx";
  Dtype packed = narrow ? Dtype::bf16 : Dtype::f32;
  Memory a(tiles ? Layout::row_tiles : Layout::rows, packed, m, k, target.getLanes());
  Memory b(Layout::columns, packed, k, n, target.getLanes());
  a.set(random(m, k, true, 1)), b.set(random(k, n, true, 2));
  std::vector<Memory> out;
  for (char letter : outputs)
    if (letter != '-')
      out.emplace_back(letter == 'p'   ? Layout::plain
                       : letter == 'c' ? Layout::columns
                                       : Layout::row_tiles,
                       letter == 'p' ? Dtype::f32 : packed, m, n, target.getLanes());
  Launch launch;
  launch.sizes = {m, n, k, blockM, blockN, chunk}, launch.coefficients = {1.0};
  launch.tiles = productTiles(m, n, blockM, blockN, symmetric);
  launch.views = {a.view(), b.view()};
  for (Memory &memory : out)
    launch.views.push_back(memory.view());
  muon_tile_function function = entry.second->function("k");
  launch.run(function);
  std::vector<double> quiet, shared;
  for (double start = now(); now() - start < 1e-3 * milliseconds && quiet.size() < 15;) {
    double before = probe(), begin = now(), end;
    int repeats = 0;
    do
      launch.run(function), ++repeats, end = now();
    while (end - begin < 5e-4);
    double worse = std::max(before, probe());
    (worse < 1.5 * fastest ? quiet : shared).push_back(2e-9 * m * n * k * repeats / (end - begin));
  }
  std::cout << median(quiet) << " " << quiet.size() << " " << median(shared) << " " << shared.size()
            << std::endl;
}

int main() {
  // The machine may be shared now and never quiet: PROBE_US tells what quiet is.
  if (const char *known = std::getenv("PROBE_US"))
    fastest = 1e-6 * std::atof(known);
  for (int i = 0; i < 2000; ++i)
    fastest = std::min(fastest, probe());
  std::cerr << "probe " << fastest * 1e6 << " us" << std::endl;
  for (std::string text; std::getline(std::cin, text);) {
    std::istringstream line(text);
    measure(line);
  }
}
