//===- ControlWord.h - the floating-point mode of a region ------------------------------------===//
//
// A trainer may have set flush-to-zero or another rounding; the same inputs must give the same
// bits.

#ifndef MUON_RUNTIME_CONTROLWORD_H
#define MUON_RUNTIME_CONTROLWORD_H

#include <stdint.h>

namespace muon::runtime {

/// Round to nearest, subnormals kept, exceptions masked while it lives; then what was there before,
/// on x86 sticky exception flags included.
class ControlWord {
public:
  ControlWord() : before(read()) { write(kStandard); }
  ~ControlWord() { write(before); }
  ControlWord(const ControlWord &) = delete;
  ControlWord &operator=(const ControlWord &) = delete;

private:
#if defined(__x86_64__)
  static constexpr uint64_t kStandard = 0x1F80;
  static uint64_t read() { return __builtin_ia32_stmxcsr(); }
  static void write(uint64_t word) { __builtin_ia32_ldmxcsr(static_cast<uint32_t>(word)); }
#elif defined(__aarch64__)
  static constexpr uint64_t kStandard = 0;
  static uint64_t read() {
    uint64_t word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void write(uint64_t word) { __asm__ volatile("msr fpcr, %0" : : "r"(word) : "memory"); }
#else
  static constexpr uint64_t kStandard = 0;
  static uint64_t read() { return 0; }
  static void write(uint64_t) {}
#endif
  uint64_t before;
};

} // namespace muon::runtime

#endif // MUON_RUNTIME_CONTROLWORD_H
