//===- Error.h - one line about the calling thread's last failure -----------------------------===//

#ifndef MUON_RUNTIME_ERROR_H
#define MUON_RUNTIME_ERROR_H

#include "Abi.h"

namespace muon::runtime {

/// Records the text and returns `code`, so that a refusal is one statement.
[[gnu::format(printf, 2, 3)]] muon_status fail(muon_status code, const char *format, ...);

/// A line of text that is built in pieces and silently ends where its room ends.
struct Line {
  char text[512] = "";
  size_t length = 0;

  [[gnu::format(printf, 2, 3)]] Line &append(const char *format, ...);
};

} // namespace muon::runtime

#endif // MUON_RUNTIME_ERROR_H
