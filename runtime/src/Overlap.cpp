//===- Overlap.cpp ----------------------------------------------------------------------------===//

#include "Overlap.h"

#include "Tensors.h"

namespace muon::runtime {

/// Inserts a dimension, largest stride first.
static void insert(uint64_t *strides, uint64_t *sizes, uint32_t &count, uint64_t stride, uint64_t size) {
  uint32_t at = count++;
  for (; at > 0 && strides[at - 1] < stride; --at) {
    strides[at] = strides[at - 1];
    sizes[at] = sizes[at - 1];
  }
  strides[at] = stride;
  sizes[at] = size;
}

Footprint footprintOf(const muon_tensor &tensor) {
  Footprint print;
  uint64_t element = elementBytes(tensor.dtype);
  print.low = reinterpret_cast<uintptr_t>(tensor.data);
  insert(print.strides, print.sizes, print.dimensions, 1, element);
  print.bytes = element;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    uint64_t size = static_cast<uint64_t>(tensor.sizes[axis]);
    uint64_t stride = static_cast<uint64_t>(tensor.strides[axis]) * element;
    if (size < 2 || !stride)
      continue;
    insert(print.strides, print.sizes, print.dimensions, stride, size);
    print.bytes += stride * (size - 1);
  }
  // Merge from the innermost outwards: row-major and transposed contiguous tensors become one run.
  uint32_t kept = print.dimensions - 1;
  for (uint32_t d = print.dimensions - 1; d-- > 0;) {
    if (print.strides[d] == print.strides[kept] * print.sizes[kept]) {
      print.sizes[kept] *= print.sizes[d];
    } else {
      --kept;
      print.strides[kept] = print.strides[d];
      print.sizes[kept] = print.sizes[d];
    }
  }
  print.dimensions -= kept;
  for (uint32_t d = 0; d < print.dimensions; ++d) {
    print.strides[d] = print.strides[kept + d];
    print.sizes[d] = print.sizes[kept + d];
  }
  return print;
}

Footprint contiguousFootprint(const void *data, uint64_t bytes) {
  Footprint print;
  print.low = reinterpret_cast<uintptr_t>(data);
  print.bytes = bytes;
  print.dimensions = bytes ? 1 : 0;
  print.strides[0] = 1;
  print.sizes[0] = bytes;
  return print;
}

bool overlapsItself(const muon_tensor &tensor) {
  for (uint32_t axis = 0; axis < tensor.rank; ++axis)
    if (tensor.sizes[axis] > 1 && tensor.strides[axis] == 0)
      return true;
  Footprint print = footprintOf(tensor);
  uint64_t inner = 1;
  for (uint32_t d = print.dimensions; d-- > 0;) {
    if (print.strides[d] < inner)
      return true;
    inner += print.strides[d] * (print.sizes[d] - 1);
  }
  return false;
}

namespace {
/// Is there an x with 0 <= x[i] < sizes[i] and sum strides[i] * x[i] == target?
struct Search {
  static constexpr uint32_t kMaxTerms = 2 * Footprint::kMaxDimensions;
  uint32_t terms = 0;
  uint64_t strides[kMaxTerms], sizes[kMaxTerms], reach[kMaxTerms]; // reach: of this and later terms
  uint32_t stepsLeft = 100000;

  void add(const Footprint &print) {
    for (uint32_t d = 0; d < print.dimensions; ++d) {
      uint32_t same = 0;
      while (same < terms && strides[same] != print.strides[d])
        ++same;
      if (same < terms)
        sizes[same] += print.sizes[d] - 1;
      else
        insert(strides, sizes, terms, print.strides[d], print.sizes[d]);
    }
  }

  void measure() {
    uint64_t total = 0;
    for (uint32_t t = terms; t-- > 0;)
      reach[t] = total += strides[t] * (sizes[t] - 1);
  }

  bool solve(uint32_t term, uint64_t target) {
    if (target > reach[term])
      return false;
    uint64_t most = target / strides[term];
    if (most > sizes[term] - 1)
      most = sizes[term] - 1;
    if (term + 1 == terms) // the stride is 1: bytes of an element
      return most * strides[term] == target;
    // Later terms must be able to make up the rest.
    uint64_t rest = target - most * strides[term];
    for (uint64_t x = most;; --x, rest += strides[term]) {
      if (rest > reach[term + 1] || !stepsLeft)
        return false;
      --stepsLeft;
      if (solve(term + 1, rest))
        return true;
      if (!x)
        return false;
    }
  }
};
} // namespace

bool overlap(const Footprint &a, const Footprint &b) {
  if (!a.bytes || !b.bytes || a.low >= b.high() || b.low >= a.high())
    return false;
  if (a.low == b.low)
    return true;
  // a.low + sum s*i == b.low + sum r*j; with j counted from its end every term is positive.
  Search search;
  search.add(a);
  search.add(b);
  search.measure();
  return search.solve(0, b.high() - 1 - a.low);
}

} // namespace muon::runtime
