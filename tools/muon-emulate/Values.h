//===- Values.h - arrays of a program's element types -----------------------------------------===//

#ifndef MUON_TOOLS_EMULATE_VALUES_H
#define MUON_TOOLS_EMULATE_VALUES_H

#include "muon_runtime.h"

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace muon::emulate {

/// How memory is filled before a kernel runs.
enum class Fill { zero, random, integers };

/// f32, bf16, f16, f64, i32, i64.
std::optional<muon_dtype> parseType(llvm::StringRef name);
uint32_t bytesOf(uint32_t dtype);

/// `count` elements: uniform in [-1, 1), or integers from -4 to 4, which every type holds exactly.
std::vector<uint8_t> makeValues(Fill fill, uint32_t dtype, uint64_t count, uint64_t seed);
/// The elements as doubles.
std::vector<double> toDoubles(const std::vector<uint8_t> &bytes, uint32_t dtype);

} // namespace muon::emulate

#endif // MUON_TOOLS_EMULATE_VALUES_H
