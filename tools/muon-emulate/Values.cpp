//===- Values.cpp -----------------------------------------------------------------------------===//

#include "Values.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/APInt.h"
#include "llvm/ADT/StringSwitch.h"

#include <cstring>
#include <random>

namespace muon::emulate {

std::optional<muon_dtype> parseType(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<muon_dtype>>(name)
      .Case("f32", MUON_F32)
      .Case("bf16", MUON_BF16)
      .Case("f16", MUON_F16)
      .Case("f64", MUON_F64)
      .Case("i32", MUON_I32)
      .Case("i64", MUON_I64)
      .Default(std::nullopt);
}

uint32_t bytesOf(uint32_t dtype) {
  constexpr uint32_t bytes[] = {4, 2, 2, 8, 4, 8};
  return bytes[dtype];
}

static const llvm::fltSemantics *semantics(uint32_t dtype) {
  switch (dtype) {
  case MUON_F32:
    return &llvm::APFloat::IEEEsingle();
  case MUON_BF16:
    return &llvm::APFloat::BFloat();
  case MUON_F16:
    return &llvm::APFloat::IEEEhalf();
  case MUON_F64:
    return &llvm::APFloat::IEEEdouble();
  }
  return nullptr; // an integer
}

std::vector<uint8_t> makeValues(Fill fill, uint32_t dtype, uint64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(count * bytesOf(dtype));
  if (fill == Fill::zero)
    return bytes;
  for (uint64_t i = 0; i < count; ++i) {
    double value = fill == Fill::random ? static_cast<double>(random() >> 11) * 0x1p-52 - 1
                                        : static_cast<double>(random() % 9) - 4;
    uint64_t bits = static_cast<uint64_t>(static_cast<int64_t>(value));
    if (const llvm::fltSemantics *type = semantics(dtype)) {
      llvm::APFloat converted(value);
      bool inexact = false;
      converted.convert(*type, llvm::APFloat::rmNearestTiesToEven, &inexact);
      bits = converted.bitcastToAPInt().getZExtValue();
    }
    memcpy(bytes.data() + i * bytesOf(dtype), &bits, bytesOf(dtype));
  }
  return bytes;
}

std::vector<double> toDoubles(const std::vector<uint8_t> &bytes, uint32_t dtype) {
  uint32_t width = bytesOf(dtype);
  std::vector<double> values(bytes.size() / width);
  for (uint64_t i = 0; i < values.size(); ++i) {
    uint64_t bits = 0;
    memcpy(&bits, bytes.data() + i * width, width);
    if (const llvm::fltSemantics *type = semantics(dtype)) {
      llvm::APFloat value(*type, llvm::APInt(8 * width, bits));
      bool inexact = false;
      value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &inexact);
      values[i] = value.convertToDouble();
    } else {
      values[i] = dtype == MUON_I32 ? static_cast<double>(static_cast<int32_t>(bits))
                                    : static_cast<double>(static_cast<int64_t>(bits));
    }
  }
  return values;
}

} // namespace muon::emulate
