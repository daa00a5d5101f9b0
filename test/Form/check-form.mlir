// RUN: muon-opt %s -muon-choose-form -muon-expand-step -muon-expand-orthogonalize -canonicalize -cse -muon-check-form | FileCheck %s

// A whole step, bf16 weight, stochastic rounding, a second moment per row: all of it in the closed op list.
// CHECK-LABEL: @step
// CHECK-NOT: muon.orthogonalize
// CHECK-NOT: muon.momentum
// CHECK-NOT: muon.update
func.func @step(%w: tensor<4x8xbf16> {muon.arg = "weight"}, %g: tensor<4x8xbf16> {muon.arg = "gradient"},
                %m: tensor<4x8xf32> {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}, %step: i64 {muon.name = "step"},
                %seed: i64 {muon.name = "seed"}) -> (tensor<4x8xbf16>, tensor<4x8xf32>) {
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<4x8xbf16>, tensor<4x8xf32> -> tensor<4x8xf32>, tensor<4x8xf32>
  %o = muon.orthogonalize %x table<"keller", 5> operands bf16 eps 1.0e-07 : tensor<4x8xf32> -> tensor<4x8xf32>
  %wide = arith.extf %w : tensor<4x8xbf16> to tensor<4x8xf32>
  %w1 = muon.update %wide, %o, %lr, %wd decay decoupled scale 1.0 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %w2 = muon.round %w1, %step, %seed : tensor<4x8xf32> -> tensor<4x8xbf16>
  return %w2, %m1 : tensor<4x8xbf16>, tensor<4x8xf32>
}

// Views, reductions and scalars of AdamW's bias correction.
// CHECK-LABEL: @around
func.func @around(%x: tensor<12x4xf32>, %t: i64, %b: f64) -> (tensor<3x4x4xf32>, tensor<f32>) {
  %least = arith.constant dense<0xFF800000> : tensor<f32>
  %p = math.fpowi %b, %t : f64, i64
  %p32 = arith.truncf %p : f64 to f32
  %s = tensor.splat %p32 : tensor<12x4xf32>
  %y = arith.mulf %x, %s : tensor<12x4xf32>
  %top = tensor.extract_slice %y[0, 0] [12, 4] [1, 1] : tensor<12x4xf32> to tensor<12x4xf32>
  %v = tensor.expand_shape %top [[0, 1], [2]] output_shape [3, 4, 4] : tensor<12x4xf32> into tensor<3x4x4xf32>
  %largest = linalg.reduce { arith.maximumf } ins(%y : tensor<12x4xf32>) outs(%least : tensor<f32>) dimensions = [0, 1]
  return %v, %largest : tensor<3x4x4xf32>, tensor<f32>
}
