// What the GPU room refuses, one test per message.
// RUN: muon-opt %s --muon-lower-blocks --verify-diagnostics --split-input-file

// expected-error@+1 {{expected one muon.variant or a muon.request with a target, got 0 variants}}
module @negative_no_target {
  muon.kernel @k sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
  ^bb0(%c: f32):
    muon.yield %c : f32
  }
}

// -----

// expected-error@+1 {{expected a GPU target, got isa fma}}
module @negative_cpu attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288>>} {
  muon.kernel @k sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
  ^bb0(%c: f32):
    muon.yield %c : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{elements are f32, bf16 or f16}}
  muon.kernel @negative_double sweep operands [#muon.operand<in, element, plain, f64, none>, #muon.operand<out, element, plain, f64, none>] scalars [] [] coefficients 0 {
  ^bb0(%x: f64):
    muon.yield %x : f64
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{a block reads and writes plain and padded matrices}}
  muon.kernel @negative_panel sweep operands [#muon.operand<in, element, columns, f32, none>, #muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{a product's block holds neither whole rows nor columns}}
  muon.kernel @negative_product_row product of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<in, element, padded, bf16, none>, #muon.operand<out, row, plain, f32, add>] scalars [] [] coefficients 0 tile [128, 128, 32, 4, 2, 2] {
  ^bb0(%sum: f32):
    muon.yield %sum : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{results per column are not computed}}
  muon.kernel @negative_column sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, column, plain, f32, add>] scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{the value differs between columns and is not reduced}}
  muon.kernel @negative_row sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, row, plain, f32, none>] scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{the value differs between elements and is not reduced}}
  muon.kernel @negative_scalar sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, scalar, plain, f32, none>] scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  muon.kernel @negative_exponential sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    // expected-error@+1 {{has no instruction sequence in GPU kernels}}
    %y = math.exp %x : f32
    muon.yield %y : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{expected padded or turned operands of one type, f32, bf16 or f16}}
  muon.kernel @negative_operands product of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<in, element, rows, bf16, none>, #muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 0 tile [128, 128, 32, 4, 2, 2] {
  ^bb0(%sum: f32):
    muon.yield %sum : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{expected a tile}}
  muon.kernel @negative_no_tile product of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 0 {
  ^bb0(%sum: f32):
    muon.yield %sum : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{tile [128, 128, 32, 1, 2, 2]: expected blocks of whole 32 rows and columns}}
  muon.kernel @negative_one_stage product of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 0 tile [128, 128, 32, 1, 2, 2] {
  ^bb0(%sum: f32):
    muon.yield %sum : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{tile [128, 128, 32, 11, 2, 2]: expected at most 166912 bytes of shared memory on A100, got 180224}}
  muon.kernel @negative_many_stages product of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 0 tile [128, 128, 32, 11, 2, 2] {
  ^bb0(%sum: f32):
    muon.yield %sum : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{expected operands of f32, tf32, bf16 or f16, got 'f64'}}
  muon.kernel @negative_chain_f64 chain of f64 operands [#muon.operand<in, element, padded, f32, none>, #muon.operand<out, element, padded, f32, none>] scalars [] [] coefficients 0 tile [64] {
  ^bb0(%r: f32):
    %w = arith.extf %r : f32 to f64
    %s = muon.contract %w, %w : f64
    muon.yield %s : f32
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{expected a tile of at most 256}}
  muon.kernel @negative_chain_tile chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, bf16, none>] scalars [] [] coefficients 0 tile [288] {
  ^bb0(%r: bf16):
    %s = muon.contract %r, %r : bf16
    %z = arith.truncf %s : f32 to bf16
    muon.yield %z : bf16
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{one block cannot compute this chain: it reads something else than its operands}}
  muon.kernel @negative_chain_plain chain of bf16 operands [#muon.operand<in, element, plain, bf16, none>, #muon.operand<out, element, padded, bf16, none>] scalars [] [] coefficients 0 tile [64] {
  ^bb0(%r: bf16):
    %s = muon.contract %r, %r : bf16
    %z = arith.truncf %s : f32 to bf16
    muon.yield %z : bf16
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{one block cannot compute this chain: a matrix of it is not behind any of its products}}
  muon.kernel @negative_chain_before chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, bf16, none>] scalars [] [] coefficients 0 tile [64] {
  ^bb0(%r: bf16):
    %e = arith.extf %r : bf16 to f32
    %d = arith.addf %e, %e : f32
    %b = arith.truncf %d : f32 to bf16
    %s = muon.contract %b, %r : bf16
    %z = arith.truncf %s : f32 to bf16
    muon.yield %z : bf16
  }
}

// -----

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>} {
  // expected-error@+1 {{expected at most 166912 bytes of shared memory on A100, got 208896}}
  muon.kernel @negative_chain_memory chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, bf16, none>] scalars [] [] coefficients 0 tile [256] {
  ^bb0(%r: bf16):
    %s = muon.contract %r, %r : bf16
    %z = arith.truncf %s : f32 to bf16
    %t = muon.contract %z, %r : bf16
    %y = arith.truncf %t : f32 to bf16
    %u = muon.contract %y, %z : bf16
    %e = arith.extf %r : bf16 to f32
    %v = arith.addf %u, %e : f32
    %q = arith.truncf %v : f32 to bf16
    muon.yield %q : bf16
  }
}
