// Every op in its real syntax, parsed, verified and round-tripped. The examples in the ops' descriptions are
// quoted from this file (test/Repository/examples.py).
// RUN: muon-opt %s | muon-opt | FileCheck %s
// RUN: muon-opt %s --mlir-print-op-generic | muon-opt | FileCheck %s

//===----------------------------------------------------------------------------------------------===//
// Semantic ops
//===----------------------------------------------------------------------------------------------===//

// CHECK-LABEL: func.func @orthogonalize
func.func @orthogonalize(%x: tensor<768x3072xf32>) -> tensor<768x3072xf32> {
  // CHECK: muon.orthogonalize %{{.*}} table<"keller", 5> operands bf16 eps {{.*}} eps_form clamp : tensor<768x3072xf32> -> tensor<768x3072xf32>
  %o = muon.orthogonalize %x table<"keller", 5> operands bf16 eps 1.0e-7 eps_form clamp : tensor<768x3072xf32> -> tensor<768x3072xf32>
  return %o : tensor<768x3072xf32>
}

// CHECK-LABEL: func.func @orthogonalize_chosen
func.func @orthogonalize_chosen(%x: tensor<12x64x3072xf32>) -> tensor<12x64x3072xf32> {
  // CHECK: table<"nanogpt_pe", 5> operands f16 norm aol safety 1.020000e+00 form gram side left restarts [1, 3]
  %o = muon.orthogonalize %x table<"nanogpt_pe", 5> operands f16 norm aol safety 1.02
       form gram side left restarts [1, 3] : tensor<12x64x3072xf32> -> tensor<12x64x3072xf32>
  return %o : tensor<12x64x3072xf32>
}

// CHECK-LABEL: func.func @orthogonalize_damped
func.func @orthogonalize_damped(%x: tensor<64x32xf32>) -> tensor<64x32xf32> {
  // CHECK: table<"mine", [{{\[}}1.500000e+00, -5.000000e-01], [1.875000e+00, -1.250000e+00, 3.750000e-01]]> operands f32 norm trace damping
  %o = muon.orthogonalize %x table<"mine", [[1.5, -0.5], [1.875, -1.25, 0.375]]> operands f32 norm trace damping 1.0e-6
       form gram side right : tensor<64x32xf32> -> tensor<64x32xf32>
  return %o : tensor<64x32xf32>
}

// CHECK-LABEL: func.func @orthogonalize_stopping
func.func @orthogonalize_stopping(%x: tensor<12x64x3072xf32>) -> (tensor<12x64x3072xf32>, tensor<12xf32>, tensor<12xf32>) {
  // CHECK: form gram early_stop 3.000000e-01 : tensor<12x64x3072xf32> -> tensor<12x64x3072xf32>, tensor<12xf32>, tensor<12xf32>
  %o, %orthogonality, %steps = muon.orthogonalize %x table<"keller", 5> operands bf16 form gram early_stop 0.3
       : tensor<12x64x3072xf32> -> tensor<12x64x3072xf32>, tensor<12xf32>, tensor<12xf32>
  return %o, %orthogonality, %steps : tensor<12x64x3072xf32>, tensor<12xf32>, tensor<12xf32>
}

// CHECK-LABEL: func.func @choose
func.func @choose(%near: tensor<12xi1>, %x: tensor<12x64x3072xf32>, %o: tensor<12x64x3072xf32>) -> tensor<12x64x3072xf32> {
  // CHECK: muon.choose %{{.*}} of %{{.*}}, %{{.*}} : tensor<12xi1> of tensor<12x64x3072xf32>, tensor<12x64x3072xf32> -> tensor<12x64x3072xf32>
  %early = muon.choose %near of %x, %o : tensor<12xi1> of tensor<12x64x3072xf32>, tensor<12x64x3072xf32> -> tensor<12x64x3072xf32>
  return %early : tensor<12x64x3072xf32>
}

// CHECK-LABEL: func.func @momentum
func.func @momentum(%g: tensor<768x3072xbf16>, %m: tensor<768x3072xf32>, %mu: f64) -> tensor<768x3072xf32> {
  // CHECK: muon.momentum ema %{{.*}}, %{{.*}}, %{{.*}} nesterov : tensor<768x3072xbf16>, tensor<768x3072xf32> -> tensor<768x3072xf32>, tensor<768x3072xf32>
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<768x3072xbf16>, tensor<768x3072xf32> -> tensor<768x3072xf32>, tensor<768x3072xf32>
  // CHECK: muon.momentum sum %{{.*}}, %{{.*}}, %{{.*}} :
  %x2, %m2 = muon.momentum sum %g, %m1, %mu : tensor<768x3072xbf16>, tensor<768x3072xf32> -> tensor<768x3072xf32>, tensor<768x3072xf32>
  return %m2 : tensor<768x3072xf32>
}

// CHECK-LABEL: func.func @update
func.func @update(%w: tensor<768x3072xbf16>, %o: tensor<768x3072xf32>, %lr: f64, %wd: f64) -> tensor<768x3072xbf16> {
  // CHECK: muon.update %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} decay decoupled scale 2.000000e-01 : tensor<768x3072xbf16>, tensor<768x3072xf32> -> tensor<768x3072xbf16>
  %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 0.2 : tensor<768x3072xbf16>, tensor<768x3072xf32> -> tensor<768x3072xbf16>
  // CHECK: decay none
  %w2 = muon.update %w1, %o, %lr, %wd decay none scale 1.0 : tensor<768x3072xbf16>, tensor<768x3072xf32> -> tensor<768x3072xbf16>
  return %w2 : tensor<768x3072xbf16>
}

// CHECK-LABEL: func.func @round
func.func @round(%w: tensor<768x3072xf32>, %half: tensor<768x1536xf32>, %step: i64, %seed: i64) -> tensor<768x3072xbf16> {
  // CHECK: muon.round %{{.*}}, %{{.*}}, %{{.*}} : tensor<768x3072xf32> -> tensor<768x3072xbf16>
  %y = muon.round %w, %step, %seed : tensor<768x3072xf32> -> tensor<768x3072xbf16>
  // CHECK: muon.round %{{.*}}, %{{.*}}, %{{.*}} numbering [1536, 3072, 1] : tensor<768x1536xf32>
  %right = muon.round %half, %step, %seed numbering [1536, 3072, 1] : tensor<768x1536xf32> -> tensor<768x1536xbf16>
  return %y : tensor<768x3072xbf16>
}

// CHECK-LABEL: func.func @diagonal
func.func @diagonal(%s: f32) -> tensor<768x768xf32> {
  // CHECK: muon.diagonal %{{.*}} : tensor<768x768xf32>
  %d = muon.diagonal %s : tensor<768x768xf32>
  return %d : tensor<768x768xf32>
}

// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<768x3072xf32>, %score: tensor<768xf32>) -> tensor<768x3072xf32> {
  // CHECK: muon.top_rows %{{.*}} count 192 : tensor<768xf32> -> tensor<192xi32>, tensor<768xi32>
  %index, %position = muon.top_rows %score count 192 : tensor<768xf32> -> tensor<192xi32>, tensor<768xi32>
  // CHECK: muon.take_rows %{{.*}}, %{{.*}} : tensor<768x3072xf32>, tensor<192xi32> -> tensor<192x3072xf32>
  %top = muon.take_rows %x, %index : tensor<768x3072xf32>, tensor<192xi32> -> tensor<192x3072xf32>
  %back = muon.take_rows %top, %position : tensor<192x3072xf32>, tensor<768xi32> -> tensor<768x3072xf32>
  return %back : tensor<768x3072xf32>
}

//===----------------------------------------------------------------------------------------------===//
// Algebra ops
//===----------------------------------------------------------------------------------------------===//

// CHECK-LABEL: func.func @gram
func.func @gram(%x: tensor<12x64x3072xbf16>) -> tensor<12x64x64xf32> {
  // CHECK: muon.gram left %{{.*}} : tensor<12x64x3072xbf16> -> tensor<12x64x64xf32>
  %r = muon.gram left %x : tensor<12x64x3072xbf16> -> tensor<12x64x64xf32>
  // CHECK: muon.gram right %{{.*}} : tensor<12x64x3072xbf16> -> tensor<12x3072x3072xf32>
  %q = muon.gram right %x : tensor<12x64x3072xbf16> -> tensor<12x3072x3072xf32>
  return %r : tensor<12x64x64xf32>
}

// CHECK-LABEL: func.func @symmetric_matmul
func.func @symmetric_matmul(%r: tensor<64x64xbf16>) -> tensor<64x64xf32> {
  // CHECK: muon.symmetric_matmul %{{.*}}, %{{.*}} : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  %rr = muon.symmetric_matmul %r, %r : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  return %rr : tensor<64x64xf32>
}

// CHECK-LABEL: func.func @apply
func.func @apply(%p: tensor<64x64xf32>, %x: tensor<64x3072xf32>, %y: tensor<3072x64xf32>) -> tensor<64x3072xf32> {
  // CHECK: muon.apply left %{{.*}}, %{{.*}} : tensor<64x64xf32>, tensor<64x3072xf32> -> tensor<64x3072xf32>
  %px = muon.apply left %p, %x : tensor<64x64xf32>, tensor<64x3072xf32> -> tensor<64x3072xf32>
  // CHECK: muon.apply right %{{.*}}, %{{.*}} : tensor<64x64xf32>, tensor<3072x64xf32> -> tensor<3072x64xf32>
  %yp = muon.apply right %p, %y : tensor<64x64xf32>, tensor<3072x64xf32> -> tensor<3072x64xf32>
  return %px : tensor<64x3072xf32>
}

//===----------------------------------------------------------------------------------------------===//
// Programs: which parameters run what, and what is left of it after Plan
//===----------------------------------------------------------------------------------------------===//

func.func @decay(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}, %lr: f64 {muon.name = "lr"}) -> tensor<8x4xf32> {
  %one = arith.constant 1.0 : f64
  %w1 = muon.update %w, %g, %lr, %one decay decoupled scale 1.0 : tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  return %w1 : tensor<8x4xf32>
}

// CHECK: muon.program @gpt {
// CHECK-NEXT: muon.use @decay parameters ["ln_f.weight", "ln_f.bias"] set "others"
muon.program @gpt {
  muon.use @decay parameters ["ln_f.weight", "ln_f.bias"] set "others"
}

// CHECK: muon.kernel @decay_sweep sweep operands [#muon.operand<in, element, plain, f32, none>, {{.*}}] scalars ["lr", "step"] [false, true] coefficients 1
muon.kernel @decay_sweep sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>, #muon.operand<out, scalar, plain, f64, add>]
    scalars ["lr", "step"] [false, true] coefficients 1 {
^bb0(%w: f32, %lr: f64, %step: i64, %c: f32):
  // CHECK: muon.parameter
  %parameter = muon.parameter
  // CHECK: muon.index 1
  %column = muon.index 1
  %lrf = arith.truncf %lr : f64 to f32
  %scaled = arith.mulf %w, %lrf : f32
  %w1 = math.fma %scaled, %c, %w : f32
  %wide = arith.extf %w1 : f32 to f64
  %square = arith.mulf %wide, %wide : f64
  // CHECK: muon.yield %{{.*}}, %{{.*}} : f32, f64
  muon.yield %w1, %square : f32, f64
}

// CHECK: muon.kernel @squares chain of bf16 operands [{{.*}}] scalars [] [] coefficients 1 tile [64]
// CHECK: muon.contract %{{.*}}, %{{.*}} : bf16
muon.kernel @squares chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, bf16, none>]
    scalars [] [] coefficients 1 tile [64] {
^bb0(%r: bf16, %c: f32):
  %square = muon.contract %r, %r : bf16
  %scaled = arith.mulf %square, %c : f32
  %z = arith.truncf %scaled : f32 to bf16
  %fourth = muon.contract %z, %z : bf16
  %q = arith.truncf %fourth : f32 to bf16
  muon.yield %q : bf16
}

// CHECK: muon.kernel @square product symmetric of bf16 operands
muon.kernel @square product symmetric of bf16 operands [#muon.operand<in, element, rows, bf16, none>, #muon.operand<in, element, columns, bf16, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%c: f32):
  muon.yield %c : f32
}

// CHECK: muon.variant @v3 <{{.*}}isa = "fma"{{.*}}> workspace 4096 scratch 1024 {
muon.variant @v3 <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 4096 scratch 1024 {
  // CHECK-NEXT: muon.stage {
  muon.stage {
    // CHECK-NEXT: muon.launch @decay_sweep for @decay tiles 1 sizes [8, 4, 8] places [#muon.place<{{.*}}>, {{.*}}] coefficients [5.000000e-01]
    muon.launch @decay_sweep for @decay tiles 1 sizes [8, 4, 8]
        places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                #muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                #muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 0, matrix_stride = 64, row_stride = 1, column_stride = 0>]
        coefficients [0.5]
  }
}

// A coefficient is printed to its last bit.
// CHECK: muon.variant @bits
// CHECK: coefficients [0.12345678901230001]
muon.variant @bits <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 4096 scratch 1024 {
  muon.stage {
    muon.launch @decay_sweep for @decay tiles 1 sizes [8, 4, 8]
        places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                #muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                #muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 0, matrix_stride = 64, row_stride = 1, column_stride = 0>]
        coefficients [0.12345678901230001]
  }
}
