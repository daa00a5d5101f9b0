//===- Machine.cpp ----------------------------------------------------------------------------===//

#include "Machine.h"

#include <cstdio>

namespace muon::emulator {

Machine &machine() {
  static Machine *only = new Machine; // never destroyed: kernels of other libraries' destructors may still free memory
  return *only;
}

void Machine::report(Fault fault, const std::string &line) {
  if (sticky == CUDA_SUCCESS)
    sticky = static_cast<CUresult>(fault);
  if (++numReports > 100)
    return;
  reports += line + "\n";
  if (!quiet)
    fprintf(stderr, "muon emulator: %s\n", line.c_str());
}

} // namespace muon::emulator
