// One cubic step without momentum. Packing is a sweep; the coefficient joins the Gram product's epilogue; aX + PX, the
// learning rate and the write of W join the last product's.
// RUN: muon-opt %s --muon-plan-launches --muon-check-plan --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @tail
// CHECK: muon.kernel @sweep_0 sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, rows, f32, none>, #muon.operand<out, element, columns, f32, none>]
// CHECK: muon.kernel @product_1 product symmetric of f32 operands
// CHECK-NEXT: ^bb0(%[[R:.*]]: f32, %[[C:.*]]: f32):
// CHECK-NEXT: %[[P:.*]] = arith.mulf %[[R]], %[[C]] : f32
// CHECK-NEXT: muon.yield %[[P]] : f32
// CHECK: muon.kernel @product_2 product of f32 operands {{.*}} scalars ["lr"] [false] coefficients 1
// CHECK-NEXT: ^bb0(%[[W:.*]]: f32, %[[G:.*]]: f32, %[[PX:.*]]: f32, %[[LR:.*]]: f64, %[[A:.*]]: f32):
// CHECK: math.fma %[[A]], %[[G]], %[[PX]] : f32
// CHECK: arith.subf %[[W]]
// CHECK: muon.variant @variant {{.*}} workspace {{[1-9][0-9]*}} scratch {{[1-9][0-9]*}} {
// CHECK-NEXT: muon.stage {
// CHECK-NEXT: muon.launch @sweep_0 for @tail tiles 1 sizes [64, 128, 64] places [#muon.place<argument = 1, row_axis = 0, column_axis = 1,
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @product_1 for @tail tiles 1 sizes [64, 64, 128, 64, 64, 128] {{.*}} coefficients [-5.000000e-01]
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @product_2 for @tail {{.*}} coefficients [1.500000e+00]
module attributes {muon.target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>} {
  func.func @tail(%w: tensor<64x128xf32> {muon.arg = "weight"}, %g: tensor<64x128xf32> {muon.arg = "gradient"}, %lr: f64 {muon.name = "lr"}) -> tensor<64x128xf32> {
    %a = arith.constant dense<1.5> : tensor<64x128xf32>
    %c = arith.constant dense<-0.5> : tensor<64x64xf32>
    %r = muon.gram left %g : tensor<64x128xf32> -> tensor<64x64xf32>
    %p = arith.mulf %r, %c : tensor<64x64xf32>
    %px = muon.apply left %p, %g : tensor<64x64xf32>, tensor<64x128xf32> -> tensor<64x128xf32>
    %o = math.fma %a, %g, %px : tensor<64x128xf32>
    %step = arith.truncf %lr : f64 to f32
    %steps = tensor.splat %step : tensor<64x128xf32>
    %u = arith.mulf %o, %steps : tensor<64x128xf32>
    %w1 = arith.subf %w, %u : tensor<64x128xf32>
    return %w1 : tensor<64x128xf32>
  }
}

// -----

// Two shapes, three parameters: the kernels and the stages of one. Each stage launches its kernel once per shape.
// CHECK-LABEL: func.func @small
// CHECK-COUNT-3: muon.kernel
// CHECK-NOT: muon.kernel
// CHECK: muon.variant
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @sweep_0 for @small
// CHECK-NEXT: muon.launch @sweep_0 for @large
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @product_1 for @small
// CHECK-NEXT: muon.launch @product_1 for @large
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @product_2 for @small
// CHECK-NEXT: muon.launch @product_2 for @large
// CHECK-NOT: muon.stage
module attributes {muon.target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>} {
  func.func @small(%w: tensor<64x128xf32> {muon.arg = "weight"}, %g: tensor<64x128xf32> {muon.arg = "gradient"}, %lr: f64 {muon.name = "lr"}) -> tensor<64x128xf32> {
    %a = arith.constant dense<1.5> : tensor<64x128xf32>
    %c = arith.constant dense<-0.5> : tensor<64x64xf32>
    %r = muon.gram left %g : tensor<64x128xf32> -> tensor<64x64xf32>
    %p = arith.mulf %r, %c : tensor<64x64xf32>
    %px = muon.apply left %p, %g : tensor<64x64xf32>, tensor<64x128xf32> -> tensor<64x128xf32>
    %o = math.fma %a, %g, %px : tensor<64x128xf32>
    %step = arith.truncf %lr : f64 to f32
    %steps = tensor.splat %step : tensor<64x128xf32>
    %u = arith.mulf %o, %steps : tensor<64x128xf32>
    %w1 = arith.subf %w, %u : tensor<64x128xf32>
    return %w1 : tensor<64x128xf32>
  }
  func.func @large(%w: tensor<96x384xf32> {muon.arg = "weight"}, %g: tensor<96x384xf32> {muon.arg = "gradient"}, %lr: f64 {muon.name = "lr"}) -> tensor<96x384xf32> {
    %a = arith.constant dense<1.5> : tensor<96x384xf32>
    %c = arith.constant dense<-0.5> : tensor<96x96xf32>
    %r = muon.gram left %g : tensor<96x384xf32> -> tensor<96x96xf32>
    %p = arith.mulf %r, %c : tensor<96x96xf32>
    %px = muon.apply left %p, %g : tensor<96x96xf32>, tensor<96x384xf32> -> tensor<96x384xf32>
    %o = math.fma %a, %g, %px : tensor<96x384xf32>
    %step = arith.truncf %lr : f64 to f32
    %steps = tensor.splat %step : tensor<96x384xf32>
    %u = arith.mulf %o, %steps : tensor<96x384xf32>
    %w1 = arith.subf %w, %u : tensor<96x384xf32>
    return %w1 : tensor<96x384xf32>
  }
  muon.program @model {
    muon.use @small parameters ["a"] set "default"
    muon.use @large parameters ["b", "c"] set "default"
  }
}
