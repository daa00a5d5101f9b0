//===- LimitIsa.cpp - cpuid as a lesser processor answers it ----------------------------------===//
//
// Preloaded into a program. Linux lets a thread fault on cpuid where the processor can (`cpuid_fault` in
// /proc/cpuinfo); the handler executes it and takes out what the limit hides. So every library of the program sees the
// same lesser processor, however it chooses its code, ours too. What is asked in other ways still tells the truth:
// /proc/cpuinfo, and the C library's own choices, which are made before this is loaded.
//
//===-------------------------------------------------------------------------------------------===//

#include "LimitIsa.h"

#include <atomic>
#include <cpuid.h>
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace {
enum Limit { none, avx512, avx2 };

/// Bits that a leaf loses, from the limit on that hides them.
struct Hidden {
  uint32_t leaf, subleaf;
  Limit from;
  uint32_t eax, ebx, ecx, edx;
};
} // namespace

static constexpr uint32_t bits() { return 0; }
template <typename... Rest> static constexpr uint32_t bits(int first, Rest... rest) {
  return 1u << first | bits(rest...);
}

static constexpr Hidden kHidden[] = {
    // AMX-BF16, AVX512-FP16, AMX-TILE, AMX-INT8
    {7, 0, avx512, 0, 0, 0, bits(22, 23, 24, 25)},
    // AVX512-BF16, AMX-FP16; AMX-COMPLEX, AVX10
    {7, 1, avx512, bits(5, 21), 0, 0, bits(8, 19)},
    // Extended state that the kernel saves for tiles
    {0xd, 0, avx512, bits(17, 18), 0, 0, 0},
    // AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL; VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; 4VNNIW, 4FMAPS, VP2INTERSECT
    {7, 0, avx2, 0, bits(16, 17, 21, 26, 27, 28, 30, 31), bits(1, 6, 11, 12, 14), bits(2, 3, 8)},
    // AVX-VNNI, AVX-IFMA; AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16: later than the processors without AVX-512 that
    // are meant
    {7, 1, avx2, bits(4, 23), 0, 0, bits(4, 5, 10)},
    // Extended state that the kernel saves for AVX-512
    {0xd, 0, avx2, bits(5, 6, 7), 0, 0, 0},
};

static Limit limit = none;
static std::atomic<bool> othersSet{false};
static struct sigaction others; ///< what the program itself wants done on SIGSEGV

using SetAction = int (*)(int, const struct sigaction *, struct sigaction *);
static SetAction realSigaction() {
  static SetAction found = reinterpret_cast<SetAction>(dlsym(RTLD_NEXT, "sigaction"));
  return found;
}

static bool isCpuid(const uint8_t *code) { return code && code[0] == 0x0f && code[1] == 0xa2; }

static void answer(greg_t *registers) {
  uint32_t leaf = registers[REG_RAX], subleaf = registers[REG_RCX], a, b, c, d;
  syscall(SYS_arch_prctl, kSetCpuid, 1);
  __cpuid_count(leaf, subleaf, a, b, c, d);
  syscall(SYS_arch_prctl, kSetCpuid, 0);
  for (const Hidden &hidden : kHidden)
    if (hidden.leaf == leaf && hidden.subleaf == subleaf && limit >= hidden.from)
      a &= ~hidden.eax, b &= ~hidden.ebx, c &= ~hidden.ecx, d &= ~hidden.edx;
  registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
}

static void handle(int number, siginfo_t *info, void *context) {
  greg_t *registers = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
  // A fault on cpuid has no address; a wild pointer's instruction must not be read here.
  bool general = info->si_code == SI_KERNEL;
  if (general && isCpuid(reinterpret_cast<const uint8_t *>(registers[REG_RIP])))
    return answer(registers);
  if (othersSet && (others.sa_flags & SA_SIGINFO))
    return others.sa_sigaction(number, info, context);
  if (othersSet && others.sa_handler != SIG_DFL && others.sa_handler != SIG_IGN)
    return others.sa_handler(number);
  struct sigaction fatal = {};
  realSigaction()(SIGSEGV, &fatal, nullptr);
  raise(SIGSEGV);
}

/// A program's own handler of SIGSEGV (Python's faulthandler, LLVM's) is called for every other fault.
extern "C" int sigaction(int number, const struct sigaction *wanted, struct sigaction *old) {
  if (number != SIGSEGV || limit == none)
    return realSigaction()(number, wanted, old);
  struct sigaction before = others;
  if (wanted)
    others = *wanted, othersSet = true;
  if (old)
    *old = before;
  return 0;
}

/// The same by its older name, which compilers use.
extern "C" sighandler_t signal(int number, sighandler_t wanted) {
  struct sigaction action = {}, old = {};
  action.sa_handler = wanted;
  action.sa_flags = SA_RESTART;
  return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

/// Before the constructors of other libraries, the C library's among them: the environment is an argument here.
__attribute__((constructor)) static void begin(int, char **, char **environment) {
  constexpr const char *kName = MUON_LIMIT_ISA "=";
  const char *wanted = "";
  for (; *environment; ++environment)
    if (!strncmp(*environment, kName, strlen(kName)))
      wanted = *environment + strlen(kName);
  limit = !strcmp(wanted, "avx2") ? avx2 : !strcmp(wanted, "avx512") ? avx512 : none;
  if (limit == none)
    return;
  struct sigaction ours = {};
  ours.sa_sigaction = handle;
  ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  realSigaction()(SIGSEGV, &ours, nullptr);
  if (syscall(SYS_arch_prctl, kSetCpuid, 0) == 0)
    return;
  constexpr char kRefused[] = "muon-limit-isa: this processor cannot be made to fault on cpuid\n";
  (void)!write(2, kRefused, sizeof(kRefused) - 1);
  _exit(1);
}
