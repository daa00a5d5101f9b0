//===- Targets.cpp ----------------------------------------------------------------------------===//

#include "muon/CPU/Targets.h"

#include "Processors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <unistd.h>

using namespace mlir;
using namespace muon;
using cpu::Architecture;
using cpu::architectureOf;
using cpu::Caches;
using cpu::FeatureName;
using cpu::Processor;
using cpu::subtarget;

static constexpr uint64_t kKiB = 1024, kMiB = 1024 * 1024;

//===----------------------------------------------------------------------------------------------===//
// What a processor has
//===----------------------------------------------------------------------------------------------===//

static Processor processorOf(TargetAttr target) {
  return {target.getCpu().str(), target.getFeatures().str(), target.getTriple().str()};
}

bool muon::hasFeature(TargetAttr target, StringRef feature) {
  return cpu::hasFeature(subtarget(processorOf(target)).get(), feature);
}

std::vector<std::string> muon::requiredFeatures(TargetAttr target) {
  std::vector<std::string> words;
  const Architecture *architecture = architectureOf(target.getTriple()); // a GPU's chip is checked instead
  auto info = subtarget(processorOf(target));
  for (auto [feature, word] : architecture ? architecture->checked : ArrayRef<FeatureName>())
    if (cpu::hasFeature(info.get(), feature))
      words.push_back(word.str());
  return words;
}

StringRef muon::instructionSet(TargetAttr target) {
  auto info = subtarget(processorOf(target));
  bool fma = cpu::hasFeature(info.get(), "fma");
  for (auto [feature, fused, separate] :
       std::initializer_list<std::array<StringRef, 3>>{{"avx512f", "avx512", "avx512"},
                                                       {"avx2", "avx2+fma", "avx2"},
                                                       {"avx", "avx+fma", "avx"},
                                                       {"sse4.1", "sse4.1", "sse4.1"},
                                                       {"sse2", "sse2", "sse2"},
                                                       {"sve2", "sve2", "sve2"},
                                                       {"sve", "sve", "sve"},
                                                       {"neon", "neon", "neon"}})
    if (cpu::hasFeature(info.get(), feature))
      return fma ? fused : separate;
  return architectureOf(target.getTriple()) ? "rv64gc" : "";
}

//===----------------------------------------------------------------------------------------------===//
// How products are computed there
//===----------------------------------------------------------------------------------------------===//

namespace {
/// As in a TargetAttr.
struct Schedule {
  StringRef isa = "fma";
  unsigned lanes = 16, vector = 4;
  SmallVector<int64_t> heights;
};
} // namespace

static Schedule scheduleX86(StringRef cpu, llvm::function_ref<bool(StringRef)> has) {
  if (has("avx512f") && has("avx512bw") && has("avx512vl")) {
    // Only AMD's cores gain by vdpbf16ps: on Intel's it ran at 0.45 of the rate of f32 multiply-adds.
    bool fastDot = has("avx512bf16") && cpu.starts_with("znver");
    StringRef isa = has("amx-bf16") && has("amx-tile") ? "amx" : has("avx512fp16") ? "half" : fastDot ? "dot" : "fma";
    return {isa, 32, 16, {8, 8, 8, 8}};
  }
  if (has("avx2"))
    return {"fma", 16, 8, {6, 5, 5}};
  return {"fma", 16, 4, SmallVector<int64_t>(8, 2)};
}

static Schedule scheduleOf(const Processor &p, const llvm::MCSubtargetInfo *info) {
  llvm::Triple triple(p.triple);
  if (triple.isX86())
    return scheduleX86(p.cpu, [&](StringRef feature) { return cpu::hasFeature(info, feature); });
  // 24 of NEON's 32 registers, 12 of AVX2's 16 hold C. Nearly one height: a tile of four rows has too few sums in
  // flight.
  if (triple.isAArch64())
    return {"fma", 16, 4, {6, 5, 5}};
  return {"fma", 16, 4, SmallVector<int64_t>(16, 1)}; // registers of one float
}

/// Without what a machine cannot be asked for.
static std::string checkableFeatures(const Processor &p, const llvm::MCSubtargetInfo *info) {
  std::string features = p.features;
  const Architecture *architecture = architectureOf(p.triple);
  for (StringRef feature : architecture ? architecture->avoided : ArrayRef<StringRef>())
    if (cpu::hasFeature(info, feature))
      features += (features.empty() ? "-" : ",-") + feature.str();
  return features;
}

static TargetAttr makeTarget(MLIRContext *context, const Processor &p, Caches caches) {
  auto info = subtarget(p);
  Schedule schedule = scheduleOf(p, info.get());
  return TargetAttr::get(context, p.cpu, checkableFeatures(p, info.get()), p.triple, schedule.isa, schedule.lanes,
                         DenseI64ArrayAttr::get(context, schedule.heights), schedule.vector, caches.l1, caches.l2);
}

/// Where the host differs from what LLVM assumes of the processor name: a virtual machine may hide
/// features, or show a model number of another generation.
static std::string hostFeatures(const Processor &asNamed) {
  auto info = subtarget(asNamed);
  std::vector<std::string> features;
  if (info)
    for (const auto &feature : llvm::sys::getHostCPUFeatures()) {
      bool assumed = cpu::hasFeature(info.get(), feature.getKey());
      if (assumed != feature.getValue())
        features.push_back(((feature.getValue() ? "+" : "-") + feature.getKey()).str());
    }
  llvm::sort(features);
  return llvm::join(features, ",");
}

static TargetAttr hostTarget(MLIRContext *context) {
  std::string triple = llvm::sys::getProcessTriple(), cpu = llvm::sys::getHostCPUName().str();
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  // Tile registers on a model LLVM takes for a desktop part: it is tuned like the servers that have
  // them.
  if (features.lookup("amx-tile") && !cpu::hasFeature(subtarget({cpu, "", triple}).get(), "amx-tile"))
    cpu = "sapphirerapids";
  std::string difference = hostFeatures({cpu, "", triple});
  auto cache = [](int name, uint64_t otherwise) {
    long size = sysconf(name);
    return size > 0 ? uint64_t(size) : otherwise;
  };
  return makeTarget(context, {cpu, difference, triple},
                    {cache(_SC_LEVEL1_DCACHE_SIZE, 32 * kKiB), cache(_SC_LEVEL2_CACHE_SIZE, 512 * kKiB)});
}

//===----------------------------------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------------------------------===//

std::vector<std::string> muon::knownTargets() {
  std::vector<std::string> names = cpu::processorNames();
  names.insert(names.begin(), "native");
  return names;
}

/// Of processors whose caches nobody has written down.
static Caches defaultCaches(const Processor &p) {
  if (!llvm::Triple(p.triple).isX86())
    return {32 * kKiB, 512 * kKiB};
  return {32 * kKiB, cpu::hasFeature(subtarget(p).get(), "avx512f") ? 1 * kMiB : 256 * kKiB};
}

llvm::Expected<TargetAttr> muon::lookupTarget(MLIRContext *context, StringRef name) {
  context->getOrLoadDialect<MuonDialect>();
  if (name == "native" || name == "cpu")
    return hostTarget(context);
  llvm::Expected<Processor> processor = cpu::findProcessor(name);
  if (!processor)
    return processor.takeError();
  std::optional<Caches> caches = cpu::cachesOf(name);
  if (!caches)
    caches = cpu::cachesOf(name.split('+').first);
  return makeTarget(context, *processor, caches ? *caches : defaultCaches(*processor));
}

TargetAttr muon::scheduleOn(TargetAttr schedule, TargetAttr machine) {
  return TargetAttr::get(schedule.getContext(), machine.getCpu(), machine.getFeatures(), machine.getTriple(),
                         schedule.getIsa(), schedule.getLanes(), schedule.getHeights(), schedule.getVector(),
                         machine.getL1(), machine.getL2());
}
