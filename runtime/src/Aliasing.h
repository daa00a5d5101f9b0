//===- Aliasing.h - nothing a program writes may share memory with anything else --------------===//

#ifndef MUON_RUNTIME_ALIASING_H
#define MUON_RUNTIME_ALIASING_H

#include "Array.h"
#include "Error.h"
#include "Overlap.h"

namespace muon::runtime {

/// A bound tensor, the workspace or the status array.
struct Span {
  Footprint print;
  const char *name = nullptr;      // the tensor's argument, or "the workspace"
  const char *parameter = nullptr; // null: no tensor
  bool written = false;
  uintptr_t writtenHigh = 0; // where written spans up to and including this one end

  void describe(Line &line) const;
};

/// Sorts the spans by address and refuses a written one that shares a byte with another.
muon_status checkAliasing(Array<Span> &spans);

/// A written span of the sorted ones that shares a byte with `print`, or null. Allocates nothing.
const Span *findWritten(const Array<Span> &spans, const Footprint &print);

} // namespace muon::runtime

#endif // MUON_RUNTIME_ALIASING_H
