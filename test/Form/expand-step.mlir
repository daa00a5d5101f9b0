// RUN: muon-opt %s -muon-expand-step | FileCheck %s

// CHECK-LABEL: @keller(
// CHECK-SAME: %[[W:[^ ]*]]: tensor<4x8xf32>, %[[G:[^ ]*]]: tensor<4x8xf32>, %[[M:[^ ]*]]: tensor<4x8xf32>, %[[LR:[^ ]*]]: f64, %[[WD:[^ ]*]]: f64, %[[MU:[^ ]*]]: f64
// 1 - mu in f64, truncated once: M' = M + (1 - mu)(G - M).
// CHECK: %[[ONE:.*]] = arith.constant 1.000000e+00 : f64
// CHECK: %[[REST:.*]] = arith.subf %[[ONE]], %[[MU]] : f64
// CHECK: %[[D:.*]] = arith.subf %[[G]], %[[M]] : tensor<4x8xf32>
// CHECK: %[[REST32:.*]] = arith.truncf %[[REST]] : f64 to f32
// CHECK: %[[RESTS:.*]] = tensor.splat %[[REST32]] : tensor<4x8xf32>
// CHECK: %[[M1:.*]] = math.fma %[[RESTS]], %[[D]], %[[M]] : tensor<4x8xf32>
// X = G + mu (M' - G).
// CHECK: %[[D1:.*]] = arith.subf %[[M1]], %[[G]] : tensor<4x8xf32>
// CHECK: %[[MU32:.*]] = arith.truncf %[[MU]] : f64 to f32
// CHECK: %[[MUS:.*]] = tensor.splat %[[MU32]] : tensor<4x8xf32>
// CHECK: %[[X:.*]] = math.fma %[[MUS]], %[[D1]], %[[G]] : tensor<4x8xf32>
// W' = fma(-lr scale, X, (1 - lr wd) W).
// CHECK: %[[LRWD:.*]] = arith.mulf %[[LR]], %[[WD]] : f64
// CHECK: %[[KEEP:.*]] = arith.subf %{{.*}}, %[[LRWD]] : f64
// CHECK: %[[KEEP32:.*]] = arith.truncf %[[KEEP]] : f64 to f32
// CHECK: %[[KEEPS:.*]] = tensor.splat %[[KEEP32]]
// CHECK: %[[DECAYED:.*]] = arith.mulf %[[KEEPS]], %[[W]] : tensor<4x8xf32>
// CHECK: %[[SCALE:.*]] = arith.constant -2.000000e-01 : f64
// CHECK: %[[RATE:.*]] = arith.mulf %[[SCALE]], %[[LR]] : f64
// CHECK: %[[RATE32:.*]] = arith.truncf %[[RATE]] : f64 to f32
// CHECK: %[[RATES:.*]] = tensor.splat %[[RATE32]]
// CHECK: %[[W1:.*]] = math.fma %[[RATES]], %[[X]], %[[DECAYED]] : tensor<4x8xf32>
// CHECK: return %[[W1]], %[[M1]]
func.func @keller(%w: tensor<4x8xf32>, %g: tensor<4x8xf32>, %m: tensor<4x8xf32>, %lr: f64, %wd: f64, %mu: f64) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>, tensor<4x8xf32>
  %w1 = muon.update %w, %x, %lr, %wd decay decoupled scale 2.0e-01 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %w1, %m1 : tensor<4x8xf32>, tensor<4x8xf32>
}

// bf16 tensors are widened, M' and W' rounded back; X is M' before that rounding.
// CHECK-LABEL: @narrow_sum(
// CHECK-SAME: %[[W:[^ ]*]]: tensor<3xbf16>, %[[G:[^ ]*]]: tensor<3xbf16>, %[[M:[^ ]*]]: tensor<3xbf16>, %[[MU:[^ ]*]]: f64
// CHECK: %[[G32:.*]] = arith.extf %[[G]] : tensor<3xbf16> to tensor<3xf32>
// CHECK: %[[M32:.*]] = arith.extf %[[M]] : tensor<3xbf16> to tensor<3xf32>
// CHECK: %[[X:.*]] = math.fma %{{.*}}, %[[M32]], %[[G32]] : tensor<3xf32>
// CHECK: %[[M1:.*]] = arith.truncf %[[X]] : tensor<3xf32> to tensor<3xbf16>
// CHECK: %[[W32:.*]] = arith.extf %[[W]]
// CHECK-NOT: arith.subf
// CHECK: %[[SUM:.*]] = math.fma %{{.*}}, %[[X]], %[[W32]]
// CHECK: %[[W1:.*]] = arith.truncf %[[SUM]] : tensor<3xf32> to tensor<3xbf16>
// CHECK: return %[[W1]], %[[M1]]
func.func @narrow_sum(%w: tensor<3xbf16>, %g: tensor<3xbf16>, %m: tensor<3xbf16>, %mu: f64) -> (tensor<3xbf16>, tensor<3xbf16>) {
  %x, %m1 = muon.momentum sum %g, %m, %mu : tensor<3xbf16>, tensor<3xbf16> -> tensor<3xf32>, tensor<3xbf16>
  %w1 = muon.update %w, %x, %mu, %mu decay none scale 1.0 : tensor<3xbf16>, tensor<3xf32> -> tensor<3xbf16>
  return %w1, %m1 : tensor<3xbf16>, tensor<3xbf16>
}

// muon.round stays: its counter is the kernel's element index.
// CHECK-LABEL: @round
// CHECK: muon.round
func.func @round(%x: tensor<3xf32>, %step: i64, %seed: i64) -> tensor<3xbf16> {
  %y = muon.round %x, %step, %seed : tensor<3xf32> -> tensor<3xbf16>
  return %y : tensor<3xbf16>
}
