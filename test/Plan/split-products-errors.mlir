// RUN: muon-opt %s --muon-split-products --verify-diagnostics
#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912,
  registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32],
  vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>

module attributes {muon.target = #sm_80} {
  // expected-error@+1 {{expected muon.parts of at least 1, got 0}}
  func.func @negative_parts(%w: tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32> attributes {muon.parts = 0} {
    return %w : tensor<8x4xf32>
  }
}
