//===- muon-limit-isa.cpp - runs a command as on a processor without AVX-512, or without its bf16 and AMX ---------===//
//
// muon-limit-isa avx2|avx512 COMMAND ARGUMENT...
//
//===-------------------------------------------------------------------------------------------===//

#include "LimitIsa.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

/// The library beside this program: in ../lib.
static std::string library() {
  char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  std::string path(self, length > 0 ? length : 0);
  for (int up = 0; up < 2; ++up)
    path.erase(path.find_last_of('/'));
  return path + "/lib/libmuon_limit_isa.so";
}

static int fail(const std::string &line) {
  fprintf(stderr, "muon-limit-isa: %s\n", line.c_str());
  return 1;
}

int main(int count, char **arguments) {
  std::string isa = count > 1 ? arguments[1] : "";
  if (isa != "avx2" && isa != "avx512")
    return fail("expected an instruction set, avx2 or avx512, got '" + isa + "'");
  if (count < 3)
    return fail("expected a command to run");
  if (syscall(SYS_arch_prctl, kSetCpuid, 0) != 0)
    return fail("expected a processor and kernel that can fault on cpuid (cpuid_fault in /proc/cpuinfo): " +
                std::string(strerror(errno)));
  syscall(SYS_arch_prctl, kSetCpuid, 1);
  const char *others = getenv("LD_PRELOAD");
  setenv("LD_PRELOAD", (library() + (others ? std::string(":") + others : "")).c_str(), 1);
  setenv(MUON_LIMIT_ISA, isa.c_str(), 1);
  execvp(arguments[2], arguments + 2);
  return fail(std::string("'") + arguments[2] + "' cannot be run: " + strerror(errno));
}
