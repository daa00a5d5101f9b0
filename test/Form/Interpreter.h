//===- Interpreter.h - What the closed op list means --------------------------------*- C++ -*-===//
//
// Evaluates an expanded step function, slowly and plainly: every value is a list of
// doubles, every op a loop. It is the reference for all execution tests.
//
//   Rounding::none   types are ignored: the step in float64
//   Rounding::typed  each result is rounded to nearest even to its element type; sums inside one
//                    op (products, reductions) are float64 sums rounded once
//
// muon.round rounds to nearest here (typed) or not at all: its random choice is not part of
// the reference.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_TEST_FORM_INTERPRETER_H
#define MUON_TEST_FORM_INTERPRETER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <cstdint>
#include <vector>

namespace muon {

/// A tensor in row-major order; a scalar has no dimensions.
struct Array {
  std::vector<int64_t> shape;
  std::vector<double> values;

  Array() = default;
  explicit Array(std::vector<int64_t> shape, double value = 0);
  static Array scalar(double value) { return Array(std::vector<int64_t>(), value); }

  double &operator[](size_t i) { return values[i]; }
  double operator[](size_t i) const { return values[i]; }
  size_t size() const { return values.size(); }
};

enum class Rounding { none, typed };

/// The function's results for these arguments. An op outside the closed list, or an argument of
/// another shape, is a diagnostic and a failure.
mlir::FailureOr<std::vector<Array>> interpret(mlir::func::FuncOp function, const std::vector<Array> &arguments,
                                              Rounding rounding);

/// `value` rounded to the element type: f64, f32, bf16, f16; others are left alone.
double roundTo(mlir::Type element, double value);

} // namespace muon

#endif // MUON_TEST_FORM_INTERPRETER_H
