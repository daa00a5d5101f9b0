//===- Error.cpp ------------------------------------------------------------------------------===//

#include "Error.h"

#include <stdarg.h>
#include <stdio.h>

namespace muon::runtime {

static thread_local char lastError[1024];

muon_status fail(muon_status code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(lastError, sizeof lastError, format, arguments);
  va_end(arguments);
  return code;
}

Line &Line::append(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int written = vsnprintf(text + length, sizeof text - length, format, arguments);
  va_end(arguments);
  if (written > 0)
    length += static_cast<size_t>(written);
  if (length >= sizeof text)
    length = sizeof text - 1;
  return *this;
}

} // namespace muon::runtime

extern "C" const char *muon_error_text(void) { return muon::runtime::lastError; }
