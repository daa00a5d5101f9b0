//===- MuonDialect.cpp - registration and argument roles ------------------------------------------===//

#include "muon/IR/Muon.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace muon;

#include "muon/IR/MuonDialect.cpp.inc"

void MuonDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "muon/IR/MuonOps.cpp.inc"
      >();
}

LogicalResult MuonDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  return success();
}
