// A walk that stops in a room leaves a file that goes on from there: the bytes are those of a straight walk.
// RUN: muon-opt %s --muon-pipeline="stop-after=cpu" -o %t.straight.mlir
// RUN: muon-opt %s --muon-pipeline="stop-after=form" -o %t.form.mlir
// RUN: muon-opt %t.form.mlir --muon-pipeline="stop-after=plan" -o %t.plan.mlir
// RUN: muon-opt %t.plan.mlir --muon-pipeline="stop-after=cpu" -o %t.cpu.mlir
// RUN: diff %t.straight.mlir %t.cpu.mlir
// A room already left is not walked again, and there is no way back.
// RUN: muon-opt %t.plan.mlir --muon-pipeline="stop-after=plan" | diff - %t.plan.mlir
// RUN: not muon-opt %t.plan.mlir --muon-pipeline="stop-after=form" 2>&1 | FileCheck --check-prefix=BACK %s
// BACK: error: expected a module of room form or earlier for stop-after=form, got room plan
// The backends' rooms are for their own targets.
// RUN: not muon-opt %s --muon-pipeline="stop-after=gpu" 2>&1 | FileCheck --check-prefix=CONFLICT %s
// CONFLICT: error: expected stop-after=cpu for target x86-64-v3, got gpu
// RUN: FileCheck --check-prefix=FORM %s < %t.form.mlir
// RUN: FileCheck --check-prefix=PLAN %s < %t.plan.mlir
// RUN: FileCheck --check-prefix=CPU %s < %t.cpu.mlir

// FORM: module attributes {{.*}}muon.room = "form"
// FORM-NOT: muon.orthogonalize
// FORM: muon.gram left
// FORM-NOT: muon.kernel

// PLAN: module attributes {{.*}}muon.room = "plan"
// PLAN: muon.kernel @sweep_0 sweep
// PLAN: muon.kernel {{.*}} product symmetric of f32
// PLAN: muon.variant
// PLAN: muon.launch @sweep_0 for @keller

// CPU: module attributes {{.*}}muon.room = "cpu"
// CPU-NOT: muon.kernel
// CPU: llvm.func @sweep_0(
module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @keller(%w: tensor<64x128xf32> {muon.arg = "weight"}, %g: tensor<64x128xf32> {muon.arg = "gradient"},
                    %m: tensor<64x128xf32> {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                    %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (tensor<64x128xf32>, tensor<64x128xf32>) {
    %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>, tensor<64x128xf32>
    %o = muon.orthogonalize %x table<"keller", 5> operands f32 eps 1.0e-7 : tensor<64x128xf32> -> tensor<64x128xf32>
    %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 1.0 : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>
    return %w1, %m1 : tensor<64x128xf32>, tensor<64x128xf32>
  }
}
