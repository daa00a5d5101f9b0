//===- AllocationTest.cpp - a step allocates nothing ------------------------------------------===//
//
// This file replaces the C allocator of the test binary by one that counts.

#include "StepProgram.h"

#include <atomic>
#include <gtest/gtest.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MUON_TEST_OWN_ALLOCATOR 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MUON_TEST_OWN_ALLOCATOR 0
#endif
#endif
#if !defined(MUON_TEST_OWN_ALLOCATOR) && defined(__GLIBC__)
#define MUON_TEST_OWN_ALLOCATOR 1
#endif

static std::atomic<uint64_t> allocations{0};

#if MUON_TEST_OWN_ALLOCATOR
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void *realloc(void *memory, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  *memory = __libc_memalign(alignment, bytes);
  return *memory ? 0 : 12;
}
}
#endif

TEST(Allocation, RunAllocatesNothing) {
#if !MUON_TEST_OWN_ALLOCATOR
  GTEST_SKIP() << "the sanitizer owns the allocator";
#endif
  for (uint32_t workers : {1u, 4u}) {
    StepProgram program({{{9, 7}, 16}, {{4, 4, 5}, 3}, {{33, 8}, 2}}, 4);
    program.addVariant(Layout::Slab);
    muon_handle *handle = nullptr;
    muon_binding *binding = nullptr;
    uint64_t before = allocations;
    ASSERT_EQ(program.load(&handle, workers), MUON_OK);
    TrainerMemory memory(program);
    ASSERT_EQ(memory.bind(handle, &binding), MUON_OK);
    EXPECT_GT(allocations, before); // the counter counts
    std::vector<float> moved(63);
    void *first = memory.gradients[0];
    before = allocations;
    int refused = 0;
    for (int step = 0; step < 50; ++step) {
      memory.gradients[0] = step % 3 == 0 ? nullptr : step % 3 == 1 ? moved.data() : first;
      refused += muon_run(binding, memory.gradients.data(), memory.scalars.data(), nullptr) != MUON_OK;
    }
    EXPECT_EQ(allocations, before) << workers << " workers";
    EXPECT_EQ(refused, 0) << muon_error_text();
    muon_release(binding);
    muon_unload(handle);
  }
}
