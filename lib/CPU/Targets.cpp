//===- Targets.cpp ----------------------------------------------------------------------------===//

#include "muon/CPU/Targets.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <mutex>
#include <unistd.h>

using namespace mlir;
using namespace muon;

namespace {
struct Processor {
  StringRef name, cpu, features, triple;
  uint64_t l1, l2;
};
} // namespace

static constexpr StringRef kX86 = "x86_64-unknown-linux-gnu";
static constexpr StringRef kArm = "aarch64-unknown-linux-gnu";
static constexpr uint64_t kKiB = 1024, kMiB = 1024 * 1024;

static constexpr Processor kProcessors[] = {
    {"x86-64", "x86-64", "", kX86, 32 * kKiB, 256 * kKiB},
    {"x86-64-v3", "x86-64-v3", "", kX86, 32 * kKiB, 256 * kKiB},
    {"x86-64-v4", "x86-64-v4", "", kX86, 32 * kKiB, 1 * kMiB},
    {"haswell", "haswell", "", kX86, 32 * kKiB, 256 * kKiB},
    {"skylake-avx512", "skylake-avx512", "", kX86, 32 * kKiB, 1 * kMiB},
    {"cascadelake", "cascadelake", "", kX86, 32 * kKiB, 1 * kMiB},
    {"cooperlake", "cooperlake", "", kX86, 32 * kKiB, 1 * kMiB},
    {"icelake-server", "icelake-server", "", kX86, 48 * kKiB, 1280 * kKiB},
    {"sapphirerapids", "sapphirerapids", "", kX86, 48 * kKiB, 2 * kMiB},
    // As virtual machines often show it, without the tile registers.
    {"sapphirerapids-amx", "sapphirerapids", "-amx-tile,-amx-int8,-amx-bf16", kX86, 48 * kKiB, 2 * kMiB},
    {"graniterapids", "graniterapids", "", kX86, 48 * kKiB, 2 * kMiB},
    {"znver2", "znver2", "", kX86, 32 * kKiB, 512 * kKiB},
    {"znver3", "znver3", "", kX86, 32 * kKiB, 512 * kKiB},
    {"znver4", "znver4", "", kX86, 32 * kKiB, 1 * kMiB},
    {"znver5", "znver5", "", kX86, 48 * kKiB, 1 * kMiB},
    {"aarch64", "generic", "", kArm, 32 * kKiB, 512 * kKiB},
    {"aarch64+sve", "generic", "+sve", kArm, 64 * kKiB, 1 * kMiB},
    {"neoverse-v1", "neoverse-v1", "", kArm, 64 * kKiB, 1 * kMiB},
    {"neoverse-v2", "neoverse-v2", "", kArm, 64 * kKiB, 2 * kMiB},
    {"apple-m1", "apple-m1", "", "arm64-apple-macosx11.0.0", 128 * kKiB, 4 * kMiB},
};

//===----------------------------------------------------------------------------------------------===//
// What a processor has
//===----------------------------------------------------------------------------------------------===//

static std::unique_ptr<llvm::MCSubtargetInfo> subtarget(StringRef triple, StringRef cpu, StringRef features) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargetMCs();
  });
  std::string error;
  llvm::Triple parsed(triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(parsed, error);
  if (!target)
    return nullptr;
  return std::unique_ptr<llvm::MCSubtargetInfo>(target->createMCSubtargetInfo(parsed, cpu, features));
}

static bool hasFeature(StringRef triple, StringRef cpu, StringRef features, StringRef feature) {
  auto info = subtarget(triple, cpu, features);
  return info && info->checkFeatures(("+" + feature).str());
}

bool muon::hasFeature(TargetAttr target, StringRef feature) {
  return ::hasFeature(target.getTriple(), target.getCpu(), target.getFeatures(), feature);
}

namespace {
/// What LLVM calls `feature`, /proc/cpuinfo calls `word`.
struct FeatureName {
  StringRef feature, word;
};
} // namespace

static constexpr FeatureName kX86Features[] = {
    {"sse3", "pni"},
    {"ssse3", "ssse3"},
    {"sse4.1", "sse4_1"},
    {"sse4.2", "sse4_2"},
    {"popcnt", "popcnt"},
    {"movbe", "movbe"},
    {"lzcnt", "abm"},
    {"bmi", "bmi1"},
    {"bmi2", "bmi2"},
    {"avx", "avx"},
    {"f16c", "f16c"},
    {"fma", "fma"},
    {"avx2", "avx2"},
    {"avxvnni", "avx_vnni"},
    {"gfni", "gfni"},
    {"vaes", "vaes"},
    {"vpclmulqdq", "vpclmulqdq"},
    {"avx512f", "avx512f"},
    {"avx512cd", "avx512cd"},
    {"avx512bw", "avx512bw"},
    {"avx512dq", "avx512dq"},
    {"avx512vl", "avx512vl"},
    {"avx512ifma", "avx512ifma"},
    {"avx512vbmi", "avx512vbmi"},
    {"avx512vbmi2", "avx512_vbmi2"},
    {"avx512vnni", "avx512_vnni"},
    {"avx512bitalg", "avx512_bitalg"},
    {"avx512vpopcntdq", "avx512_vpopcntdq"},
    {"avx512bf16", "avx512_bf16"},
    {"avx512fp16", "avx512_fp16"},
    {"amx-tile", "amx_tile"},
    {"amx-int8", "amx_int8"},
    {"amx-bf16", "amx_bf16"},
};

static constexpr FeatureName kArmFeatures[] = {
    {"lse", "atomics"}, {"fullfp16", "asimdhp"}, {"dotprod", "asimddp"}, {"sve", "sve"},
    {"sve2", "sve2"},   {"i8mm", "i8mm"},        {"bf16", "bf16"},
};

std::vector<std::string> muon::requiredFeatures(TargetAttr target) {
  ArrayRef<FeatureName> known; // none of a GPU, whose chip is checked
  llvm::Triple triple(target.getTriple());
  if (triple.isX86())
    known = kX86Features;
  else if (triple.isAArch64()) // whose triples may also begin with arm64
    known = kArmFeatures;
  std::vector<std::string> words;
  auto info = subtarget(target.getTriple(), target.getCpu(), target.getFeatures());
  for (auto [feature, word] : known)
    if (info && info->checkFeatures(("+" + feature).str()))
      words.push_back(word.str());
  return words;
}

//===----------------------------------------------------------------------------------------------===//
// How products are computed there
//===----------------------------------------------------------------------------------------------===//

static TargetAttr makeTarget(MLIRContext *context, const Processor &p) {
  auto has = [&](StringRef feature) { return ::hasFeature(p.triple, p.cpu, p.features, feature); };
  bool x86 = p.triple.starts_with("x86_64");
  StringRef isa = "fma";
  unsigned lanes = 16, vector = 4;
  // 24 of NEON's 32 registers, 12 of AVX2's 16 hold C. Nearly one height: a tile of four rows has too few sums in
  // flight.
  SmallVector<int64_t> heights{6, 5, 5};
  if (x86 && has("avx512f") && has("avx512bw") && has("avx512vl")) {
    lanes = 32, vector = 16, heights.assign(4, 8);
    // Only AMD's cores gain by vdpbf16ps: on Intel's it ran at 0.45 of the rate of f32 multiply-adds.
    bool fastDot = has("avx512bf16") && p.cpu.starts_with("znver");
    isa = has("amx-bf16") && has("amx-tile") ? "amx" : has("avx512fp16") ? "half" : fastDot ? "dot" : "fma";
  } else if (x86 && has("avx2")) {
    vector = 8;
  } else if (x86) {
    heights.assign(8, 2);
  }
  return TargetAttr::get(context, p.cpu, p.features, p.triple, isa, lanes, DenseI64ArrayAttr::get(context, heights),
                         vector, p.l1, p.l2);
}

/// Where the host differs from what LLVM assumes of the processor name: a virtual machine may hide
/// features, or show a model number of another generation.
static std::string hostFeatures(StringRef triple, StringRef cpu) {
  auto info = subtarget(triple, cpu, "");
  std::vector<std::string> features;
  if (info)
    for (const auto &feature : llvm::sys::getHostCPUFeatures()) {
      bool assumed = info->checkFeatures(("+" + feature.getKey()).str());
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
  if (features.lookup("amx-tile") && !::hasFeature(triple, cpu, "", "amx-tile"))
    cpu = "sapphirerapids";
  std::string difference = hostFeatures(triple, cpu);
  auto cache = [](int name, uint64_t otherwise) {
    long size = sysconf(name);
    return size > 0 ? uint64_t(size) : otherwise;
  };
  return makeTarget(context, {"native", cpu, difference, triple, cache(_SC_LEVEL1_DCACHE_SIZE, 32 * kKiB),
                              cache(_SC_LEVEL2_CACHE_SIZE, 512 * kKiB)});
}

//===----------------------------------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------------------------------===//

std::vector<std::string> muon::knownTargets() {
  std::vector<std::string> names{"native"};
  for (const Processor &processor : kProcessors)
    names.push_back(processor.name.str());
  return names;
}

llvm::Expected<TargetAttr> muon::lookupTarget(MLIRContext *context, StringRef name) {
  context->getOrLoadDialect<MuonDialect>();
  if (name == "native" || name == "cpu")
    return hostTarget(context);
  for (const Processor &processor : kProcessors)
    if (processor.name == name)
      return makeTarget(context, processor);
  return llvm::createStringError("unknown CPU target '" + name + "', known are " + llvm::join(knownTargets(), ", "));
}

TargetAttr muon::scheduleOn(TargetAttr schedule, TargetAttr machine) {
  return TargetAttr::get(schedule.getContext(), machine.getCpu(), machine.getFeatures(), machine.getTriple(),
                         schedule.getIsa(), schedule.getLanes(), schedule.getHeights(), schedule.getVector(),
                         machine.getL1(), machine.getL2());
}
