//===- StepFixture.h - Build, expand and run a step function ------------------------*- C++ -*-===//
#ifndef MUON_TEST_FORM_STEP_FIXTURE_H
#define MUON_TEST_FORM_STEP_FIXTURE_H

#include "Interpreter.h"
#include "Reference.h"

#include "muon/Form/Passes.h"
#include "muon/Form/Presets.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <gtest/gtest.h>

namespace muon {

class StepFixture : public ::testing::Test {
protected:
  StepFixture();

  /// The expanded function of `options`; fails the test if there is none.
  mlir::func::FuncOp expand(const StepOptions &options, const FormOptions &form = {});
  /// The one line that buildStep refuses `options` with.
  std::string refusal(const StepOptions &options);

  /// One step with zero lr-free state: results of the function on w, g, m and the scalars by name.
  std::vector<Array> run(mlir::func::FuncOp function, std::vector<Array> tensors, Rounding rounding = Rounding::none);

  /// Entries of the normal distribution times `scale`, the same for a seed.
  static Array randomArray(std::vector<int64_t> shape, unsigned seed, double scale = 1);
  static reference::Matrix matrixOf(const Array &array, int64_t index = 0);
  /// |a - b|_F / |b|_F over all elements.
  static double relativeError(const Array &a, const Array &b);
  static Array arrayOf(const std::vector<int64_t> &shape, const std::vector<reference::Matrix> &matrices);

  double lr = 0.02, wd = 0.1, mu = 0.95;
  mlir::MLIRContext context;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
};

} // namespace muon

#endif // MUON_TEST_FORM_STEP_FIXTURE_H
