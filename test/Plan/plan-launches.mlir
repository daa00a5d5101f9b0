// One cubic step without momentum. Packing is a sweep; the coefficient joins the Gram product's epilogue; aX + PX, the
// learning rate and the write of W join the last product's.
// RUN: muon-opt %s --muon-plan-launches --muon-check-plan --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @tail
// CHECK: muon.kernel @sweep_0 sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, rows, f32, none>, #muon.operand<out, element, columns, f32, none>]
// CHECK: muon.kernel @product_1 product symmetric square of f32 operands
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
module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
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
module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
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

// -----

// A choice: the condition's sum is taken by the product that makes R, the words in a stage of their own, and then either the copy of R runs or the
// product that only the other candidate needs; both write what the last product reads.
// CHECK-LABEL: func.func @early
// CHECK: muon.kernel @product_1 product symmetric {{.*}}#muon.operand<out, scalar, plain, f64, add>]
// CHECK: muon.kernel @sweep_2 sweep operands [#muon.operand<in, scalar, plain, f64, add>, #muon.operand<out, scalar, plain, i32, none>, #muon.operand<out, scalar, plain, i32, none>]
// CHECK: %[[SMALL:.*]] = arith.cmpf ole
// CHECK: %[[SETTLED:.*]] = arith.select %[[SMALL]], %c2_i32
// CHECK: %[[ELSEWHERE:.*]] = arith.select %[[SMALL]], %c0_i32
// CHECK: muon.yield %[[SETTLED]], %[[ELSEWHERE]] : i32, i32
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @sweep_0
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @product_1
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @sweep_2 for @early tiles 1 sizes [1, 1, 32]
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @sweep_3 for @early {{.*}} offset = [[FROM:[0-9]+]], {{.*}} offset = {{[0-9]+}}, {{.*}} offset = [[CHOSEN:[0-9]+]], {{.*}} predicate 1
// CHECK-NEXT: muon.launch @product_4 for @early {{.*}} offset = [[CHOSEN]], {{.*}} predicate 2
// CHECK: muon.stage {
// CHECK-NEXT: muon.launch @product_5 for @early {{.*}} offset = [[CHOSEN]], {{.*}}] coefficients []{{$}}
module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @early(%w: tensor<64x128xf32> {muon.arg = "weight"}, %g: tensor<64x128xf32> {muon.arg = "gradient"}) -> tensor<64x128xf32> {
    %zero = arith.constant dense<0.0> : tensor<f64>
    %bound = arith.constant dense<0.5> : tensor<f64>
    %r = muon.gram left %g : tensor<64x128xf32> -> tensor<64x64xf32>
    %wide = arith.extf %r : tensor<64x64xf32> to tensor<64x64xf64>
    %squares = arith.mulf %wide, %wide : tensor<64x64xf64>
    %s = linalg.reduce { arith.addf } ins(%squares : tensor<64x64xf64>) outs(%zero : tensor<f64>) dimensions = [0, 1]
    %small = arith.cmpf ole, %s, %bound : tensor<f64>
    %rr = muon.symmetric_matmul %r, %r : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
    %p = muon.choose %small of %r, %rr : tensor<i1> of tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
    %u = muon.apply left %p, %g : tensor<64x64xf32>, tensor<64x128xf32> -> tensor<64x128xf32>
    %w1 = arith.subf %w, %u : tensor<64x128xf32>
    return %w1 : tensor<64x128xf32>
  }
}

// -----

// Columns are reduced as rows are, by a sweep of its own whose rows are the matrix's columns: 53 of them here. It reads what is stored for
// a product as its transpose.
// CHECK-LABEL: func.func @columns
// CHECK: muon.kernel @sweep_[[SUM:[0-9]+]] sweep operands [#muon.operand<in, element, rows, f32, none>, #muon.operand<in, scalar, plain, f64, add>, #muon.operand<out, row, plain, f32, add>]
// CHECK: muon.kernel @sweep_{{[0-9]+}} sweep operands [{{.*}}#muon.operand<in, column, plain, f32, none>{{.*}}#muon.operand<out, element, plain, f32, none>]
// CHECK: muon.launch @sweep_[[SUM]] for @columns tiles 1 sizes [53, 37, 64]
module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @columns(%w: tensor<37x53xf32> {muon.arg = "weight"}, %g: tensor<37x53xf32> {muon.arg = "gradient"}, %m: tensor<37x53xf32> {muon.arg = "state", muon.name = "momentum"}) -> (tensor<37x53xf32>, tensor<37x53xf32>) {
    %zero = arith.constant dense<0.0> : tensor<53xf32>
    %e = tensor.empty() : tensor<37x53xf32>
    %x = arith.addf %g, %m : tensor<37x53xf32>
    %r = muon.gram left %x : tensor<37x53xf32> -> tensor<37x37xf32>
    %o = muon.apply left %r, %x : tensor<37x37xf32>, tensor<37x53xf32> -> tensor<37x53xf32>
    %none = arith.constant dense<0.0> : tensor<f32>
    %t = linalg.reduce { arith.addf } ins(%o : tensor<37x53xf32>) outs(%none : tensor<f32>) dimensions = [0, 1]
    %tb = linalg.broadcast ins(%t : tensor<f32>) outs(%e : tensor<37x53xf32>) dimensions = [0, 1]
    %y = arith.mulf %x, %tb : tensor<37x53xf32>
    %s = linalg.reduce { arith.addf } ins(%y : tensor<37x53xf32>) outs(%zero : tensor<53xf32>) dimensions = [0]
    %b = linalg.broadcast ins(%s : tensor<53xf32>) outs(%e : tensor<37x53xf32>) dimensions = [0]
    %u = arith.mulf %o, %b : tensor<37x53xf32>
    %w1 = arith.subf %w, %u : tensor<37x53xf32>
    return %w1, %x : tensor<37x53xf32>, tensor<37x53xf32>
  }
}

// -----

// A step function may have a name that kernels and variants begin with.
module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
// CHECK-LABEL: func.func @sweep_0
// CHECK: muon.kernel @[[KERNEL:sweep_0_[0-9]+]] sweep
// CHECK: muon.variant @variant
// CHECK: muon.launch @[[KERNEL]] for @sweep_0
  func.func @sweep_0(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}) -> tensor<8x4xf32> {
    %w1 = arith.subf %w, %g : tensor<8x4xf32>
    return %w1 : tensor<8x4xf32>
  }
}
