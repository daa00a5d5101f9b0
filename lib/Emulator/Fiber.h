//===- Fiber.h - a stack to switch to ---------------------------------------------------------===//

#ifndef MUON_EMULATOR_FIBER_H
#define MUON_EMULATOR_FIBER_H

#include <cstdint>

namespace muon::emulator {

/// A suspended computation: its stack pointer.
using Context = void *;

/// Stacks of equal size, reused from block to block. The page below each is inaccessible.
class Stacks {
public:
  ~Stacks();
  /// Makes `count` stacks if there are fewer; false if the system refuses.
  bool reserve(uint32_t count);
  /// A context that will call entry() on stack i. It must never return.
  Context prepare(uint32_t i, void (*entry)());
  bool holds(const void *address) const {
    return address >= memory && address < static_cast<uint8_t *>(memory) + uint64_t(count) * kBytes;
  }

private:
  static constexpr uint64_t kBytes = 256 << 10;
  void *memory = nullptr;
  uint32_t count = 0;
};

} // namespace muon::emulator

/// Suspends the running context into *from and continues `to`.
extern "C" void muonEmulatorSwitch(muon::emulator::Context *from, muon::emulator::Context to);

#endif // MUON_EMULATOR_FIBER_H
