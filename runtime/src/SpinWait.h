//===- SpinWait.h - waiting for another worker ------------------------------------------------===//

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

/// One worker's waits inside a region. The awaited worker is normally running and close to done, so
/// the processor is paused. Where there are more workers than processors, or a wait becomes long,
/// the processor is given away instead, and in the region's later waits sooner: the other worker may
/// be descheduled on a shared machine, and would be again. It may also have a long tile; then giving
/// away costs the calls.
class SpinWait {
public:
  explicit SpinWait(bool oversubscribed) : patience(oversubscribed ? 0 : kPauses) {}

  /// Returns when `done()` holds.
  template <typename Condition> void until(Condition done) {
    for (uint32_t pauses = 0; pauses < patience; ++pauses) {
      if (done())
        return;
      pauseProcessor();
    }
    patience /= 16;
    while (!done())
      sched_yield();
  }

private:
  static constexpr uint32_t kPauses = 8192; // 0.1 to 0.4 ms
  uint32_t patience;
};

} // namespace muon::runtime

#endif // MUON_RUNTIME_SPINWAIT_H
