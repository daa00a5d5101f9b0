// What the dialect refuses of attributes that rooms write on ops (C10 and C11 of its description).
// RUN: muon-opt %s --verify-diagnostics --split-input-file

// C10
// expected-error@+1 {{unknown attribute muon.nmbering, expected muon.chains, muon.choice, muon.flattened_from, muon.guard, muon.integer_scalars, muon.kernels, muon.parts, muon.predicate, muon.request, muon.room, muon.scalars or muon.tuned}}
func.func private @negative_misspelt() attributes {muon.nmbering = [1]}

// -----

// C10
// expected-error@+1 {{expected muon.chains to be a list of dictionaries on a function, got ["a"]}}
func.func private @negative_chains() attributes {muon.chains = ["a"]}

// -----

// C10
// expected-error@+1 {{expected muon.choice to be a dictionary on a muon.orthogonalize or a list of them on a function, got {}}}
func.func private @negative_choice() attributes {muon.choice = {}}

// -----

// C10
// expected-error@+1 {{expected muon.flattened_from to be an array<i64> on a function, got 16 : i64}}
func.func private @negative_flattened_from() attributes {muon.flattened_from = 16}

// -----

// C10
// expected-error@+1 {{expected muon.kernels to be a unit attribute on a module, got 1 : i64}}
module @negative_kernels attributes {muon.kernels = 1} {}

// -----

// C10
func.func @negative_guard(%x: f32) -> f32 {
  // expected-error@+1 {{expected muon.guard to be 0 or 1 on an op with one result, got 5 : i64}}
  %y = arith.addf %x, %x {muon.guard = 5} : f32
  return %y : f32
}

// -----

// C10
// expected-error@+1 {{expected muon.integer_scalars to be an array<i1> on a module, got [true]}}
module @negative_integer_scalars attributes {muon.integer_scalars = [true]} {}

// -----

// C10
func.func @negative_parts(%x: f32) -> f32 {
  // expected-error@+1 {{expected muon.parts to be a positive integer on a product, got 2 : i64}}
  %y = arith.addf %x, %x {muon.parts = 2} : f32
  return %y : f32
}

// -----

// C10
func.func @negative_no_parts(%x: tensor<4x8xf32>) -> tensor<4x4xf32> {
  // expected-error@+1 {{expected muon.parts to be a positive integer on a product, got 0 : i64}}
  %r = muon.gram left %x {muon.parts = 0} : tensor<4x8xf32> -> tensor<4x4xf32>
  return %r : tensor<4x4xf32>
}

// -----

// C10
func.func @negative_predicate(%w: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{expected muon.predicate to be a unit attribute on an op whose one result is a tensor of i32, got unit}}
  return {muon.predicate} %w : tensor<8x4xf32>
}

// -----

// C10
// expected-error@+1 {{expected muon.room to be a room's name on a module, got "plan"}}
func.func private @negative_room() attributes {muon.room = "plan"}

// -----

// C10
// expected-error@+1 {{expected muon.scalars to be a list of names on a module, got [1]}}
module @negative_scalars attributes {muon.scalars = [1]} {}

// -----

// C10
// expected-error@+1 {{expected muon.tuned to be a string on a function, got 1 : i64}}
func.func private @negative_tuned() attributes {muon.tuned = 1}

// -----

// C11
module attributes {muon.scalars = ["wd"]} {
  // expected-error@+1 {{expected scalars of muon.scalars ["wd"], got "lr"}}
  muon.kernel @negative_scalar sweep operands [#muon.operand<out, element, plain, f64, none>] scalars ["lr"] [false] coefficients 0 {
  ^bb0(%lr: f64):
    muon.yield %lr : f64
  }
}
