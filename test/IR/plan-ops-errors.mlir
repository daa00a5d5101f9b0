// What kernels, variants, stages and launches refuse, one test per message; C1.. are the constraints of the op's
// description.
// RUN: muon-opt %s --verify-diagnostics --split-input-file

// C1
// expected-error@+1 {{expected 1 scalar kinds, got 0}}
muon.kernel @negative_kernel_scalar_kinds sweep operands [#muon.operand<out, element, plain, f32, none>]
    scalars ["lr"] [] coefficients 0 {
^bb0(%lr: f64):
  %x = arith.truncf %lr : f64 to f32
  muon.yield %x : f32
}

// -----

// expected-error@+1 {{attribute 'num_coefficients' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
muon.kernel @negative_kernel_coefficients sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients -1 {
^bb0:
  %x = arith.constant 0.0 : f32
  muon.yield %x : f32
}

// -----

// C7
// expected-error@+1 {{expected parts to be the plain f32 output of a product, or an input of a sweep, to be added, got operand 0 #muon.operand<out, element, plain, f32, add>}}
muon.kernel @negative_kernel_parts sweep operands [#muon.operand<out, element, plain, f32, add>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}

// -----

// C7
// expected-error@+1 {{expected at most 5 operands in parts, got 6}}
muon.kernel @negative_kernel_many_parts sweep operands [#muon.operand<in, element, plain, f32, add>, #muon.operand<in, element, plain, f32, add>, #muon.operand<in, element, plain, f32, add>, #muon.operand<in, element, plain, f32, add>, #muon.operand<in, element, plain, f32, add>, #muon.operand<in, element, plain, f32, add>,
    #muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 0 {
^bb0(%x0: f32, %x1: f32, %x2: f32, %x3: f32, %x4: f32, %x5: f32):
  muon.yield %x0 : f32
}

// -----

// C1
// expected-error@+1 {{expected 1 body arguments, got 2}}
muon.kernel @negative_kernel_argument_count sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%x: f32, %c: f32):
  muon.yield %x : f32
}

// -----

// C1: a reduced scalar arrives as f64
// expected-error@+1 {{expected body argument 0 of type 'f64', got 'f32'}}
muon.kernel @negative_kernel_argument_type sweep operands [#muon.operand<in, scalar, plain, f32, add>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%x: f32):
  muon.yield %x : f32
}

// -----

// C1
// expected-error@+1 {{expected coefficients of type f32 or f64, got 'bf16'}}
muon.kernel @negative_kernel_coefficient_type sweep operands [#muon.operand<out, element, plain, bf16, none>]
    scalars [] [] coefficients 1 {
^bb0(%c: bf16):
  muon.yield %c : bf16
}

// -----

// C1
// expected-error@+1 {{expected the body to end in muon.yield}}
muon.kernel @negative_kernel_no_yield sweep operands [#muon.operand<in, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%x: f32):
  %y = arith.mulf %x, %x : f32
}

// -----

// C1
// expected-error@+1 {{expected muon.yield of types ('bf16'), got ('f32')}}
muon.kernel @negative_kernel_yield_types sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, bf16, none>]
    scalars [] [] coefficients 0 {
^bb0(%x: f32):
  muon.yield %x : f32
}

// -----

// C2
// expected-error@+1 {{a sweep has no operand type}}
muon.kernel @negative_kernel_sweep_of sweep of bf16 operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%x: f32):
  muon.yield %x : f32
}

// -----

// C2
// expected-error@+1 {{a product needs an operand type and two packed operands}}
muon.kernel @negative_kernel_product_without_type product operands [#muon.operand<in, element, rows, f32, none>, #muon.operand<in, element, columns, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%c: f32):
  muon.yield %c : f32
}

// -----

// C2
// expected-error@+1 {{expected operand 1 to be a packed input, got #muon.operand<in, element, plain, f32, none>}}
muon.kernel @negative_kernel_product_plain product of f32 operands [#muon.operand<in, element, rows, f32, none>, #muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%c: f32):
  muon.yield %c : f32
}

// -----

// C3
// expected-error@+1 {{square needs a symmetric product}}
muon.kernel @negative_kernel_square_sweep sweep square operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%x: f32):
  muon.yield %x : f32
}

// -----

// C3
// expected-error@+1 {{symmetric needs a product}}
muon.kernel @negative_kernel_symmetric_sweep sweep symmetric operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%x: f32):
  muon.yield %x : f32
}

// -----

func.func private @f()
// C4
muon.kernel @negative_kernel_call sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%x: f32):
  // expected-error@+1 {{is not elementwise: a kernel body holds scalar arith and math only}}
  func.call @f() : () -> ()
  muon.yield %x : f32
}

// -----

// C4
muon.kernel @negative_kernel_two_results sweep operands [#muon.operand<out, element, plain, f32, none>] scalars ["step"] [true] coefficients 0 {
^bb0(%step: i64):
  // expected-error@+1 {{expected one result in a kernel body, got 2}}
  %low, %high = arith.mului_extended %step, %step : i64
  %x = arith.sitofp %low : i64 to f32
  muon.yield %x : f32
}

// -----

// C5
// expected-error@+1 {{expected a tile of six positive numbers on a product, got [128, 128, 32]}}
muon.kernel @negative_kernel_tile product of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<in, element, turned, bf16, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 tile [128, 128, 32] {
^bb0(%sum: f32):
  muon.yield %sum : f32
}

// -----

// C6
// expected-error@+1 {{expected gradients to be plain element inputs, got operand 1}}
muon.kernel @negative_kernel_gradients sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 gradients [1] {
^bb0(%g: f32):
  muon.yield %g : f32
}

// -----

// muon.index
muon.kernel @negative_index_axis sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  // expected-error@+1 {{attribute 'axis' failed to satisfy constraint: 64-bit signless integer attribute whose minimum value is 0 whose maximum value is 1}}
  %depth = muon.index 2
  muon.yield %c : f32
}

// -----

// muon.variant C1
muon.variant @negative_variant_foreign_op <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  // expected-error@+1 {{expected only muon.stage in a muon.variant}}
  func.func private @inner()
}

// -----

// muon.variant C2
// expected-error@+1 {{attribute 'workspace' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
muon.variant @negative_variant_workspace <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace -64 scratch 0 {
}

// -----

// muon.variant C2
// expected-error@+1 {{attribute 'scratch' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
muon.variant @negative_variant_scratch <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch -64 {
}

// -----

// muon.stage C1
muon.variant @negative_stage_empty <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  // expected-error@+1 {{expected at least one muon.launch}}
  muon.stage {
  }
}

// -----

// muon.stage C1
muon.variant @negative_stage_foreign_op <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected only muon.launch in a muon.stage}}
    func.func private @inner()
  }
}

// -----

// muon.launch C1
func.func private @step(tensor<4x8xf32> {muon.arg = "weight"}) -> tensor<4x8xf32>
muon.variant @negative_launch_no_kernel <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected a muon.kernel, got @scale}}
    muon.launch @scale for @step tiles 1 sizes [4, 8, 4] places [] coefficients []
  }
}

// -----

// muon.launch C1
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
func.func private @step(tensor<4x8xf32> {muon.arg = "weight"}) -> tensor<4x8xf32>
muon.variant @negative_launch_places <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected 1 places, got 0}}
    muon.launch @scale for @step tiles 1 sizes [4, 8, 4] places [] coefficients [1.0]
  }
}

// -----

// muon.launch C1
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
func.func private @step(tensor<4x8xf32> {muon.arg = "weight"}) -> tensor<4x8xf32>
muon.variant @negative_launch_coefficients <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected 1 coefficients, got 0}}
    muon.launch @scale for @step tiles 1 sizes [4, 8, 4] places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>] coefficients []
  }
}

// -----

// muon.launch C2
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
muon.variant @negative_launch_no_function <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected a func.func, got @step}}
    muon.launch @scale for @step tiles 1 sizes [4, 8, 4] places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>] coefficients [1.0]
  }
}

// -----

// muon.launch C5
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
func.func private @step(tensor<4x8xf32> {muon.arg = "weight"}) -> tensor<4x8xf32>
muon.variant @negative_launch_sizes <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected 3 sizes, got 2}}
    muon.launch @scale for @step tiles 1 sizes [4, 8] places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>] coefficients [1.0]
  }
}

// -----

// muon.launch C4
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
func.func private @step(tensor<4x8xf32> {muon.arg = "weight"}) -> tensor<4x8xf32>
muon.variant @negative_launch_predicate_operand <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected the predicate to be a scalar i32 input, got #muon.operand<out, element, plain, f32, none>}}
    muon.launch @scale for @step tiles 1 sizes [4, 8, 4] places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>] coefficients [1.0] predicate 0
  }
}

// -----

// muon.launch C3
func.func private @step(tensor<4x8xf32> {muon.arg = "weight"}) -> tensor<4x8xf32>
muon.variant @negative_launch_tiles <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{attribute 'tiles' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
    muon.launch @scale for @step tiles 0 sizes [4, 8, 4] places [] coefficients []
  }
}

// -----

// muon.launch C4
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
func.func private @step(tensor<4x8xf32> {muon.arg = "weight"}) -> tensor<4x8xf32>
muon.variant @negative_launch_predicate <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 0 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected a predicate of -1 to 0, got 1}}
    muon.launch @scale for @step tiles 1 sizes [4, 8, 4] places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>] coefficients [1.0] predicate 1
  }
}

// -----

// C5
// expected-error@+1 {{expected a chain's tile to be one positive multiple of 32, got [48]}}
muon.kernel @negative_chain_tile chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, f32, none>]
    scalars [] [] coefficients 0 tile [48] {
^bb0(%r: bf16):
  %s = muon.contract %r, %r : bf16
  muon.yield %s : f32
}

// -----

// C8
// expected-error@+1 {{a chain needs an operand type and at least one muon.contract}}
muon.kernel @negative_chain_empty chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, bf16, none>]
    scalars [] [] coefficients 0 tile [64] {
^bb0(%r: bf16):
  muon.yield %r : bf16
}

// -----

// C8
muon.kernel @negative_chain_type chain of bf16 operands [#muon.operand<in, element, padded, f32, none>, #muon.operand<out, element, padded, f32, none>]
    scalars [] [] coefficients 0 tile [64] {
^bb0(%r: f32):
  // expected-error@+1 {{expected operands of type 'bf16', got 'f32'}}
  %s = muon.contract %r, %r : f32
  muon.yield %s : f32
}

// -----

// C8
muon.kernel @negative_contract_in_sweep sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
    scalars [] [] coefficients 0 {
^bb0(%r: f32):
  // expected-error@+1 {{expected a kernel of kind chain around it}}
  %s = muon.contract %r, %r : f32
  muon.yield %s : f32
}
