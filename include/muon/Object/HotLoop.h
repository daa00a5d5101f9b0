//===- HotLoop.h - what the inner loop of a kernel became ---------------------------*- C++ -*-===//
#ifndef MUON_OBJECT_HOTLOOP_H
#define MUON_OBJECT_HOTLOOP_H

#include "llvm/ADT/StringRef.h"
#include "llvm/TargetParser/Triple.h"

#include <string>

namespace muon {

/// Instructions per step of k in a micro kernel's loop, counted in assembly text. One that moves a pair of registers
/// counts as two.
struct HotLoop {
  double vectorLoads = 0;  ///< full registers and tiles read from panels
  double broadcasts = 0;   ///< words read for all lanes, those folded into a multiply-add among them
  double multiplyAdds = 0; ///< fma, dot and tile products
  double spills = 0;       ///< loads and stores of the stack; in a step of tiles those of vectors
  unsigned unroll = 0;     ///< steps of k in one round of the loop; 0: no loop found
  unsigned registers = 0;  ///< vector registers that the loop names, in a step of tiles the tile registers
  std::string instruction; ///< which multiply-add
};

/// Whether the assembly of that architecture can be counted: x86 (AT&T syntax) and AArch64.
bool countsHotLoops(const llvm::Triple &triple);

/// Counts the loop with the most multiply-adds in `function` (or, if it calls micro kernels, in the
/// first it calls), or the step of tile products it contains, wherever in its loop they stand.
HotLoop countHotLoop(llvm::StringRef assembly, llvm::StringRef function, const llvm::Triple &triple);

} // namespace muon

#endif // MUON_OBJECT_HOTLOOP_H
