//===- LaunchSizes.cpp ------------------------------------------------------------------------===//

#include "muon/IR/LaunchSizes.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace muon;

std::pair<int64_t, int64_t> muon::shapeOfOperand(LaunchOp launch, KernelOp kernel, unsigned i) {
  ArrayRef<int64_t> numbers = launch.getSizes();
  switch (kernel.operandAt(i).getSpace()) {
  case Space::scalar:
    return {1, 1};
  case Space::row:
    return {1, numbers[sizes::kRows]};
  case Space::column:
    return {1, numbers[sizes::kColumns]};
  case Space::element:
    break;
  }
  if (i >= kernel.numPanels())
    return {numbers[sizes::kRows], numbers[sizes::kColumns]};
  return i ? std::pair{numbers[sizes::kK], numbers[sizes::kN]} : std::pair{numbers[sizes::kM], numbers[sizes::kK]};
}

int64_t muon::partsOfProduct(LaunchOp launch, KernelOp product) {
  ArrayRef<int64_t> numbers = launch.getSizes();
  return product.numInParts() ? llvm::divideCeil(numbers[sizes::kK], numbers[sizes::kPartDepth]) : 1;
}

int64_t muon::partsOfOperand(LaunchOp launch, KernelOp kernel, unsigned i) {
  if (!kernel.operandAt(i).isInParts())
    return 1;
  if (kernel.getKind() == KernelKind::product)
    return partsOfProduct(launch, kernel);
  auto inParts = [&](unsigned operand) { return kernel.operandAt(operand).isInParts(); };
  return launch.getSizes()[sizes::kParts + llvm::count_if(llvm::seq(i), inParts)];
}
