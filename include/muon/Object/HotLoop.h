//===- HotLoop.h - what the inner loop of a kernel became ---------------------------*- C++ -*-===//
#ifndef MUON_OBJECT_HOTLOOP_H
#define MUON_OBJECT_HOTLOOP_H

#include "llvm/ADT/StringRef.h"

namespace muon {

/// Instructions per step of k in a micro kernel's loop, counted in assembly text.
struct HotLoop {
  double vectorLoads = 0;  ///< full registers and tiles read from panels
  double broadcasts = 0;   ///< words read and broadcast, folded ones among them
  double multiplyAdds = 0; ///< fma, dot and tile products
  double spills = 0;       ///< loads and stores of the stack; in a step of tiles those of vectors
  unsigned unroll = 0;     ///< steps of k in one round of the loop; 0: no loop found
};

/// Counts the loop with the most multiply-adds in `function` (or, if it calls micro kernels, in the
/// first it calls), or the step of tile products it contains, wherever in its loop they stand. x86 in AT&T syntax only.
HotLoop countHotLoop(llvm::StringRef assembly, llvm::StringRef function);

} // namespace muon

#endif // MUON_OBJECT_HOTLOOP_H
