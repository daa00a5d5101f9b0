// RUN: muon-opt %s -muon-check-form -verify-diagnostics -split-input-file

func.func @semantic(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'muon.orthogonalize' op is not in the closed op list that the Form room leaves}}
  %o = muon.orthogonalize %x table<"cubic", 2> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

func.func @foreign(%x: tensor<4x8xf32>, %e: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // expected-error @+1 {{'linalg.transpose' op is not in the closed op list that the Form room leaves}}
  %y = linalg.transpose ins(%x : tensor<4x8xf32>) outs(%e : tensor<8x4xf32>) permutation = [1, 0]
  return %y : tensor<8x4xf32>
}

// -----

func.func @product_of_elements(%x: tensor<4xf32>, %z: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{'linalg.reduce' op expected one input combined by arith.addf, arith.maximumf or arith.minimumf}}
  %y = linalg.reduce { arith.mulf } ins(%x : tensor<4xf32>) outs(%z : tensor<f32>) dimensions = [0]
  return %y : tensor<f32>
}

// -----

func.func @dynamic(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @+1 {{'math.sqrt' op expected static tensors, got 'tensor<?xf32>'}}
  %y = math.sqrt %x : tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// expected-error @+1 {{'func.func' op expected a body of one block}}
func.func private @declaration(tensor<4xf32>)
