// A GPU's module walks through the GPU room instead of the CPU's, to the same bytes from wherever it stopped.
// RUN: muon-opt %s --muon-pipeline="stop-after=gpu" -o %t.straight.mlir
// RUN: muon-opt %s --muon-pipeline="stop-after=plan" -o %t.plan.mlir
// RUN: muon-opt %t.plan.mlir --muon-pipeline="stop-after=gpu" -o %t.gpu.mlir
// RUN: diff %t.straight.mlir %t.gpu.mlir
// RUN: FileCheck --check-prefix=PLAN %s < %t.plan.mlir
// RUN: FileCheck --check-prefix=GPU %s < %t.gpu.mlir
// RUN: not muon-opt %s --muon-pipeline="stop-after=cpu" 2>&1 | FileCheck %s --check-prefix=CONFLICT

// Of the gradient the sweep has an offset only; operands of products are padded, and adjacent along k on both sides.
// PLAN: module attributes {{.*}}muon.room = "plan"
// PLAN: muon.kernel @sweep_0 sweep {{.*}} gradients [0]
// PLAN: muon.kernel {{.*}} product symmetric square of f32 operands [#muon.operand<in, element, padded, f32, none>, #muon.operand<in, element, turned, f32, none>
// PLAN-SAME: tile [

// GPU: module attributes {{.*}}muon.room = "gpu"
// GPU-NOT: muon.kernel
// GPU: llvm.func @sweep_0(
// GPU-SAME: nvvm.kernel

// CONFLICT: expected stop-after=gpu for target sm_80, got cpu
#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912,
  registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32],
  vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  func.func @keller(%w: tensor<64x128xf32> {muon.arg = "weight"}, %g: tensor<64x128xf32> {muon.arg = "gradient"},
                    %m: tensor<64x128xf32> {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                    %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (tensor<64x128xf32>, tensor<64x128xf32>) {
    %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>, tensor<64x128xf32>
    %o = muon.orthogonalize %x table<"keller", 5> operands f32 eps 1.0e-7 : tensor<64x128xf32> -> tensor<64x128xf32>
    %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 1.0 : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>
    return %w1, %m1 : tensor<64x128xf32>, tensor<64x128xf32>
  }
}
