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

// -----

func.func @sum_from_one(%x: tensor<4xf32>) -> tensor<f32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  // expected-error @+1 {{'linalg.reduce' op expected outs to be 0 everywhere, got 1.000000e+00 : f32}}
  %y = linalg.reduce { arith.addf } ins(%x : tensor<4xf32>) outs(%one : tensor<f32>) dimensions = [0]
  return %y : tensor<f32>
}

// -----

func.func @most_from_zero(%x: tensor<4xf32>) -> tensor<f32> {
  %zero = arith.constant dense<0.0> : tensor<f32>
  // expected-error @+1 {{'linalg.reduce' op expected outs to be minus infinity everywhere, got 0.000000e+00 : f32}}
  %y = linalg.reduce { arith.maximumf } ins(%x : tensor<4xf32>) outs(%zero : tensor<f32>) dimensions = [0]
  return %y : tensor<f32>
}

// -----

func.func @least_from_an_argument(%x: tensor<4xf32>, %z: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{'linalg.reduce' op expected outs to be infinity everywhere, got something else}}
  %y = linalg.reduce { arith.minimumf } ins(%x : tensor<4xf32>) outs(%z : tensor<f32>) dimensions = [0]
  return %y : tensor<f32>
}

// -----

func.func @different_numbers(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{'arith.constant' op expected one number for all elements, got 2 different ones}}
  %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = arith.mulf %x, %c : tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

func.func @two_results(%x: tensor<2xi32>) -> tensor<2xi32> {
  // expected-error @+1 {{'arith.mului_extended' op expected one result, got 2}}
  %low, %high = arith.mului_extended %x, %x : tensor<2xi32>
  return %high : tensor<2xi32>
}
