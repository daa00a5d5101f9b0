//===- KernelTexts.h - kernels the tests compile --------------------------------------*- C++
//-*-===//
#ifndef MUON_TEST_CPU_KERNELTEXTS_H
#define MUON_TEST_CPU_KERNELTEXTS_H

#include "muon/IR/Muon.h"

#include <ostream>
#include <string>

namespace muon::test {

/// A way to compute products: the target whose schedule is used, and the operands' type.
struct Way {
  const char *target;
  bool bf16;
  bool symmetric;
  bool square = false;
};
inline void PrintTo(const Way &way, std::ostream *out) {
  *out << way.target << (way.bf16 ? " bf16" : " f32") << (way.symmetric ? " symmetric" : "") << (way.square ? " square" : "");
}

/// bf16 operands are kept as f32 words where there is no instruction for them.
bool packsBf16(TargetAttr target, bool bf16);
bool usesTiles(TargetAttr target, bool bf16);

/// @product: y = c acc + d + e in every layout.
std::string productText(TargetAttr target, Way way);
/// @product: a matrix in columns, and of the squares of the accumulators their sum and the largest.
std::string productSumText(TargetAttr target, Way way);
/// @blend: y = c x + lr d + row + column, stored plain; its sum of squares, largest value and row
/// sums.
std::string blendText();
/// @pack: x scaled by a sum of partials, in every layout.
std::string packText(const std::string &dtype);
/// @index: index, parameter, fpowi and integer arithmetic.
std::string indexText();

} // namespace muon::test

#endif // MUON_TEST_CPU_KERNELTEXTS_H
