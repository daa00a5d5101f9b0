//===- KernelTexts.h - kernels the tests compile ------------------------------------*- C++ -*-===//
#ifndef MUON_TEST_CPU_KERNELTEXTS_H
#define MUON_TEST_CPU_KERNELTEXTS_H

#include "Harness.h"

#include <ostream>
#include <string>

namespace muon::test {

/// A way to compute products: the target whose schedule is used, and the operands' type.
struct Way {
  const char *target;
  Dtype operands;
  bool symmetric;
  bool square = false;
};
inline void PrintTo(const Way &way, std::ostream *out) {
  *out << way.target << " " << word(way.operands) << (way.symmetric ? " symmetric" : "")
       << (way.square ? " square" : "");
}

/// What operands are kept as: bf16 as f32 where there is no instruction for them.
Dtype packedAs(TargetAttr target, Dtype operands);
bool usesTiles(TargetAttr target, Dtype operands);

/// @product: y = c acc + d + e in every layout.
std::string productText(TargetAttr target, Way way);
/// @product: a matrix in columns, and of the squares of the accumulators their sum and the largest.
std::string productSumText(TargetAttr target, Way way);
/// @blend: y = c x + lr d + row + column, stored plain; its sum of squares, largest value and row
/// sums.
std::string blendText();
/// Whether a kernel writes this type in this layout: tiles are of bf16, f16 is in panels only.
bool isWrittenIn(Dtype dtype, Layout layout);
inline constexpr Layout kLayouts[] = {Layout::plain, Layout::columns, Layout::rows, Layout::row_tiles,
                                      Layout::column_tiles};
/// @pack: x scaled by a sum of partials, in every layout it is written in.
std::string packText(Dtype dtype);
/// @index: index, parameter, fpowi and integer arithmetic.
std::string indexText();

} // namespace muon::test

#endif // MUON_TEST_CPU_KERNELTEXTS_H
