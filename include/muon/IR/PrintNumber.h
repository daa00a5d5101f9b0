//===- PrintNumber.h - Numbers and choices in a message -----------------------------*- C++ -*-===//
#ifndef MUON_IR_PRINT_NUMBER_H
#define MUON_IR_PRINT_NUMBER_H

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <string>

namespace muon {

/// As it was written, not 1.050000e+00.
inline std::string printNumber(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%g", value);
  return text;
}

inline std::string printNumbers(llvm::ArrayRef<double> values) {
  return llvm::join(llvm::map_range(values, printNumber), ", ");
}

/// "a, b or c".
inline std::string printChoices(llvm::ArrayRef<llvm::StringRef> choices) {
  return llvm::join(choices.drop_back(), ", ") + (choices.size() > 1 ? " or " : "") + choices.back().str();
}

} // namespace muon

#endif // MUON_IR_PRINT_NUMBER_H
