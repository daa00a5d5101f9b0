//===- MuonDialect.td - the muon dialect ----------------------------------------------------------===//

#ifndef MUON_IR_DIALECT_TD
#define MUON_IR_DIALECT_TD

include "mlir/IR/OpBase.td"

def Muon_Dialect : Dialect {
  let name = "muon";
  let cppNamespace = "::muon";
  let summary = "Muon-family optimizer steps";
  let description = [{
    A step function is an ordinary `func.func` on static ranked tensors in SSA form: what one parameter undergoes.
    Leading dimensions are batch, every tensor is in W's own orientation. Only the spectral map needs ops of ours;
    everything around it is `arith`/`math` on tensors, `tensor.splat`, `linalg.broadcast` and `linalg.reduce`.

    Argument roles are argument attributes: `muon.arg` = "weight" | "gradient" | "state" | "input" (none: a scalar,
    f64 or i64) and `muon.name`. Results are the new weight, the new states in argument order, then metrics
    (result attribute `muon.name`).
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let extraClassDeclaration = [{ void registerAttributes(); }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::func::FuncDialect"
  ];
}

#endif // MUON_IR_DIALECT_TD
