//===- SpinWait.h - waiting for another worker -----------------------------------------------===//

#ifndef MUON_RUNTIME_SPINWAIT_H
#define MUON_RUNTIME_SPINWAIT_H

#include <sched.h>
#include <stdint.h>

namespace muon::runtime {

inline void pauseProcessor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" : : : "memory"); // yield is a no-op on most cores
#endif
}

/// Waits inside a region: the awaited worker is normally running and close to done, so the
/// processor is paused. Where there are more workers than processors, or the wait has become so
/// long that the other worker was evidently descheduled, the processor is given away.
class SpinWait {
public:
  explicit SpinWait(bool oversubscribed) : left(oversubscribed ? 0 : kPauses) {}

  void once() {
    if (left) {
      --left;
      pauseProcessor();
    } else {
      sched_yield();
    }
  }

private:
  static constexpr uint32_t kPauses = 8192; // 0.1 to 0.4 ms
  uint32_t left;
};

} // namespace muon::runtime

#endif // MUON_RUNTIME_SPINWAIT_H
