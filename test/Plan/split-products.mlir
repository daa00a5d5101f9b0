// A long k with few blocks is cut into parts, whatever the batch; an attribute overrides the model; processors do not cut.
// RUN: muon-opt %s --split-input-file --muon-split-products | FileCheck %s
// RUN: muon-opt %s --split-input-file --muon-split-products --muon-plan-launches | FileCheck %s --check-prefix=PLAN

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912,
  registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32],
  vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>

module attributes {muon.request = #muon.request<target = #sm_80>} {
  // CHECK-LABEL: func.func @alone
  // CHECK: muon.gram left %{{.*}} {muon.parts = [[PARTS:.*]] : i64} : tensor<256x8192xbf16>
  // CHECK: muon.apply left %{{[a-z0-9]*}}, %{{[a-z0-9]*}} : tensor<256x256xbf16>, tensor<256x8192xbf16>
  // The product stores its parts; a sweep of the next stage adds them, with the epilogue.
  // PLAN-LABEL: func.func @alone
  // PLAN: muon.kernel @[[PRODUCT:.*]] product symmetric square of bf16 operands [{{.*}}, {{.*}}, #muon.operand<out, element, plain, f32, add>]
  // PLAN: ^bb0(%[[SUM:.*]]: f32):
  // PLAN-NEXT: muon.yield %[[SUM]] : f32
  // PLAN: muon.kernel @[[ADD:.*]] sweep operands [#muon.operand<in, element, plain, f32, add>, #muon.operand<out, element, padded, bf16, none>] scalars [] [] coefficients 1
  // PLAN: muon.variant
  // PLAN: muon.launch @[[PRODUCT]] for @alone {{.*}} sizes [256, 256, 8192, [[DEPTH:[0-9]+]]]
  // PLAN: muon.stage {
  // PLAN: muon.launch @[[ADD]] for @alone {{.*}} sizes [256, 256, 1024, [[PARTS:[0-9]+]]]
  func.func @alone(%w: tensor<256x8192xf32> {muon.arg = "weight"}, %g: tensor<256x8192xbf16> {muon.arg = "gradient"}) -> tensor<256x8192xf32> {
    %c = arith.constant dense<-0.5> : tensor<256x256xf32>
    %r = muon.gram left %g : tensor<256x8192xbf16> -> tensor<256x256xf32>
    %p = arith.mulf %r, %c : tensor<256x256xf32>
    %ph = arith.truncf %p : tensor<256x256xf32> to tensor<256x256xbf16>
    %px = muon.apply left %ph, %g : tensor<256x256xbf16>, tensor<256x8192xbf16> -> tensor<256x8192xf32>
    %w1 = arith.addf %w, %px : tensor<256x8192xf32>
    return %w1 : tensor<256x8192xf32>
  }
  // CHECK-LABEL: func.func @batch
  // CHECK: muon.gram left %{{.*}} {muon.parts = [[PARTS]] : i64} : tensor<24x256x8192xbf16>
  func.func @batch(%w: tensor<24x256x8192xf32> {muon.arg = "weight"}, %g: tensor<24x256x8192xbf16> {muon.arg = "gradient"}) -> tensor<24x256x8192xf32> {
    %r = muon.gram left %g : tensor<24x256x8192xbf16> -> tensor<24x256x256xf32>
    %rh = arith.truncf %r : tensor<24x256x256xf32> to tensor<24x256x256xbf16>
    %px = muon.apply left %rh, %g : tensor<24x256x256xbf16>, tensor<24x256x8192xbf16> -> tensor<24x256x8192xf32>
    %w1 = arith.addf %w, %px : tensor<24x256x8192xf32>
    return %w1 : tensor<24x256x8192xf32>
  }
  // What fills the chip is left whole.
  // CHECK-LABEL: func.func @large
  // CHECK: muon.gram left %{{[a-z0-9]*}} : tensor<4096x4096xbf16>
  func.func @large(%w: tensor<4096x4096xf32> {muon.arg = "weight"}, %g: tensor<4096x4096xbf16> {muon.arg = "gradient"}) -> tensor<4096x4096xf32> {
    %r = muon.gram left %g : tensor<4096x4096xbf16> -> tensor<4096x4096xf32>
    %w1 = arith.addf %w, %r : tensor<4096x4096xf32>
    return %w1 : tensor<4096x4096xf32>
  }
  // k is cut at multiples of 32, and no part is empty.
  // CHECK-LABEL: func.func @asked
  // CHECK: muon.gram left %{{.*}} {muon.parts = 4 : i64} : tensor<64x100xbf16>
  func.func @asked(%w: tensor<64x100xf32> {muon.arg = "weight"}, %g: tensor<64x100xbf16> {muon.arg = "gradient"}) -> tensor<64x100xf32> attributes {muon.request = #muon.request<overrides = {parts = 9}>} {
    %r = muon.gram left %g : tensor<64x100xbf16> -> tensor<64x64xf32>
    %rh = arith.truncf %r : tensor<64x64xf32> to tensor<64x64xbf16>
    %px = muon.apply left %rh, %g : tensor<64x64xbf16>, tensor<64x100xbf16> -> tensor<64x100xf32>
    %w1 = arith.addf %w, %px : tensor<64x100xf32>
    return %w1 : tensor<64x100xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // CHECK-LABEL: func.func @processor
  // CHECK: muon.gram left %{{[a-z0-9]*}} : tensor<64x8192xf32>
  func.func @processor(%w: tensor<64x8192xf32> {muon.arg = "weight"}) -> tensor<64x8192xf32> {
    %r = muon.gram left %w {muon.parts = 4} : tensor<64x8192xf32> -> tensor<64x64xf32>
    %px = muon.apply left %r, %w : tensor<64x64xf32>, tensor<64x8192xf32> -> tensor<64x8192xf32>
    return %px : tensor<64x8192xf32>
  }
}
