// Where skip is asked for, by the module or by the step function.
// RUN: muon-opt %s --pass-pipeline='builtin.module(builtin.module(func.func(muon-guard-gradient)),func.func(muon-guard-gradient))' | FileCheck %s

module attributes {muon.request = #muon.request<overrides = {nonfinite = "skip"}>} {
  // CHECK-LABEL: func.func @bf16_gradient
  // CHECK-SAME: %[[W:.*]]: tensor<4x8xf32> {{.*}}, %[[G:.*]]: tensor<4x8xbf16>
  // CHECK: %[[WIDE:.*]] = arith.extf %[[G]] {muon.guard = 0 : i64}
  // CHECK: %[[ZERO:.*]] = arith.mulf %[[WIDE]], {{.*}} {muon.guard = 0 : i64}
  // CHECK: %[[SUM:.*]] = linalg.reduce ins(%[[ZERO]] : tensor<4x8xf32>) outs({{.*}} : tensor<f32>) dimensions = [0, 1]
  // CHECK: %[[BAD:.*]] = arith.cmpf uno, %[[SUM]], %[[SUM]]
  // CHECK: arith.extui %[[BAD]] {{.*}}muon.predicate{{.*}} : tensor<i1> to tensor<i32>
  func.func @bf16_gradient(%w: tensor<4x8xf32> {muon.arg = "weight"}, %g: tensor<4x8xbf16> {muon.arg = "gradient"}) -> tensor<4x8xf32> {
    return %w : tensor<4x8xf32>
  }

  // Narrowed as zero: what is large in f64 is infinite in f32.
  // CHECK-LABEL: func.func @f64_gradient
  // CHECK: %[[WIDE:.*]] = arith.mulf %{{.*}}, %{{.*}} {muon.guard = 0 : i64} : tensor<4x8xf64>
  // CHECK: arith.truncf %[[WIDE]] {muon.guard = 0 : i64} : tensor<4x8xf64> to tensor<4x8xf32>
  func.func @f64_gradient(%w: tensor<4x8xf32> {muon.arg = "weight"}, %g: tensor<4x8xf64> {muon.arg = "gradient"}) -> tensor<4x8xf32> {
    return %w : tensor<4x8xf32>
  }

  // CHECK-LABEL: func.func @negative_integers
  // CHECK-NOT: muon.predicate
  func.func @negative_integers(%w: tensor<4x8xf32> {muon.arg = "weight"}, %g: tensor<4x8xi32> {muon.arg = "gradient"}) -> tensor<4x8xf32> {
    return %w : tensor<4x8xf32>
  }

  // A batch has one word per matrix.
  // CHECK-LABEL: func.func @batch
  // CHECK: linalg.reduce {{.*}} dimensions = [1, 2]
  // CHECK: tensor<3xi1> to tensor<3xi32>
  func.func @batch(%w: tensor<3x4x8xf32> {muon.arg = "weight"}, %g: tensor<3x4x8xf32> {muon.arg = "gradient"}) -> tensor<3x4x8xf32> {
    return %w : tensor<3x4x8xf32>
  }

  // CHECK-LABEL: func.func @negative_no_gradient
  // CHECK-NOT: muon.predicate
  func.func @negative_no_gradient(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    return %x : tensor<4x8xf32>
  }

  // What the step function says wins.
  // CHECK-LABEL: func.func @negative_propagate
  // CHECK-NOT: muon.predicate
  func.func @negative_propagate(%w: tensor<4x8xf32> {muon.arg = "weight"}, %g: tensor<4x8xf32> {muon.arg = "gradient"}) -> tensor<4x8xf32>
      attributes {muon.request = #muon.request<overrides = {nonfinite = "propagate"}>} {
    return %w : tensor<4x8xf32>
  }
}

// CHECK-LABEL: func.func @alone
// CHECK: muon.predicate
func.func @alone(%w: tensor<4x8xf32> {muon.arg = "weight"}, %g: tensor<4x8xf32> {muon.arg = "gradient"}) -> tensor<4x8xf32>
    attributes {muon.request = #muon.request<overrides = {nonfinite = "skip"}>} {
  return %w : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @negative_unasked
// CHECK-NOT: muon.predicate
func.func @negative_unasked(%w: tensor<4x8xf32> {muon.arg = "weight"}, %g: tensor<4x8xf32> {muon.arg = "gradient"}) -> tensor<4x8xf32> {
  return %w : tensor<4x8xf32>
}
