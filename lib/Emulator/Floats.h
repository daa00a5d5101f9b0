//===- Floats.h - the number formats of tensor cores, in integers -----------------------------===//

#ifndef MUON_EMULATOR_FLOATS_H
#define MUON_EMULATOR_FLOATS_H

#include <bit>
#include <cmath>
#include <cstdint>

namespace muon::emulator {

inline float bf16ToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

/// To nearest, ties to even; subnormals are kept and a NaN stays one.
inline uint16_t floatToBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return 0x7fff; // the device's canonical NaN
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float f16ToFloat(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  float magnitude = exponent ? std::ldexp(static_cast<float>(fraction | 0x400), static_cast<int>(exponent) - 25)
                             : std::ldexp(static_cast<float>(fraction), -24);
  return sign ? -magnitude : magnitude;
}

inline uint16_t floatToF16(float value) {
  uint16_t sign = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16 & 0x8000);
  float magnitude = std::fabs(value);
  if (std::isnan(value))
    return 0x7fff;
  if (magnitude >= 65520.0f)
    return sign | 0x7c00;
  int exponent = magnitude < 0x1p-14f ? -14 : std::ilogb(magnitude);
  // Below 2^11, or 2^11 after rounding up.
  auto units = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return static_cast<uint16_t>(sign | (units + (exponent == -14 ? 0 : (uint32_t(exponent + 15) << 10) - 0x400)));
}

/// A tensor core reads the upper 19 bits of a tf32 operand.
inline float tf32ToFloat(uint32_t bits) { return std::bit_cast<float>(bits & 0xffffe000); }

/// To nearest, ties away from zero: cvt.rna.tf32.
inline uint32_t floatToTf32Away(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & 0xffffe000;
}

/// To nearest, ties to even: cvt.rn.tf32.
inline uint32_t floatToTf32(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0xfff + (bits >> 13 & 1)) & 0xffffe000;
}

} // namespace muon::emulator

#endif // MUON_EMULATOR_FLOATS_H
