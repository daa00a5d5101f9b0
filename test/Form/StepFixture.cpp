//===- StepFixture.cpp ------------------------------------------------------------------------===//

#include "StepFixture.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <cmath>
#include <map>
#include <random>

using namespace mlir;

namespace muon {

StepFixture::StepFixture() { context.loadDialect<MuonDialect>(); }

func::FuncOp StepFixture::expand(const StepOptions &options, const FormOptions &form) {
  modules.emplace_back(ModuleOp::create(UnknownLoc::get(&context)));
  ModuleOp module = *modules.back();
  llvm::Expected<func::FuncOp> built = buildStep(module, "step", options);
  if (!built) {
    ADD_FAILURE() << llvm::toString(built.takeError());
    return {};
  }
  PassManager manager(&context);
  buildFormPipeline(manager, form);
  bool walked = succeeded(verify(module)) && succeeded(manager.run(module));
  EXPECT_TRUE(walked);
  return walked ? *built : func::FuncOp();
}

std::string StepFixture::refusal(const StepOptions &options) {
  OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
  std::string error = llvm::toString(buildStep(*module, "step", options).takeError());
  EXPECT_TRUE(module->getBody()->empty());
  EXPECT_EQ(error.find('\n'), std::string::npos);
  return error;
}

std::vector<Array> StepFixture::run(func::FuncOp function, std::vector<Array> tensors, Rounding rounding) {
  std::map<std::string, double> scalars = {{"lr", lr},      {"wd", wd},  {"mu", mu},
                                           {"beta2", 0.95}, {"step", 3}, {"seed", 7}};
  for (unsigned i = tensors.size(); i < function.getNumArguments(); ++i) {
    auto name = function.getArgAttrOfType<StringAttr>(i, "muon.name");
    tensors.push_back(Array::scalar(scalars.at(name.str())));
  }
  FailureOr<std::vector<Array>> results = interpret(function, tensors, rounding);
  EXPECT_TRUE(succeeded(results));
  return *results;
}

Array StepFixture::randomArray(std::vector<int64_t> shape, unsigned seed, double scale) {
  std::mt19937_64 engine(seed);
  Array result(std::move(shape));
  // The sum of twelve uniform numbers: the same on every standard library.
  for (double &value : result.values) {
    double sum = -6;
    for (int i = 0; i < 12; ++i)
      sum += double(engine() >> 11) * 0x1p-53;
    value = float(sum * scale);
  }
  return result;
}

reference::Matrix StepFixture::matrixOf(const Array &array, int64_t index) {
  size_t rank = array.shape.size();
  reference::Matrix result(array.shape[rank - 2], array.shape[rank - 1]);
  size_t size = result.values.size();
  std::copy_n(array.values.begin() + index * size, size, result.values.begin());
  return result;
}

Array StepFixture::arrayOf(const std::vector<int64_t> &shape, const std::vector<reference::Matrix> &matrices) {
  Array result(shape);
  auto out = result.values.begin();
  for (const reference::Matrix &matrix : matrices)
    out = std::copy(matrix.values.begin(), matrix.values.end(), out);
  return result;
}

double StepFixture::relativeError(const Array &a, const Array &b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

} // namespace muon
