//===- MuonInterfaces.td - what the three products share ------------------------------------------===//

#ifndef MUON_IR_INTERFACES_TD
#define MUON_IR_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Muon_ProductOpInterface : OpInterface<"ProductOpInterface"> {
  let cppNamespace = "::muon";
  let description = [{ A matrix product C_ij = Σ_k A_ik B_kj with f32 accumulation and no coefficients. }];
  let methods = [
    InterfaceMethod<"Whether C is symmetric, so that only half of it needs computing", "bool", "symmetricResult", (ins)>,
    InterfaceMethod<"The tensor that provides A", "::mlir::Value", "getA", (ins)>,
    InterfaceMethod<"The tensor that provides B", "::mlir::Value", "getB", (ins)>,
    InterfaceMethod<"Whether A is the transpose of the tensor getA()", "bool", "aIsTransposed", (ins)>,
    InterfaceMethod<"Whether B is the transpose of the tensor getB()", "bool", "bIsTransposed", (ins)>,
    InterfaceMethod<"How many k are summed over", "int64_t", "depth", (ins), "", [{
      auto shape = ::mlir::cast<::mlir::RankedTensorType>($_op.getA().getType()).getShape();
      return shape[shape.size() - ($_op.aIsTransposed() ? 2 : 1)];
    }]>
  ];
}

#endif // MUON_IR_INTERFACES_TD
