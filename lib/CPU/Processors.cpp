//===- Processors.cpp -------------------------------------------------------------------------===//

#include "Processors.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/AArch64TargetParser.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/TargetParser/X86TargetParser.h"

#include <mutex>

using namespace muon::cpu;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;

static constexpr uint64_t kKiB = 1024, kMiB = 1024 * 1024;

namespace {
struct KnownCaches {
  StringRef name;
  uint64_t l1, l2;
};
} // namespace

static constexpr KnownCaches kCaches[] = {
    {"icelake-client", 48 * kKiB, 512 * kKiB},
    {"rocketlake", 48 * kKiB, 512 * kKiB},
    {"tigerlake", 48 * kKiB, 1280 * kKiB},
    {"alderlake", 48 * kKiB, 1280 * kKiB},
    {"raptorlake", 48 * kKiB, 2 * kMiB},
    {"icelake-server", 48 * kKiB, 1280 * kKiB},
    {"sapphirerapids", 48 * kKiB, 2 * kMiB},
    {"sapphirerapids-amx", 48 * kKiB, 2 * kMiB},
    {"emeraldrapids", 48 * kKiB, 2 * kMiB},
    {"graniterapids", 48 * kKiB, 2 * kMiB},
    {"graniterapids-d", 48 * kKiB, 2 * kMiB},
    {"znver1", 32 * kKiB, 512 * kKiB},
    {"znver2", 32 * kKiB, 512 * kKiB},
    {"znver3", 32 * kKiB, 512 * kKiB},
    {"znver5", 48 * kKiB, 1 * kMiB},
    {"aarch64+sve", 64 * kKiB, 1 * kMiB},
    {"ampere1", 64 * kKiB, 2 * kMiB},
    {"cobalt-100", 64 * kKiB, 1 * kMiB},
    {"grace", 64 * kKiB, 1 * kMiB},
    {"neoverse-n1", 64 * kKiB, 1 * kMiB},
    {"neoverse-n2", 64 * kKiB, 1 * kMiB},
    {"neoverse-v1", 64 * kKiB, 1 * kMiB},
    {"neoverse-v2", 64 * kKiB, 2 * kMiB},
    {"apple-m1", 128 * kKiB, 4 * kMiB},
    {"apple-m2", 128 * kKiB, 4 * kMiB},
    {"apple-m3", 128 * kKiB, 4 * kMiB},
    {"apple-m4", 128 * kKiB, 4 * kMiB},
};

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

static constexpr StringRef kX86Avoided[] = {
    "avx10.1", "avxifma", "avxneconvert", "avxvnniint16", "avxvnniint8", "ccmp",  "cf",  "egpr", "fma4",
    "movrs",   "ndd",     "nf",           "ppx",          "push2pop2",   "sse4a", "tbm", "xop",  "zu"};

static constexpr StringRef kArmAvoided[] = {"cmpbr", "complxnum", "cssc", "faminmax", "fprcvt",     "hbc",
                                            "mops",  "sha3",      "sme",  "sve2p1",   "sve-b16b16", "sve-sha3"};

static constexpr StringRef kMac = "arm64-apple-macosx11.0.0";

static const Architecture kArchitectures[] = {
    {"x86-64", "x86-64", "", "x86_64-unknown-linux-gnu", kX86Features, kX86Avoided},
    {"aarch64", "generic", "", "aarch64-unknown-linux-gnu", kArmFeatures, kArmAvoided},
    // With doubles in registers, as distributions have it.
    {"riscv64", "generic-rv64", "+m,+a,+f,+d,+c", "riscv64-unknown-linux-gnu", {}, {}},
};

const Architecture *muon::cpu::architectureOf(StringRef triple) {
  llvm::Triple parsed(triple);
  for (const Architecture &architecture : kArchitectures)
    // Triples of aarch64 may also begin with arm64.
    if (llvm::Triple(architecture.triple).getArch() == parsed.getArch())
      return &architecture;
  return nullptr;
}

std::unique_ptr<llvm::MCSubtargetInfo> muon::cpu::subtarget(const Processor &processor) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargetMCs();
  });
  std::string error;
  llvm::Triple triple(processor.triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  return std::unique_ptr<llvm::MCSubtargetInfo>(
      target->createMCSubtargetInfo(triple, processor.cpu, processor.features));
}

bool muon::cpu::hasFeature(const llvm::MCSubtargetInfo *info, StringRef feature) {
  auto isCalled = [&](const llvm::SubtargetFeatureKV &known) { return known.Key == feature; };
  return info && llvm::any_of(info->getAllProcessorFeatures(), isCalled) && info->checkFeatures(("+" + feature).str());
}

//===----------------------------------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------------------------------===//

/// As virtual machines often show it, without the tile registers.
static constexpr StringRef kWithoutTiles = "sapphirerapids-amx";

/// LLVM's names of the 64-bit processors of an architecture, its own among them. Of AArch64 "generic" is not one: here
/// it is called after the architecture.
static SmallVector<StringRef> processorsOf(const Architecture &architecture) {
  SmallVector<StringRef> names;
  if (architecture.name == "x86-64") {
    llvm::X86::fillValidCPUArchList(names, /*Only64Bit=*/true);
    return names;
  }
  if (architecture.name == "aarch64")
    llvm::AArch64::fillValidCPUArchList(names);
  llvm::erase(names, architecture.cpu);
  names.push_back(architecture.name);
  return names;
}

std::vector<std::string> muon::cpu::processorNames() {
  std::vector<std::string> names{kWithoutTiles.str()};
  for (const Architecture &architecture : kArchitectures)
    for (StringRef name : processorsOf(architecture))
      names.push_back(name.str());
  return names;
}

static std::optional<Processor> processorCalled(StringRef name) {
  if (name == kWithoutTiles)
    return Processor{"sapphirerapids", "-amx-tile,-amx-int8,-amx-bf16", kArchitectures[0].triple.str()};
  for (const Architecture &architecture : kArchitectures) {
    if (name == architecture.name)
      return Processor{architecture.cpu.str(), architecture.features.str(), architecture.triple.str()};
    if (llvm::is_contained(processorsOf(architecture), name))
      return Processor{name.str(), "", (name.starts_with("apple-") ? kMac : architecture.triple).str()};
  }
  return std::nullopt;
}

/// Adds an extension that a machine can be asked for, by LLVM's name or AArch64's own.
static llvm::Error addFeature(Processor &processor, StringRef feature, StringRef name) {
  const Architecture &architecture = *architectureOf(processor.triple);
  StringRef llvmName = feature;
  if (architecture.name == "aarch64")
    if (auto extension = llvm::AArch64::parseArchExtension(feature))
      llvmName = extension->PosTargetFeature.ltrim('+');
  SmallVector<StringRef> known = llvm::map_to_vector(architecture.checked, [](FeatureName f) { return f.feature; });
  if (!llvm::is_contained(known, llvmName))
    return llvm::createStringError("CPU target '" + name + "': expected " +
                                   (known.empty() ? "no extensions of " + architecture.name.str()
                                                  : "extensions among " + llvm::join(known, ", ")) +
                                   ", got '" + feature + "'");
  processor.features += (processor.features.empty() ? "+" : ",+") + llvmName.str();
  return llvm::Error::success();
}

static llvm::Error unknownTarget(StringRef name) {
  std::vector<std::string> known = processorNames();
  llvm::sort(known, [&](StringRef a, StringRef b) {
    return std::pair(name.edit_distance(a), a) < std::pair(name.edit_distance(b), b);
  });
  constexpr size_t kNearest = 5;
  SmallVector<StringRef> architectures =
      llvm::map_to_vector(kArchitectures, [](const Architecture &architecture) { return architecture.name; });
  return llvm::createStringError("unknown CPU target '" + name + "', expected cpu, " + llvm::join(architectures, ", ") +
                                 " or LLVM's name of an x86-64 or AArch64 processor; the nearest are " +
                                 llvm::join(ArrayRef(known).take_front(kNearest), ", "));
}

llvm::Expected<Processor> muon::cpu::findProcessor(StringRef name) {
  auto [base, extensions] = name.split('+');
  std::optional<Processor> processor = processorCalled(base);
  if (!processor)
    return unknownTarget(name);
  if (name.contains('+'))
    for (StringRef feature : llvm::split(extensions, '+'))
      if (llvm::Error error = addFeature(*processor, feature, name))
        return std::move(error);
  return *processor;
}

std::optional<Caches> muon::cpu::cachesOf(StringRef name) {
  for (auto [known, l1, l2] : kCaches)
    if (known == name)
      return Caches{l1, l2};
  return std::nullopt;
}
