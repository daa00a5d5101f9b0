// What was asked for travels with the module: a file left in any room goes on to the bytes of a straight walk, whatever the request says.
// RUN: muon-opt %s --split-input-file --muon-pipeline="stop-after=cpu" -o %t.straight.mlir
// RUN: muon-opt %s --split-input-file --muon-pipeline="stop-after=form" -o %t.form.mlir
// RUN: muon-opt %t.form.mlir --split-input-file --muon-pipeline="stop-after=plan" -o %t.plan.mlir
// RUN: muon-opt %t.plan.mlir --split-input-file --muon-pipeline="stop-after=cpu" -o %t.cpu.mlir
// RUN: diff %t.straight.mlir %t.cpu.mlir
// RUN: FileCheck --check-prefix=FORM %s < %t.form.mlir
// RUN: FileCheck --check-prefix=PLAN %s < %t.plan.mlir
// The same on a GPU, with what only GPUs are asked.
// RUN: sed 's/= #v3, overrides = {/= #sm_80, overrides = {chain = "launches", /; s/"standard", tile/"standard", parts = 2, tile/; s/tile = \[[0-9, ]*\]/tile = [64, 64, 32, 4, 2, 2]/; s/= #v3/= #sm_80/' %s > %t.gpu.mlir
// RUN: muon-opt %t.gpu.mlir --split-input-file --muon-pipeline="stop-after=gpu" -o %t.gpu.straight.mlir
// RUN: muon-opt %t.gpu.mlir --split-input-file --muon-pipeline="stop-after=form" -o %t.gpu.form.mlir
// RUN: muon-opt %t.gpu.form.mlir --split-input-file --muon-pipeline="stop-after=plan" -o %t.gpu.plan.mlir
// RUN: muon-opt %t.gpu.plan.mlir --split-input-file --muon-pipeline="stop-after=gpu" | diff %t.gpu.straight.mlir -
// RUN: FileCheck --check-prefix=GPU %s < %t.gpu.plan.mlir

// The request stays as it was, and says in which version; what came of it is in muon.choice.
// FORM: module attributes {{{.*}}muon.request = #muon.request<target = <cpu = "x86-64-v3", {{.*}}>, overrides = {{{.*}}nonfinite = "skip", restarts = [1, 3], tile = [96, 64]}, version = 1>
// FORM: func.func @all(
// FORM-SAME: muon.choice = [{{{.*}}form = "gram", {{.*}}restarts = array<i64: 1, 3>
// PLAN: muon.kernel {{.*}} product {{.*}} of f32
// PLAN: muon.launch @{{product.*}} for @all tiles 1 sizes [64, 64, 128, 96, 96, 64]
// PLAN-SAME: predicate
// GPU: muon.request = #muon.request<target = <cpu = "sm_80", {{.*}}>, overrides = {chain = "launches", form = "gram", nonfinite = "skip", restarts = [1, 3], tile = [64, 64, 32, 4, 2, 2]}, version = 1>
// GPU: func.func @all({{.*}}muon.chains = [{{{.*}}taken = "launches", why = "asked for"
// GPU: tile [64, 64, 32, 4, 2, 2]
#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912,
  registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32],
  vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
#v3 = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>
module attributes {muon.request = #muon.request<target = #v3, overrides = {form = "gram", restarts = [1, 3], nonfinite = "skip", tile = [96, 64]}>} {
  func.func @all(%w: tensor<64x128xf32> {muon.arg = "weight"}, %g: tensor<64x128xf32> {muon.arg = "gradient"},
                  %m: tensor<64x128xf32> {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                  %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (tensor<64x128xf32>, tensor<64x128xf32>) {
    %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>, tensor<64x128xf32>
    %o = muon.orthogonalize %x table<"keller", 5> eps 1.0e-7 : tensor<64x128xf32> -> tensor<64x128xf32>
    %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 1.0 : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>
    return %w1, %m1 : tensor<64x128xf32>, tensor<64x128xf32>
  }
}

// -----

// An operand type; the step function has a band and a block of its own.
// FORM: module attributes {{{.*}}muon.request = #muon.request<target = <cpu = "x86-64-v3", {{.*}}>, dtype = bf16, version = 1>
// FORM: func.func @own(
// FORM-SAME: floor = 1.000000e-02 : f64, flops = {{[0-9]*}} : i64, form = "standard"
// FORM-SAME: within_band = false
// FORM: muon.gram left {{.*}} : tensor<64x128xbf16>
// GPU: func.func @own(
// GPU: muon.gram left {{.*}} {muon.parts = 2 : i64} : tensor<64x128xbf16>
// PLAN: muon.kernel {{.*}} product {{.*}} of bf16
// PLAN: muon.launch @{{product.*}} for @own tiles 3 sizes [64, 64, 128, 32, 32, 128]
#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912,
  registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32],
  vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
#v3 = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>
module attributes {muon.request = #muon.request<target = #v3, dtype = bf16>} {
  func.func @own(%w: tensor<64x128xf32> {muon.arg = "weight"}, %g: tensor<64x128xf32> {muon.arg = "gradient"},
                  %m: tensor<64x128xf32> {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                  %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (tensor<64x128xf32>, tensor<64x128xf32>) attributes {
      muon.request = #muon.request<band = <floor = 0.01, lower = 0.9, upper = 1.1>, overrides = {form = "standard", tile = [32, 0]}>} {
    %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>, tensor<64x128xf32>
    %o = muon.orthogonalize %x table<"keller", 5> eps 1.0e-7 : tensor<64x128xf32> -> tensor<64x128xf32>
    %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 1.0 : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>
    return %w1, %m1 : tensor<64x128xf32>, tensor<64x128xf32>
  }
}
