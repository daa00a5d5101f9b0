//===- CpuFeatures.cpp ------------------------------------------------------------------------===//
//
// Read from the processor itself, not from /proc: a chroot or sandbox may not have it, and the
// x86 answer must include which register state the kernel saves (XCR0).

#include "CpuFeatures.h"

#include <atomic>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace muon::runtime {

#if defined(__x86_64__)

namespace {
enum Register : uint8_t { EAX, EBX, ECX, EDX };
/// Register state the kernel must save across context switches, as bits of XCR0.
enum : uint32_t { STATE_NONE = 0, STATE_AVX = 0x6, STATE_AVX512 = 0xE6, STATE_AMX = 0x60000 };

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Register reg;
  uint8_t bit;
  uint32_t state;
};
} // namespace

static constexpr Feature kFeatures[] = {
    {"sse", 1, 0, EDX, 25, STATE_NONE},
    {"sse2", 1, 0, EDX, 26, STATE_NONE},
    {"pni", 1, 0, ECX, 0, STATE_NONE},
    {"ssse3", 1, 0, ECX, 9, STATE_NONE},
    {"fma", 1, 0, ECX, 12, STATE_AVX},
    {"cx16", 1, 0, ECX, 13, STATE_NONE},
    {"sse4_1", 1, 0, ECX, 19, STATE_NONE},
    {"sse4_2", 1, 0, ECX, 20, STATE_NONE},
    {"movbe", 1, 0, ECX, 22, STATE_NONE},
    {"popcnt", 1, 0, ECX, 23, STATE_NONE},
    {"avx", 1, 0, ECX, 28, STATE_AVX},
    {"f16c", 1, 0, ECX, 29, STATE_AVX},
    {"bmi1", 7, 0, EBX, 3, STATE_NONE},
    {"avx2", 7, 0, EBX, 5, STATE_AVX},
    {"bmi2", 7, 0, EBX, 8, STATE_NONE},
    {"avx512f", 7, 0, EBX, 16, STATE_AVX512},
    {"avx512dq", 7, 0, EBX, 17, STATE_AVX512},
    {"avx512ifma", 7, 0, EBX, 21, STATE_AVX512},
    {"avx512cd", 7, 0, EBX, 28, STATE_AVX512},
    {"avx512bw", 7, 0, EBX, 30, STATE_AVX512},
    {"avx512vl", 7, 0, EBX, 31, STATE_AVX512},
    {"avx512vbmi", 7, 0, ECX, 1, STATE_AVX512},
    {"avx512_vbmi2", 7, 0, ECX, 6, STATE_AVX512},
    {"gfni", 7, 0, ECX, 8, STATE_NONE},
    {"vaes", 7, 0, ECX, 9, STATE_AVX},
    {"vpclmulqdq", 7, 0, ECX, 10, STATE_AVX},
    {"avx512_vnni", 7, 0, ECX, 11, STATE_AVX512},
    {"avx512_bitalg", 7, 0, ECX, 12, STATE_AVX512},
    {"avx512_vpopcntdq", 7, 0, ECX, 14, STATE_AVX512},
    {"avx512_vp2intersect", 7, 0, EDX, 8, STATE_AVX512},
    {"amx_bf16", 7, 0, EDX, 22, STATE_AMX},
    {"avx512_fp16", 7, 0, EDX, 23, STATE_AVX512},
    {"amx_tile", 7, 0, EDX, 24, STATE_AMX},
    {"amx_int8", 7, 0, EDX, 25, STATE_AMX},
    {"avx_vnni", 7, 1, EAX, 4, STATE_AVX},
    {"avx512_bf16", 7, 1, EAX, 5, STATE_AVX512},
    {"amx_fp16", 7, 1, EAX, 21, STATE_AMX},
    {"avx_ifma", 7, 1, EAX, 23, STATE_AVX},
    {"abm", 0x80000001, 0, ECX, 5, STATE_NONE},
    {"fma4", 0x80000001, 0, ECX, 16, STATE_AVX},
};

static bool readLeaf(uint32_t leaf, uint32_t subleaf, uint32_t (&regs)[4]) {
  uint32_t top = __get_cpuid_max(leaf & 0x80000000u, nullptr);
  if (top < leaf)
    return false;
  if (subleaf) { // a leaf says in EAX of subleaf 0 how many subleaves it has
    __cpuid_count(leaf, 0, regs[EAX], regs[EBX], regs[ECX], regs[EDX]);
    if (regs[EAX] < subleaf)
      return false;
  }
  __cpuid_count(leaf, subleaf, regs[EAX], regs[EBX], regs[ECX], regs[EDX]);
  return true;
}

/// XCR0, or 0 where the kernel does not use XSAVE.
static uint64_t savedState() {
  uint32_t regs[4];
  if (!readLeaf(1, 0, regs) || !(regs[ECX] >> 27 & 1))
    return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/// Tile registers are 8 KiB of state per thread: Linux grants them to a process only on request.
static bool tileRegistersGranted() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  static std::atomic<int> answer{0}; // 0 not asked, 1 granted, 2 refused
  int known = answer.load(std::memory_order_relaxed);
  if (!known) {
    int saved = errno;
    known = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? 1 : 2;
    errno = saved;
    answer.store(known, std::memory_order_relaxed);
  }
  return known == 1;
}

bool hasCpuFeature(const char *name, size_t length) {
  for (const Feature &feature : kFeatures) {
    if (strlen(feature.name) != length || memcmp(feature.name, name, length) != 0)
      continue;
    uint32_t regs[4];
    if (!readLeaf(feature.leaf, feature.subleaf, regs) || !(regs[feature.reg] >> feature.bit & 1))
      return false;
    if ((savedState() & feature.state) != feature.state)
      return false;
    return feature.state != STATE_AMX || tileRegistersGranted();
  }
  return false;
}

#elif defined(__aarch64__)

namespace {
struct Feature {
  const char *name;
  unsigned long type; // AT_HWCAP or AT_HWCAP2
  uint8_t bit;
};
} // namespace

static constexpr Feature kFeatures[] = {
    {"fp", AT_HWCAP, 0},         {"asimd", AT_HWCAP, 1},     {"atomics", AT_HWCAP, 8},  {"fphp", AT_HWCAP, 9},
    {"asimdhp", AT_HWCAP, 10},   {"asimdrdm", AT_HWCAP, 12}, {"asimddp", AT_HWCAP, 20}, {"sve", AT_HWCAP, 22},
    {"asimdfhm", AT_HWCAP, 23},  {"sve2", AT_HWCAP2, 1},     {"svei8mm", AT_HWCAP2, 9}, {"svef32mm", AT_HWCAP2, 10},
    {"svef64mm", AT_HWCAP2, 11}, {"svebf16", AT_HWCAP2, 12}, {"i8mm", AT_HWCAP2, 13},   {"bf16", AT_HWCAP2, 14},
    {"sme", AT_HWCAP2, 23},
};

bool hasCpuFeature(const char *name, size_t length) {
  for (const Feature &feature : kFeatures)
    if (strlen(feature.name) == length && memcmp(feature.name, name, length) == 0)
      return getauxval(feature.type) >> feature.bit & 1;
  return false;
}

#else

bool hasCpuFeature(const char *, size_t) { return false; }

#endif

unsigned missingCpuFeatures(const char *features, Line &missing) {
  unsigned count = 0;
  for (const char *name = features ? features : ""; *name;) {
    size_t length = strcspn(name, ", ");
    if (length && !hasCpuFeature(name, length))
      missing.append("%s%.*s", count++ ? ", " : "", static_cast<int>(length), name);
    name += length;
    name += strspn(name, ", ");
  }
  return count;
}

} // namespace muon::runtime
