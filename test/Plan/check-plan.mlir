// Plan's exit contract: one variant, every kernel launched, scalars by name, every place starts inside the workspace.
// RUN: muon-opt %s --muon-check-plan --verify-diagnostics --split-input-file

module attributes {muon.scalars = [], muon.integer_scalars = array<i1>} {
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
func.func private @step(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
muon.variant @good <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144> workspace 128 scratch 0 {
  muon.stage {
    muon.launch @scale for @step tiles 1 sizes [8, 4, 8] places [#muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 0, matrix_stride = 128, row_stride = 4, column_stride = 1>] coefficients [1.0]
  }
}
}

// -----

// expected-error@+1 {{expected one muon.variant after Plan, got 0}}
module @negative_no_variant {}

// -----

module attributes {muon.scalars = [], muon.integer_scalars = array<i1>} {
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
func.func private @step(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
muon.variant @negative_place_outside <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144> workspace 128 scratch 0 {
  muon.stage {
    // expected-error@+1 {{expected places that start inside the workspace of 128 bytes, got offset 128}}
    muon.launch @scale for @step tiles 1 sizes [8, 4, 8] places [#muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 128, matrix_stride = 128, row_stride = 4, column_stride = 1>] coefficients [1.0]
  }
}
}

// -----

module attributes {muon.scalars = [], muon.integer_scalars = array<i1>} {
// expected-error@+1 {{expected at least one launch}}
muon.kernel @scale sweep operands [#muon.operand<out, element, plain, f32, none>] scalars [] [] coefficients 1 {
^bb0(%c: f32):
  muon.yield %c : f32
}
func.func private @step(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
muon.variant @negative_unused_kernel <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144> workspace 128 scratch 0 {
}
}

// -----

// expected-error@+1 {{expected muon.scalars, the names of its scalars, and as many muon.integer_scalars}}
module attributes {muon.scalars = ["lr"], muon.integer_scalars = array<i1>} {
func.func private @step(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
muon.variant @negative_kinds <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144> workspace 128 scratch 0 {
}
}
