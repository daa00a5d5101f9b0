// Chains: products of small symmetric matrices that feed each other become one kernel, one block per matrix. Its body is a scalar
// program in which muon.contract stands for the products; only what leaves the chain is stored.
// RUN: muon-opt %s --muon-plan-launches --muon-check-plan --split-input-file | FileCheck %s

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>

// Z = R R + R, Q = Z R + Z: two matrices in one block's memory, for Q takes the place of one of them.
// CHECK-LABEL: func.func @two
// CHECK-SAME: muon.chains = [{matrices = 2 : i64, modelled_block_us = {{.*}}, modelled_launches_us = {{.*}}, products = 2 : i64, shared_bytes = 10240 : i64, side = 40 : i64, taken = "block"}]
// CHECK: muon.kernel @chain_[[N:[0-9]+]] chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, bf16, none>]
// CHECK-SAME: coefficients 0 tile [64]
// CHECK-NEXT: ^bb0(%[[R:.*]]: bf16):
// CHECK-NEXT: %[[S:.*]] = muon.contract %[[R]], %[[R]] : bf16
// CHECK: %[[Z:.*]] = arith.truncf
// CHECK: %[[T:.*]] = muon.contract %[[Z]], %[[R]] : bf16
// CHECK: muon.yield
// CHECK: muon.variant
// The chain is one stage: packing, R, the chain, the product that touches the long side.
// CHECK-COUNT-4: muon.stage
// CHECK-NOT: muon.stage
module attributes {muon.request = #muon.request<target = #sm_80>} {
  func.func @two(%w: tensor<40x96xf32> {muon.arg = "weight"}, %g: tensor<40x96xf32> {muon.arg = "gradient"}) -> tensor<40x96xf32> {
    %x = arith.truncf %g : tensor<40x96xf32> to tensor<40x96xbf16>
    %r = muon.gram left %x : tensor<40x96xbf16> -> tensor<40x40xf32>
    %rh = arith.truncf %r : tensor<40x40xf32> to tensor<40x40xbf16>
    %re = arith.extf %rh : tensor<40x40xbf16> to tensor<40x40xf32>
    %s = muon.symmetric_matmul %rh, %rh : tensor<40x40xbf16>, tensor<40x40xbf16> -> tensor<40x40xf32>
    %z = arith.addf %s, %re : tensor<40x40xf32>
    %zh = arith.truncf %z : tensor<40x40xf32> to tensor<40x40xbf16>
    %ze = arith.extf %zh : tensor<40x40xbf16> to tensor<40x40xf32>
    %t = muon.symmetric_matmul %zh, %rh : tensor<40x40xbf16>, tensor<40x40xbf16> -> tensor<40x40xf32>
    %q = arith.addf %t, %ze : tensor<40x40xf32>
    %qh = arith.truncf %q : tensor<40x40xf32> to tensor<40x40xbf16>
    %o = muon.apply left %qh, %x : tensor<40x40xbf16>, tensor<40x96xbf16> -> tensor<40x96xf32>
    %w1 = arith.subf %w, %o : tensor<40x96xf32>
    return %w1 : tensor<40x96xf32>
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>

// As before, where launches are asked for.
// CHECK-LABEL: func.func @negative_asked
// CHECK-SAME: taken = "launches", why = "asked for"
// CHECK-NOT: muon.kernel {{.*}} chain
// CHECK-COUNT-5: muon.stage
module attributes {muon.request = #muon.request<target = #sm_80>} {
  func.func @negative_asked(%w: tensor<40x96xf32> {muon.arg = "weight"}, %g: tensor<40x96xf32> {muon.arg = "gradient"}) -> tensor<40x96xf32> attributes {muon.request = #muon.request<overrides = {chain = "launches"}>} {
    %x = arith.truncf %g : tensor<40x96xf32> to tensor<40x96xbf16>
    %r = muon.gram left %x : tensor<40x96xbf16> -> tensor<40x40xf32>
    %rh = arith.truncf %r : tensor<40x40xf32> to tensor<40x40xbf16>
    %s = muon.symmetric_matmul %rh, %rh : tensor<40x40xbf16>, tensor<40x40xbf16> -> tensor<40x40xf32>
    %zh = arith.truncf %s : tensor<40x40xf32> to tensor<40x40xbf16>
    %t = muon.symmetric_matmul %zh, %rh : tensor<40x40xbf16>, tensor<40x40xbf16> -> tensor<40x40xf32>
    %qh = arith.truncf %t : tensor<40x40xf32> to tensor<40x40xbf16>
    %o = muon.apply left %qh, %x : tensor<40x40xbf16>, tensor<40x96xbf16> -> tensor<40x96xf32>
    %w1 = arith.subf %w, %o : tensor<40x96xf32>
    return %w1 : tensor<40x96xf32>
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>

// f32 operands: a matrix takes twice the bytes, and a product is itself what the next multiplies.
// CHECK-LABEL: func.func @words
// CHECK-SAME: products = 2 : i64, shared_bytes = 20480 : i64, side = 40 : i64, taken = "block"
// CHECK: muon.kernel {{.*}} chain of f32 operands [#muon.operand<in, element, padded, f32, none>, #muon.operand<out, element, padded, f32, none>]
// CHECK-NEXT: ^bb0(%[[R:.*]]: f32):
// CHECK-NEXT: %[[S:.*]] = muon.contract %[[R]], %[[R]] : f32
// CHECK-NEXT: %[[T:.*]] = muon.contract %[[S]], %[[R]] : f32
// CHECK-NEXT: muon.yield %[[T]] : f32
// CHECK: muon.variant
module attributes {muon.request = #muon.request<target = #sm_80>} {
  func.func @words(%w: tensor<40x96xf32> {muon.arg = "weight"}, %g: tensor<40x96xf32> {muon.arg = "gradient"}) -> tensor<40x96xf32> attributes {muon.request = #muon.request<overrides = {chain = "block"}>} {
    %r = muon.gram left %g : tensor<40x96xf32> -> tensor<40x40xf32>
    %s = muon.symmetric_matmul %r, %r : tensor<40x40xf32>, tensor<40x40xf32> -> tensor<40x40xf32>
    %t = muon.symmetric_matmul %s, %r : tensor<40x40xf32>, tensor<40x40xf32> -> tensor<40x40xf32>
    %o = muon.apply left %t, %g : tensor<40x40xf32>, tensor<40x96xf32> -> tensor<40x96xf32>
    %w1 = arith.subf %w, %o : tensor<40x96xf32>
    return %w1 : tensor<40x96xf32>
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>

// tf32 operands are kept as f32 words, rounded once: Z = R R + R is rounded where it is stored, not where it is multiplied.
// CHECK-LABEL: func.func @rounded_words
// CHECK-SAME: taken = "block"
// CHECK: muon.kernel {{.*}} chain of tf32 operands [#muon.operand<in, element, padded, f32, none>, #muon.operand<out, element, padded, f32, none>]
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK-NEXT: %[[N:.*]] = arith.truncf %[[SUM]] : f32 to tf32
// CHECK-NEXT: %[[Z:.*]] = arith.extf %[[N]] : tf32 to f32
// CHECK: %[[T:.*]] = muon.contract %[[Z]], %{{.*}} : f32
// CHECK: muon.variant
module attributes {muon.request = #muon.request<target = #sm_80>} {
  func.func @rounded_words(%w: tensor<40x96xf32> {muon.arg = "weight"}, %g: tensor<40x96xf32> {muon.arg = "gradient"}) -> tensor<40x96xf32> attributes {muon.request = #muon.request<overrides = {chain = "block"}>} {
    %x = arith.truncf %g : tensor<40x96xf32> to tensor<40x96xtf32>
    %r = muon.gram left %x : tensor<40x96xtf32> -> tensor<40x40xf32>
    %rh = arith.truncf %r : tensor<40x40xf32> to tensor<40x40xtf32>
    %re = arith.extf %rh : tensor<40x40xtf32> to tensor<40x40xf32>
    %s = muon.symmetric_matmul %rh, %rh : tensor<40x40xtf32>, tensor<40x40xtf32> -> tensor<40x40xf32>
    %z = arith.addf %s, %re : tensor<40x40xf32>
    %zh = arith.truncf %z : tensor<40x40xf32> to tensor<40x40xtf32>
    %ze = arith.extf %zh : tensor<40x40xtf32> to tensor<40x40xf32>
    %t = muon.symmetric_matmul %zh, %rh : tensor<40x40xtf32>, tensor<40x40xtf32> -> tensor<40x40xf32>
    %q = arith.addf %t, %ze : tensor<40x40xf32>
    %qh = arith.truncf %q : tensor<40x40xf32> to tensor<40x40xtf32>
    %o = muon.apply left %qh, %x : tensor<40x40xtf32>, tensor<40x96xtf32> -> tensor<40x96xf32>
    %w1 = arith.subf %w, %o : tensor<40x96xf32>
    return %w1 : tensor<40x96xf32>
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>

// The f32 result of the first product is added to the second's: one thread would have to hold both.
// CHECK-LABEL: func.func @negative_two_accumulators
// CHECK-SAME: why = "the f32 result of a product is needed after the next"
// CHECK-NOT: muon.kernel {{.*}} chain
// CHECK: muon.variant
module attributes {muon.request = #muon.request<target = #sm_80>} {
  func.func @negative_two_accumulators(%w: tensor<40x96xf32> {muon.arg = "weight"}, %g: tensor<40x96xf32> {muon.arg = "gradient"}) -> tensor<40x96xf32> attributes {muon.request = #muon.request<overrides = {chain = "block"}>} {
    %x = arith.truncf %g : tensor<40x96xf32> to tensor<40x96xbf16>
    %r = muon.gram left %x : tensor<40x96xbf16> -> tensor<40x40xf32>
    %rh = arith.truncf %r : tensor<40x40xf32> to tensor<40x40xbf16>
    %s = muon.symmetric_matmul %rh, %rh : tensor<40x40xbf16>, tensor<40x40xbf16> -> tensor<40x40xf32>
    %sh = arith.truncf %s : tensor<40x40xf32> to tensor<40x40xbf16>
    %t = muon.symmetric_matmul %sh, %rh : tensor<40x40xbf16>, tensor<40x40xbf16> -> tensor<40x40xf32>
    %q = arith.addf %s, %t : tensor<40x40xf32>
    %qh = arith.truncf %q : tensor<40x40xf32> to tensor<40x40xbf16>
    %o = muon.apply left %qh, %x : tensor<40x40xbf16>, tensor<40x96xbf16> -> tensor<40x96xf32>
    %w1 = arith.subf %w, %o : tensor<40x96xf32>
    return %w1 : tensor<40x96xf32>
  }
}

// -----

// On a chip with less shared memory the report says how much was missing. Three matrices of 192 x 192 are more than 99 KiB.
#small = #muon.chip<name = "RTX A6000", multiprocessors = 84, clock = 1800, fma = 512, shared = 102400, block_shared = 101376, registers = 65536, warps = 48, blocks = 16, l2 = 6291456, l2_rate = 3000, memory_rate = 768>
#sm_86 = #muon.target<cpu = "sm_86", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 102400, l2 = 6291456, chip = #small>

// CHECK-LABEL: func.func @negative_memory
// CHECK-SAME: why = "3 matrices take 119808 bytes of shared memory, a block has 101376"
// CHECK-NOT: muon.kernel {{.*}} chain
// CHECK: muon.variant
module attributes {muon.request = #muon.request<target = #sm_86>} {
  func.func @negative_memory(%w: tensor<192x96xf32> {muon.arg = "weight"}, %g: tensor<192x96xf32> {muon.arg = "gradient"}) -> tensor<192x96xf32> attributes {muon.request = #muon.request<overrides = {chain = "block"}>} {
    %x = arith.truncf %g : tensor<192x96xf32> to tensor<192x96xbf16>
    %r = muon.gram left %x : tensor<192x96xbf16> -> tensor<192x192xf32>
    %rh = arith.truncf %r : tensor<192x192xf32> to tensor<192x192xbf16>
    %s = muon.symmetric_matmul %rh, %rh : tensor<192x192xbf16>, tensor<192x192xbf16> -> tensor<192x192xf32>
    %sh = arith.truncf %s : tensor<192x192xf32> to tensor<192x192xbf16>
    %t = muon.symmetric_matmul %sh, %rh : tensor<192x192xbf16>, tensor<192x192xbf16> -> tensor<192x192xf32>
    %th = arith.truncf %t : tensor<192x192xf32> to tensor<192x192xbf16>
    %u = muon.symmetric_matmul %th, %sh : tensor<192x192xbf16>, tensor<192x192xbf16> -> tensor<192x192xf32>
    %re = arith.extf %rh : tensor<192x192xbf16> to tensor<192x192xf32>
    %q = arith.addf %u, %re : tensor<192x192xf32>
    %qh = arith.truncf %q : tensor<192x192xf32> to tensor<192x192xbf16>
    %o = muon.apply left %qh, %x : tensor<192x192xbf16>, tensor<192x96xbf16> -> tensor<192x96xf32>
    %w1 = arith.subf %w, %o : tensor<192x96xf32>
    return %w1 : tensor<192x96xf32>
  }
}
