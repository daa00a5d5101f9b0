//===- OverlapTest.cpp - against trying every element -----------------------------------------===//

#include "Overlap.h"
#include "Aliasing.h"
#include "Tensors.h"

#include <gtest/gtest.h>
#include <random>
#include <set>
#include <vector>

using namespace muon::runtime;

namespace {
struct Strided {
  std::vector<int64_t> sizes, strides;
  uint64_t start; // bytes
  uint32_t dtype;

  muon_tensor tensor() const {
    return {reinterpret_cast<void *>(start), dtype, static_cast<uint32_t>(sizes.size()), sizes.data(), strides.data()};
  }

  std::vector<uint64_t> bytes() const {
    std::vector<uint64_t> all{start};
    for (size_t axis = 0; axis < sizes.size(); ++axis) {
      std::vector<uint64_t> next;
      for (uint64_t byte : all)
        for (int64_t i = 0; i < sizes[axis]; ++i)
          next.push_back(byte + uint64_t(i * strides[axis]) * elementBytes(dtype));
      all = next;
    }
    std::vector<uint64_t> each;
    for (uint64_t byte : all)
      for (uint32_t b = 0; b < elementBytes(dtype); ++b)
        each.push_back(byte + b);
    return each;
  }
};
} // namespace

static bool shareAByte(const Strided &a, const Strided &b) {
  std::vector<uint64_t> bytes = a.bytes();
  std::set<uint64_t> set(bytes.begin(), bytes.end());
  for (uint64_t byte : b.bytes())
    if (set.count(byte))
      return true;
  return false;
}

TEST(Overlap, AgreesWithEveryElementOfRandomViews) {
  std::mt19937 random(7);
  auto number = [&](int low, int high) { return low + int(random() % (high - low + 1)); };
  int overlapping = 0, touching = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    auto make = [&] {
      Strided made;
      made.dtype = number(0, 1) ? MUON_F32 : MUON_BF16;
      made.start = 1000 + uint64_t(number(0, 60)) * 4;
      for (int rank = number(0, 3); rank > 0; --rank) {
        made.sizes.push_back(number(1, 5));
        made.strides.push_back(number(0, 14));
      }
      return made;
    };
    Strided a = make(), b = make();
    Footprint pa = footprintOf(a.tensor()), pb = footprintOf(b.tensor());
    bool expected = shareAByte(a, b);
    ASSERT_EQ(overlap(pa, pb), expected) << "trial " << trial;
    ASSERT_EQ(overlap(pb, pa), expected) << "trial " << trial;
    overlapping += expected;
    touching += !expected && pa.low < pb.high() && pb.low < pa.high();
  }
  EXPECT_GT(overlapping, 2000);
  EXPECT_GT(touching, 2000); // the hard case was there
}

TEST(Overlap, ItselfNeverMissesASharedElement) {
  std::mt19937 random(8);
  for (int trial = 0; trial < 5000; ++trial) {
    Strided view{{}, {}, 64, MUON_F32};
    for (int rank = 0; rank < 3; ++rank) {
      view.sizes.push_back(1 + random() % 4);
      view.strides.push_back(random() % 20);
    }
    std::vector<uint64_t> bytes = view.bytes();
    bool shared = std::set<uint64_t>(bytes.begin(), bytes.end()).size() != bytes.size();
    ASSERT_TRUE(!shared || overlapsItself(view.tensor())) << "trial " << trial;
  }
  EXPECT_FALSE(overlapsItself(Strided{{3, 4}, {4, 1}, 64, MUON_F32}.tensor()));
  EXPECT_FALSE(overlapsItself(Strided{{3, 4}, {1, 3}, 64, MUON_F32}.tensor()));
  EXPECT_FALSE(overlapsItself(Strided{{2, 3, 4}, {40, 10, 1}, 64, MUON_F32}.tensor()));
}

TEST(Overlap, LargeBatchedColumnsAreCheap) {
  // 12 experts of 4096x11008, columns interleaved in one allocation, row strides equal or not.
  auto columns = [](uint64_t first, int64_t rowStride) {
    return Strided{{12, 4096, 5504}, {4096 * 11008, rowStride, 1}, 4096 + first * 4, MUON_F32};
  };
  Footprint left = footprintOf(columns(0, 11008).tensor());
  EXPECT_FALSE(overlap(left, footprintOf(columns(5504, 11008).tensor())));
  EXPECT_TRUE(overlap(left, footprintOf(columns(5503, 11008).tensor())));
  EXPECT_TRUE(overlap(left, footprintOf(columns(5504, 5504).tensor())));
}

TEST(Overlap, FindsTheWrittenSpanOfAGradient) {
  Array<Span> spans;
  ASSERT_TRUE(spans.allocate(40));
  for (uint64_t i = 0; i < 40; ++i) { // every third is only read
    spans[i].print = contiguousFootprint(reinterpret_cast<void *>(1000 + ((i * 7) % 40) * 100), 60);
    spans[i].written = ((i * 7) % 40) % 3 != 0;
    spans[i].parameter = spans[i].name = "x";
  }
  ASSERT_EQ(checkAliasing(spans), MUON_OK);
  for (uintptr_t start = 900; start < 5200; start += 10)
    for (uint64_t bytes : {4u, 50u, 300u}) {
      bool expected = false;
      for (const Span &span : spans)
        expected |= span.written && span.print.low < start + bytes && start < span.print.high();
      Footprint print = contiguousFootprint(reinterpret_cast<void *>(start), bytes);
      ASSERT_EQ(findWritten(spans, print) != nullptr, expected) << start << " " << bytes;
    }
}
