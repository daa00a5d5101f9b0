// RUN: muon-opt %s -muon-expand-orthogonalize -canonicalize -cse | FileCheck %s

// The norm: f64 sum, one number per matrix, at most 2^126, truncated once, broadcast back.
// CHECK-LABEL: @standard_f32(
// CHECK-SAME: %[[X:[^ ]*]]: tensor<4x8xf32>
// CHECK-DAG: %[[A:.*]] = arith.constant dense<1.500000e+00> : tensor<4x8xf32>
// CHECK-DAG: %[[B:.*]] = arith.constant dense<-5.000000e-01> : tensor<4x4xf32>
// CHECK-DAG: %[[LARGEST:.*]] = arith.constant dense<8.5070591730234615E+37> : tensor<f64>
// CHECK-DAG: %[[EPS:.*]] = arith.constant dense<2.500000e-01> : tensor<f64>
// CHECK: %[[WIDE:.*]] = arith.extf %[[X]] : tensor<4x8xf32> to tensor<4x8xf64>
// CHECK: %[[SQUARES:.*]] = arith.mulf %[[WIDE]], %[[WIDE]] : tensor<4x8xf64>
// CHECK: %[[SUM:.*]] = linalg.reduce { arith.addf } ins(%[[SQUARES]] : tensor<4x8xf64>) outs(%{{.*}} : tensor<f64>) dimensions = [0, 1]
// CHECK: %[[ROOT:.*]] = math.sqrt %[[SUM]] : tensor<f64>
// CHECK: %[[NORM:.*]] = arith.addf %[[ROOT]], %[[EPS]] : tensor<f64>
// CHECK: %[[INVERSE:.*]] = arith.divf %{{.*}}, %[[NORM]] : tensor<f64>
// CHECK: %[[FINITE:.*]] = arith.minimumf %[[INVERSE]], %[[LARGEST]] : tensor<f64>
// CHECK: %[[SINGLE:.*]] = arith.truncf %[[FINITE]] : tensor<f64> to tensor<f32>
// CHECK: %[[EACH:.*]] = linalg.broadcast ins(%[[SINGLE]] : tensor<f32>) outs(%{{.*}} : tensor<4x8xf32>) dimensions = [0, 1]
// CHECK: %[[X0:.*]] = arith.mulf %[[X]], %[[EACH]] : tensor<4x8xf32>
// A cubic costs no symmetric product. f32 operands: nothing is narrowed.
// CHECK: %[[R:.*]] = muon.gram left %[[X0]]
// CHECK: %[[P:.*]] = arith.mulf %[[R]], %[[B]] : tensor<4x4xf32>
// CHECK: %[[PX:.*]] = muon.apply left %[[P]], %[[X0]]
// CHECK: %[[X1:.*]] = math.fma %[[A]], %[[X0]], %[[PX]] : tensor<4x8xf32>
// CHECK: muon.gram left %[[X1]]
// CHECK-NOT: truncf
// CHECK-NOT: muon.symmetric_matmul
func.func @standard_f32(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %o = muon.orthogonalize %x table<"cubic", 2> operands f32 eps 0.25 form standard side left : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// Tall and batched; every stored matrix is narrowed, and the narrowed one is used in epilogues.
// CHECK-LABEL: @standard_bf16(
// CHECK-DAG: %[[A:.*]] = arith.constant dense<3.444500e+00> : tensor<3x8x4xf32>
// CHECK-DAG: %[[B:.*]] = arith.constant dense<-4.775000e+00> : tensor<3x4x4xf32>
// CHECK-DAG: %[[C:.*]] = arith.constant dense<2.031500e+00> : tensor<3x4x4xf32>
// CHECK: linalg.reduce { arith.addf } ins(%{{.*}} : tensor<3x8x4xf64>) outs(%{{.*}} : tensor<3xf64>) dimensions = [1, 2]
// CHECK: arith.maximumf %{{.*}} : tensor<3xf64>
// CHECK: linalg.broadcast ins(%{{.*}} : tensor<3xf32>) outs(%{{.*}} : tensor<3x8x4xf32>) dimensions = [1, 2]
// CHECK: %[[XH:.*]] = arith.truncf %{{.*}} : tensor<3x8x4xf32> to tensor<3x8x4xbf16>
// CHECK: %[[R:.*]] = muon.gram right %[[XH]] : tensor<3x8x4xbf16> -> tensor<3x4x4xf32>
// CHECK: %[[RH:.*]] = arith.truncf %[[R]]
// CHECK: %[[R32:.*]] = arith.extf %[[RH]]
// CHECK: %[[BR:.*]] = arith.mulf %[[R32]], %[[B]]
// CHECK: %[[RR:.*]] = muon.symmetric_matmul %[[RH]], %[[RH]]
// CHECK: %[[P:.*]] = math.fma %[[C]], %[[RR]], %[[BR]]
// CHECK: %[[PH:.*]] = arith.truncf %[[P]]
// CHECK: %[[PX:.*]] = muon.apply right %[[PH]], %[[XH]]
// CHECK: %[[X32:.*]] = arith.extf %[[XH]]
// CHECK: %[[O:.*]] = math.fma %[[A]], %[[X32]], %[[PX]]
// CHECK: return %[[O]] : tensor<3x8x4xf32>
func.func @standard_bf16(%x: tensor<3x8x4xf32>) -> tensor<3x8x4xf32> {
  %o = muon.orthogonalize %x table<"keller", 1> operands bf16 eps 0.25 eps_form clamp form standard side right : tensor<3x8x4xf32> -> tensor<3x8x4xf32>
  return %o : tensor<3x8x4xf32>
}

// Two rows in four symmetric products and one with X: T = R - shift I, T2 = T T, N from T2 T, both factors from N N, and Z with half of a I, a the
// product of both first coefficients. Row by row it takes two grams, two squares and two products with X.
// CHECK-LABEL: @paired(
// CHECK: %[[R:.*]] = muon.gram left %[[X0:[^ ]*]] :
// CHECK: %[[T:.*]] = math.fma %{{.*}}, %{{.*}}, %[[R]] : tensor<4x4xf32>
// CHECK: %[[T2:.*]] = muon.symmetric_matmul %[[T]], %[[T]]
// CHECK: %[[T3:.*]] = muon.symmetric_matmul %[[T2]], %[[T]]
// CHECK: %[[SCALED:.*]] = arith.mulf %[[T3]]
// CHECK: %[[WITH_T2:.*]] = math.fma %{{.*}}, %[[T2]], %[[SCALED]]
// CHECK: %[[WITH_T:.*]] = math.fma %{{.*}}, %[[T]], %[[WITH_T2]]
// CHECK: %[[N:.*]] = math.fma %{{.*}}, %{{.*}}, %[[WITH_T]]
// CHECK: %[[NN:.*]] = muon.symmetric_matmul %[[N]], %[[N]]
// CHECK: math.fma %{{.*}}, %[[N]], %[[NN]]
// CHECK: math.fma %{{.*}}, %[[N]], %[[NN]]
// CHECK: %[[AB:.*]] = muon.symmetric_matmul
// CHECK: math.fma %{{.*}}, %[[N]], %[[AB]]
// CHECK: %[[ZX:.*]] = muon.apply left %{{.*}}, %[[X0]]
// CHECK: %[[O:.*]] = math.fma %{{.*}}, %[[X0]], %[[ZX]] : tensor<4x8xf32>
// CHECK: return %[[O]]
func.func @paired(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %o = muon.orthogonalize %x table<"keller", 2> operands f32 norm none form standard side left pairs [0] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// 2+1: Z holds half of a I, the epilogues the other half; Q takes its identity part in at a block's second step. R moves on
// twice through Z, except at a block's end.
// CHECK-LABEL: @gram(
// CHECK-DAG: %[[HALF:.*]] = arith.constant dense<7.500000e-01> : tensor<4x4xf32>
// CHECK-DAG: %[[WIDEHALF:.*]] = arith.constant dense<7.500000e-01> : tensor<4x8xf32>
// CHECK-DAG: %[[QUARTER:.*]] = arith.constant dense<5.625000e-01> : tensor<4x4xf32>
// CHECK: %[[R:.*]] = muon.gram left %[[X:.*]] : tensor<4x8xf32>
// CHECK: %[[I:.*]] = muon.diagonal
// CHECK: %[[P:.*]] = arith.mulf %[[R]]
// CHECK: %[[Z:.*]] = math.fma %[[HALF]], %[[I]], %[[P]]
// CHECK: %[[ZR:.*]] = muon.symmetric_matmul %[[Z]], %[[R]]
// CHECK: %[[S:.*]] = math.fma %[[HALF]], %[[R]], %[[ZR]]
// CHECK: %[[ZS:.*]] = muon.symmetric_matmul %[[Z]], %[[S]]
// CHECK: %[[R1:.*]] = math.fma %[[HALF]], %[[S]], %[[ZS]]
// CHECK: %[[P1:.*]] = arith.mulf %[[R1]]
// CHECK: %[[Z1:.*]] = math.fma %[[HALF]], %[[I]], %[[P1]]
// CHECK: %[[ZQ:.*]] = muon.symmetric_matmul %[[Z1]], %[[Z]]
// CHECK: %[[Q0:.*]] = math.fma %[[HALF]], %[[Z]], %[[ZQ]]
// CHECK: %[[Q1:.*]] = math.fma %[[HALF]], %[[Z1]], %[[Q0]]
// CHECK: %[[Q:.*]] = math.fma %[[QUARTER]], %[[I]], %[[Q1]]
// CHECK: %[[X1:.*]] = muon.apply left %[[Q]], %[[X]]
// CHECK: %[[R2:.*]] = muon.gram left %[[X1]]
// CHECK: %[[P2:.*]] = arith.mulf %[[R2]]
// CHECK: %[[Z2:.*]] = math.fma %[[HALF]], %[[I]], %[[P2]]
// CHECK: %[[ZX:.*]] = muon.apply left %[[Z2]], %[[X1]]
// CHECK: math.fma %[[WIDEHALF]], %[[X1]], %[[ZX]]
// CHECK-NOT: muon.symmetric_matmul
func.func @gram(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %o = muon.orthogonalize %x table<"cubic", 3> operands f32 form gram side left restarts [2] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// The trace holds k·damping; R = gram X + (damping/N²) I.
// CHECK-LABEL: @damped(
// CHECK-DAG: arith.constant dense<2.000000e+00> : tensor<f64>
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK: %[[I:.*]] = muon.diagonal %[[ONE]] : tensor<4x4xf32>
// CHECK: %[[R:.*]] = muon.gram left
// CHECK: %[[SHIFT:.*]] = linalg.broadcast ins(%{{.*}} : tensor<f32>) outs(%{{.*}} : tensor<4x4xf32>) dimensions = [0, 1]
// CHECK: math.fma %[[SHIFT]], %[[I]], %[[R]] : tensor<4x4xf32>
func.func @damped(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %o = muon.orthogonalize %x table<"cubic", 3> operands f32 norm trace damping 0.5 form gram side left : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// The short side, whichever side R has: what O is does not depend on it.
// CHECK-LABEL: @damped_on_the_long_side(
// CHECK: arith.constant dense<2.000000e+00> : tensor<f64>
func.func @damped_on_the_long_side(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %o = muon.orthogonalize %x table<"cubic", 3> operands f32 norm trace damping 0.5 form gram side right : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// AOL: one scale per row of R, the product of two scales formed first so that R stays symmetric.
// CHECK-LABEL: @aol(
// CHECK: %[[R:.*]] = muon.gram left
// CHECK: %[[ABS:.*]] = math.absf %[[R]]
// CHECK: %[[SUMS:.*]] = linalg.reduce { arith.addf } ins(%[[ABS]] : tensor<4x4xf32>) outs(%{{.*}} : tensor<4xf32>) dimensions = [1]
// CHECK: %[[ROOT:.*]] = math.sqrt %[[SUMS]]
// CHECK: %[[INVERSE:.*]] = arith.divf %{{.*}}, %[[ROOT]]
// CHECK: %[[D:.*]] = arith.minimumf %[[INVERSE]]
// CHECK: %[[DX:.*]] = linalg.broadcast ins(%[[D]] : tensor<4xf32>) outs(%{{.*}} : tensor<4x8xf32>) dimensions = [1]
// CHECK: %[[X1:.*]] = arith.mulf %{{.*}}, %[[DX]] : tensor<4x8xf32>
// CHECK: %[[DI:.*]] = linalg.broadcast ins(%[[D]] : tensor<4xf32>) outs(%{{.*}} : tensor<4x4xf32>) dimensions = [1]
// CHECK: %[[DJ:.*]] = linalg.broadcast ins(%[[D]] : tensor<4xf32>) outs(%{{.*}} : tensor<4x4xf32>) dimensions = [0]
// CHECK: %[[DD:.*]] = arith.mulf %[[DI]], %[[DJ]] : tensor<4x4xf32>
// CHECK: %[[R1:.*]] = arith.mulf %[[R]], %[[DD]] : tensor<4x4xf32>
// CHECK: %[[P:.*]] = arith.mulf %[[R1]]
// CHECK: muon.apply left %[[P]], %[[X1]]
func.func @aol(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %o = muon.orthogonalize %x table<"cubic", 1> operands f32 norm aol form standard side left : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// What was chosen survives, on the function.
// CHECK: func.func @choices
// CHECK-SAME: muon.choice = [{form = "standard"}, {form = "gram"}]
func.func @choices(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = muon.orthogonalize %x table<"cubic", 1> operands f32 norm none form standard side left {muon.choice = {form = "standard"}} : tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = muon.orthogonalize %x table<"cubic", 1> operands f32 norm none form gram side left {muon.choice = {form = "gram"}} : tensor<4x8xf32> -> tensor<4x8xf32>
  return %0, %1 : tensor<4x8xf32>, tensor<4x8xf32>
}

// Before its one row: ‖I - R/μ‖_F = √(k - (tr R)²/Σ R²), 1/μ = tr R/Σ R². Where it is small the factor is I instead of Z (here without the part
// of it that is kept apart), and the result is divided by √μ.
// CHECK-LABEL: @stopping(
// CHECK-DAG: %[[SIDE:.*]] = arith.constant dense<4.000000e+00> : tensor<f64>
// CHECK-DAG: %[[BOUND:.*]] = arith.constant dense<3.000000e-01> : tensor<f64>
// CHECK-DAG: %[[FLOOR:.*]] = arith.constant dense<1.000000e+06> : tensor<f64>
// CHECK: %[[R:.*]] = muon.gram left
// CHECK: %[[SQUARES:.*]] = linalg.reduce
// CHECK: %[[TRACE:.*]] = linalg.reduce
// CHECK: %[[SIZE:.*]] = math.absf %[[TRACE]] : tensor<f64>
// CHECK: %[[SIGNED:.*]] = arith.mulf %[[TRACE]], %[[SIZE]] : tensor<f64>
// CHECK: %[[PART:.*]] = arith.divf %[[SIGNED]], %[[SQUARES]] : tensor<f64>
// CHECK: %[[MISSING:.*]] = arith.subf %[[SIDE]], %[[PART]] : tensor<f64>
// CHECK: %[[DEVIATION:.*]] = math.sqrt
// CHECK: %[[INVERSE:.*]] = arith.divf %[[TRACE]], %[[SQUARES]] : tensor<f64>
// CHECK: %[[NEAR:.*]] = arith.cmpf ole, %[[DEVIATION]], %[[BOUND]] : tensor<f64>
// CHECK: %[[SERVED:.*]] = arith.cmpf ole, %[[INVERSE]], %[[FLOOR]] : tensor<f64>
// CHECK: %[[STOP:.*]] = arith.andi %[[NEAR]], %[[SERVED]] : tensor<i1>
// CHECK: muon.choose %[[STOP]] of %{{.*}}, %{{.*}} : tensor<i1> of tensor<4x4xf32>
// CHECK: muon.apply left
// CHECK: return
func.func @stopping(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<f32>, tensor<f32>) {
  %o, %orthogonality, %steps = muon.orthogonalize %x table<"cubic", 1> operands f32 form gram side left early_stop 0.3
      : tensor<4x8xf32> -> tensor<4x8xf32>, tensor<f32>, tensor<f32>
  return %o, %orthogonality, %steps : tensor<4x8xf32>, tensor<f32>, tensor<f32>
}
