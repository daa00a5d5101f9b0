//===- Targets.cpp - GPUs by name -------------------------------------------------------------===//

#include "muon/GPU/Targets.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace muon;

namespace {
struct Gpu {
  StringRef name, features, product;
  unsigned multiprocessors, clock, fma, sharedKiB, blockSharedKiB, warps, blocks;
  uint64_t l2MiB;
  unsigned l2Rate, memoryRate;
};
} // namespace

// Limits per multiprocessor: CUDA C++ programming guide, technical specifications per compute capability. Counts,
// clocks (boost) and memory rates: the product's data sheet. fma: dense bf16 with f32 accumulation; professional parts
// where GeForce has half. l2Rate is an assumption: what the published speed of large products implies (the vendor
// states none).
static constexpr Gpu kGpus[] = {
    {"sm_80", "+ptx80", "A100", 108, 1410, 1024, 164, 163, 64, 32, 40, 6000, 2039},
    {"sm_86", "+ptx80", "RTX A6000", 84, 1800, 512, 100, 99, 48, 16, 6, 3000, 768},
    {"sm_89", "+ptx80", "RTX 4090", 128, 2520, 256, 100, 99, 48, 24, 72, 5000, 1008},
    {"sm_90", "+ptx80", "H100", 132, 1830, 2048, 228, 227, 64, 32, 50, 10000, 3350},
    {"sm_120", "+ptx87", "RTX PRO 6000", 188, 2617, 512, 100, 99, 48, 24, 128, 8000, 1792},
};

bool muon::namesGpu(StringRef name) {
  return name.consume_front("sm_") && !name.empty() && llvm::isDigit(name.front());
}

std::vector<std::string> muon::knownGpuTargets() {
  std::vector<std::string> names;
  for (const Gpu &gpu : kGpus)
    names.push_back(gpu.name.str());
  return names;
}

llvm::Expected<TargetAttr> muon::lookupGpuTarget(MLIRContext *context, StringRef name) {
  context->getOrLoadDialect<MuonDialect>();
  constexpr unsigned kRegisters = 65536, kWarp = 32, kWordsPerAccess = 4;
  constexpr uint64_t kKiB = 1024, kMiB = 1024 * kKiB;
  for (const Gpu &gpu : kGpus) {
    if (gpu.name != name)
      continue;
    auto chip = ChipAttr::get(context, gpu.product, gpu.multiprocessors, gpu.clock, gpu.fma, gpu.sharedKiB * kKiB,
                              gpu.blockSharedKiB * kKiB, kRegisters, gpu.warps, gpu.blocks, gpu.l2MiB * kMiB,
                              gpu.l2Rate, gpu.memoryRate);
    return TargetAttr::get(context, gpu.name, gpu.features, "nvptx64-nvidia-cuda", "mma", kWarp,
                           DenseI64ArrayAttr::get(context, {kWarp}), kWordsPerAccess, gpu.sharedKiB * kKiB,
                           gpu.l2MiB * kMiB, chip);
  }
  return llvm::createStringError("unknown GPU target '" + name + "', known are " + llvm::join(knownGpuTargets(), ", "));
}
