//===- Fiber.cpp - switching stacks on x86-64 -------------------------------------------------===//

#include "Fiber.h"

#include <sys/mman.h>

// Callee-saved registers of the System V ABI; the control words are never changed by kernels.
asm(R"(
.text
.p2align 4
.globl muonEmulatorSwitch
.hidden muonEmulatorSwitch
.type muonEmulatorSwitch, @function
muonEmulatorSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size muonEmulatorSwitch, .-muonEmulatorSwitch
)");

namespace muon::emulator {

static constexpr uint64_t kPage = 4096;

Stacks::~Stacks() {
  if (memory)
    munmap(memory, uint64_t(count) * kBytes);
}

bool Stacks::reserve(uint32_t wanted) {
  if (wanted <= count)
    return true;
  if (memory)
    munmap(memory, uint64_t(count) * kBytes);
  count = 0;
  memory = mmap(nullptr, uint64_t(wanted) * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
  if (memory == MAP_FAILED)
    memory = nullptr;
  if (!memory)
    return false;
  count = wanted;
  for (uint32_t i = 0; i < count; ++i)
    mprotect(static_cast<uint8_t *>(memory) + i * kBytes, kPage, PROT_NONE);
  return true;
}

Context Stacks::prepare(uint32_t i, void (*entry)()) {
  // Stacks start at different offsets in a page, or all of them would compete for the same cache sets.
  uint64_t offset = (i % 32) * 64;
  auto *top = reinterpret_cast<void **>(static_cast<uint8_t *>(memory) + (i + 1) * kBytes - 64 - offset);
  *--top = nullptr; // the return address entry() never uses; keeps the stack 16-byte aligned at entry
  *--top = reinterpret_cast<void *>(entry);
  for (int saved = 0; saved < 6; ++saved)
    *--top = nullptr;
  return top;
}

} // namespace muon::emulator
