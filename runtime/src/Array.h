//===- Array.h - an owned array of fixed size -------------------------------------------------===//
//
// The runtime links to libc only, so that a C trainer can link it with `cc`: no std containers. All
// arrays are allocated at load or bind, none grows.

#ifndef MUON_RUNTIME_ARRAY_H
#define MUON_RUNTIME_ARRAY_H

#include <new>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

namespace muon::runtime {

inline constexpr size_t kCacheLine = 64;

template <typename T> class Array {
public:
  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  ~Array() { free(elements); }

  /// Value-initialised elements on a cache line boundary; false if there is no memory.
  bool allocate(size_t size) {
    size_t bytes = size ? size * sizeof(T) : 1;
    void *memory = nullptr;
    if ((size && bytes / size != sizeof(T)) || posix_memalign(&memory, kCacheLine, bytes))
      return false;
    free(elements);
    elements = static_cast<T *>(memory);
    count = size;
    for (size_t i = 0; i < size; ++i)
      new (elements + i) T();
    return true;
  }

  size_t size() const { return count; }
  T *data() { return elements; }
  T &operator[](size_t i) { return elements[i]; }
  const T &operator[](size_t i) const { return elements[i]; }
  T *begin() { return elements; }
  T *end() { return elements + count; }
  const T *begin() const { return elements; }
  const T *end() const { return elements + count; }

private:
  T *elements = nullptr;
  size_t count = 0;
};

} // namespace muon::runtime

#endif // MUON_RUNTIME_ARRAY_H
