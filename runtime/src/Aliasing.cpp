//===- Aliasing.cpp ---------------------------------------------------------------------------===//

#include "Aliasing.h"

namespace muon::runtime {

void Span::describe(Line &line) const {
  line.append("%s", name);
  if (parameter)
    line.append(" of parameter '%s'", parameter);
  line.append(" at [%#llx, %#llx)", static_cast<unsigned long long>(print.low),
              static_cast<unsigned long long>(print.high()));
}

static int byAddress(const void *a, const void *b) {
  uintptr_t lowA = static_cast<const Span *>(a)->print.low;
  uintptr_t lowB = static_cast<const Span *>(b)->print.low;
  return lowA < lowB ? -1 : lowA > lowB;
}

static muon_status refuse(const Span &a, const Span &b) {
  const Span &written = a.written && a.parameter ? a : b;
  const Span &other = &written == &a ? b : a;
  Line text, otherText;
  written.describe(text);
  other.describe(otherText);
  return fail(MUON_ERROR_ARGUMENT, "%s shares memory with %s, expected memory of its own", text.text, otherText.text);
}

muon_status checkAliasing(Array<Span> &spans) {
  qsort(spans.data(), spans.size(), sizeof(Span), byAddress);
  uintptr_t writtenHigh = 0;
  for (Span &span : spans) {
    if (span.written && span.print.high() > writtenHigh)
      writtenHigh = span.print.high();
    span.writtenHigh = writtenHigh;
  }
  for (size_t i = 0; i < spans.size(); ++i)
    for (size_t j = i + 1; j < spans.size() && spans[j].print.low < spans[i].print.high(); ++j)
      if ((spans[i].written || spans[j].written) && overlap(spans[i].print, spans[j].print))
        return refuse(spans[i], spans[j]);
  return MUON_OK;
}

const Span *findWritten(const Array<Span> &spans, const Footprint &print) {
  size_t first = 0, last = spans.size();
  while (first < last) { // the first span that starts at or after the end
    size_t middle = first + (last - first) / 2;
    if (spans[middle].print.low < print.high())
      first = middle + 1;
    else
      last = middle;
  }
  for (size_t i = first; i-- > 0 && spans[i].writtenHigh > print.low;)
    if (spans[i].written && overlap(spans[i].print, print))
      return &spans[i];
  return nullptr;
}

} // namespace muon::runtime
