// What Plan refuses, one test per message.
// RUN: muon-opt %s --muon-plan-launches --verify-diagnostics --split-input-file

// expected-error@+1 {{expected a muon.request with a target}}
module @negative_no_target {}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{expected a step function with a body}}
  func.func private @negative_declaration(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_open_list(%w: tensor<8x4xf32> {muon.arg = "weight"}, %lr: f64 {muon.name = "lr"}) -> tensor<8x4xf32> {
    // expected-error@+1 {{cannot be planned: expected an op of Form's closed list}}
    %w1 = muon.update %w, %w, %lr, %lr decay none scale 1.0 : tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
    return %w1 : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_batch_sum(%w: tensor<2x8x4xf32> {muon.arg = "weight"}) -> tensor<2x8x4xf32> {
    %zero = arith.constant dense<0.0> : tensor<f32>
    %e = tensor.empty() : tensor<2x8x4xf32>
    // expected-error@+1 {{reduces batch dimension 0; matrices of a batch are independent}}
    %s = linalg.reduce { arith.addf } ins(%w : tensor<2x8x4xf32>) outs(%zero : tensor<f32>) dimensions = [0, 1, 2]
    %b = linalg.broadcast ins(%s : tensor<f32>) outs(%e : tensor<2x8x4xf32>) dimensions = [0, 1, 2]
    %w1 = arith.subf %w, %b : tensor<2x8x4xf32>
    return %w1 : tensor<2x8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "sm_80", features = "", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>>>} {
  func.func @negative_choice_on_a_gpu(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}) -> tensor<8x4xf32> {
    %zero = arith.constant dense<0.0> : tensor<f32>
    %s = linalg.reduce { arith.addf } ins(%g : tensor<8x4xf32>) outs(%zero : tensor<f32>) dimensions = [0, 1]
    %c = arith.cmpf ole, %s, %zero : tensor<f32>
    // expected-error@+1 {{needs a CPU target: launches of a GPU are not skipped by matrix, got sm_80}}
    %o = muon.choose %c of %w, %g : tensor<i1> of tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
    return %o : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{expected the request's tile for a CPU to be a side of 32 to 512, a multiple of 32, and 0 or a multiple of 64 elements of k, got [48, 0]}}
  func.func @negative_tile(%w: tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32> attributes {muon.request = #muon.request<overrides = {tile = [48, 0]}>} {
    return %w : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_view(%w: tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32> {
    %q = tensor.extract_slice %w[0, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    // expected-error@+1 {{'tensor.concat' op is a view: expected muon-split-views before}}
    %k = tensor.concat dim(0) %q, %q : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
    return %k : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @first(%w: tensor<8x4xf32> {muon.arg = "weight"}, %lr: f64 {muon.name = "lr"}) -> tensor<8x4xf32> {
    %w1 = arith.addf %w, %w : tensor<8x4xf32>
    return %w1 : tensor<8x4xf32>
  }
  // expected-error@+1 {{expected scalar "lr" to be a float as in another step function, got 'i64'}}
  func.func @negative_two_types(%w: tensor<8x4xf32> {muon.arg = "weight"}, %lr: i64 {muon.name = "lr"}) -> tensor<8x4xf32> {
    %w1 = arith.addf %w, %w : tensor<8x4xf32>
    return %w1 : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_batch_of_an_input(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}, %i: tensor<2x8x4xf32> {muon.arg = "input", muon.name = "i"}) -> tensor<8x4xf32> {
    %zero = arith.constant dense<0.0> : tensor<8x4xf32>
    // expected-error@+1 {{is a batch of matrices, 'tensor<2x8x4xf32>', in a step of single ones; expected every view of it to take one matrix}}
    %twice = arith.addf %i, %i : tensor<2x8x4xf32>
    %sum = linalg.reduce { arith.addf } ins(%twice : tensor<2x8x4xf32>) outs(%zero : tensor<8x4xf32>) dimensions = [0]
    %top = tensor.extract_slice %sum[0, 0] [8, 4] [1, 1] : tensor<8x4xf32> to tensor<8x4xf32>
    return %top : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_shared_product(%w: tensor<2x8x8xf32> {muon.arg = "weight"}, %i: tensor<8x8xf32> {muon.arg = "input", muon.name = "i"}) -> tensor<2x8x8xf32> {
    %e = tensor.empty() : tensor<2x8x8xf32>
    // expected-error@+1 {{takes 'tensor<8x8xf32>', which all matrices of the batch [2] share; expected one for each}}
    %r = muon.gram left %i : tensor<8x8xf32> -> tensor<8x8xf32>
    %b = linalg.broadcast ins(%r : tensor<8x8xf32>) outs(%e : tensor<2x8x8xf32>) dimensions = [0]
    %w1 = arith.addf %w, %b : tensor<2x8x8xf32>
    return %w1 : tensor<2x8x8xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{expected result 1 to be one for each matrix of the batch, got 'tensor<f32>'}}
  func.func @negative_shared_state(%w: tensor<2x8x8xf32> {muon.arg = "weight"}, %s: tensor<f32> {muon.arg = "state", muon.name = "s"}) -> (tensor<2x8x8xf32>, tensor<f32>) {
    %s1 = arith.addf %s, %s : tensor<f32>
    return %w, %s1 : tensor<2x8x8xf32>, tensor<f32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_condition_of_a_row(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}, %v: tensor<8xf32> {muon.arg = "input", muon.name = "v"}) -> tensor<8x4xf32> {
    %c = arith.cmpf ole, %v, %v : tensor<8xf32>
    // expected-error@+1 {{chooses by 'tensor<8xi1>'; expected one condition for each matrix of the batch []}}
    %o = muon.choose %c of %w, %g : tensor<8xi1> of tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
    return %o : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @f(%w: tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32> {
    return %w : tensor<8x4xf32>
  }
  muon.program @first { muon.use @f parameters ["x"] set "s" }
  // expected-error@+1 {{expected at most one muon.program in a module, got a second}}
  muon.program @negative_second_program { muon.use @f parameters ["x"] set "s" }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{expected at most 2^32 - 1 tiles in a launch, got 2147483648 matrices of 3}}
  func.func @negative_tiles(%w: tensor<2147483648x64x4xf32> {muon.arg = "weight"}) -> tensor<2147483648x64x4xf32> attributes {muon.request = #muon.request<overrides = {tile = [32, 0]}>} {
    %r = muon.gram left %w : tensor<2147483648x64x4xf32> -> tensor<2147483648x64x64xf32>
    %w1 = muon.apply left %r, %w : tensor<2147483648x64x64xf32>, tensor<2147483648x64x4xf32> -> tensor<2147483648x64x4xf32>
    return %w1 : tensor<2147483648x64x4xf32>
  }
}

// -----

#v3 = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>
module attributes {muon.request = #muon.request<target = #v3>} {
  func.func @negative_two_inputs(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}) -> tensor<8x4xf32> {
    %z = arith.constant dense<0.0> : tensor<8xf32>
    // expected-error@+1 {{expected one input to plan}}
    %s, %t = linalg.reduce ins(%w, %g : tensor<8x4xf32>, tensor<8x4xf32>) outs(%z, %z : tensor<8xf32>, tensor<8xf32>) dimensions = [1]
      (%a: f32, %b: f32, %c: f32, %d: f32) {
        %x = arith.addf %a, %c : f32
        %y = arith.addf %b, %d : f32
        linalg.yield %x, %y : f32, f32
      }
    %r = linalg.broadcast ins(%s : tensor<8xf32>) outs(%w : tensor<8x4xf32>) dimensions = [1]
    return %r : tensor<8x4xf32>
  }
}

// -----

#v3 = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>
module attributes {muon.request = #muon.request<target = #v3>} {
  func.func @negative_smaller_batch(%w: tensor<2x8x4xf32> {muon.arg = "weight"}, %g: tensor<2x8x4xf32> {muon.arg = "gradient"}) -> tensor<2x8x4xf32> {
    // expected-error@+1 {{is a batch of matrices, 'tensor<2x2x4x4xf32>', in a step of a smaller batch; expected every view of it to take one matrix}}
    %x = tensor.expand_shape %g [[0], [1, 2], [3]] output_shape [2, 2, 4, 4] : tensor<2x8x4xf32> into tensor<2x2x4x4xf32>
    %r = muon.gram left %x : tensor<2x2x4x4xf32> -> tensor<2x2x4x4xf32>
    %o = muon.apply left %r, %x : tensor<2x2x4x4xf32>, tensor<2x2x4x4xf32> -> tensor<2x2x4x4xf32>
    %c = tensor.collapse_shape %o [[0], [1, 2], [3]] : tensor<2x2x4x4xf32> into tensor<2x8x4xf32>
    return %c : tensor<2x8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{expected a step function, a function with a weight}}
  func.func @negative_no_weight(%w: tensor<4x4xf32>, %lr: f64) -> tensor<4x4xf32> {
    return %w : tensor<4x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "sm_80", features = "", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>>>} {
  // expected-error@+1 {{expected at most 5 products in parts that one sweep reads, got 6}}
  func.func @negative_many_parts(%w: tensor<64x8192xf32> {muon.arg = "weight"}) -> tensor<64x8192xf32> {
    %x0 = arith.addf %w, %w : tensor<64x8192xf32>
    %x1 = arith.addf %x0, %w : tensor<64x8192xf32>
    %x2 = arith.addf %x1, %w : tensor<64x8192xf32>
    %x3 = arith.addf %x2, %w : tensor<64x8192xf32>
    %x4 = arith.addf %x3, %w : tensor<64x8192xf32>
    %x5 = arith.addf %x4, %w : tensor<64x8192xf32>
    %r0 = muon.gram left %x0 {muon.parts = 4} : tensor<64x8192xf32> -> tensor<64x64xf32>
    %r1 = muon.gram left %x1 {muon.parts = 4} : tensor<64x8192xf32> -> tensor<64x64xf32>
    %r2 = muon.gram left %x2 {muon.parts = 4} : tensor<64x8192xf32> -> tensor<64x64xf32>
    %r3 = muon.gram left %x3 {muon.parts = 4} : tensor<64x8192xf32> -> tensor<64x64xf32>
    %r4 = muon.gram left %x4 {muon.parts = 4} : tensor<64x8192xf32> -> tensor<64x64xf32>
    %r5 = muon.gram left %x5 {muon.parts = 4} : tensor<64x8192xf32> -> tensor<64x64xf32>
    %s1 = arith.addf %r0, %r1 : tensor<64x64xf32>
    %s2 = arith.addf %s1, %r2 : tensor<64x64xf32>
    %s3 = arith.addf %s2, %r3 : tensor<64x64xf32>
    %s4 = arith.addf %s3, %r4 : tensor<64x64xf32>
    %s5 = arith.addf %s4, %r5 : tensor<64x64xf32>
    %y = muon.apply left %s5, %w : tensor<64x64xf32>, tensor<64x8192xf32> -> tensor<64x8192xf32>
    return %y : tensor<64x8192xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_unguarded_predicate(%w: tensor<8x4xf32> {muon.arg = "weight"}, %s: tensor<i32> {muon.arg = "input", muon.name = "s"}) -> tensor<8x4xf32> {
    // expected-error@+1 {{expected one muon.predicate in a function, on an op with muon.guard}}
    %word = arith.addi %s, %s {muon.predicate} : tensor<i32>
    return %w : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_predicate_of_a_row(%w: tensor<8x4xf32> {muon.arg = "weight"}, %s: tensor<8xi32> {muon.arg = "input", muon.name = "s"}) -> tensor<8x4xf32> {
    // expected-error@+1 {{expected muon.predicate on one word for each matrix of the batch [], got 'tensor<8xi32>'}}
    %word = arith.addi %s, %s {muon.guard = 1, muon.predicate} : tensor<8xi32>
    return %w : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_stray_guard(%w: tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32> {
    // expected-error@+1 {{expected muon.guard only where the word of muon.predicate is made}}
    %w1 = arith.addf %w, %w {muon.guard = 1} : tensor<8x4xf32>
    return %w1 : tensor<8x4xf32>
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @negative_gap_in_the_guard(%w: tensor<8x4xf32> {muon.arg = "weight"}, %s: tensor<i32> {muon.arg = "input", muon.name = "s"}) -> tensor<8x4xf32> {
    // expected-error@+1 {{expected muon.guard wherever the word of muon.predicate is made}}
    %twice = arith.addi %s, %s : tensor<i32>
    %word = arith.addi %twice, %s {muon.guard = 1, muon.predicate} : tensor<i32>
    return %w : tensor<8x4xf32>
  }
}
