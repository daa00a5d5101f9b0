// What the dialect refuses in the signature of a step function (C1-C8 of the dialect's description), in muon.program
// and in muon.use.
// RUN: muon-opt %s --verify-diagnostics --split-input-file

// C1
// expected-error@+1 {{expected muon.arg to be a string, got 1 : i64}}
func.func private @negative_role_is_a_number(tensor<8x4xf32> {muon.arg = 1})

// -----

// C1
// expected-error@+1 {{expected the argument attributes muon.arg and muon.name, got muon.role}}
func.func private @negative_unknown_argument_attribute(tensor<8x4xf32> {muon.role = "weight"})

// -----

// C1
// expected-error@+1 {{expected muon.arg to be weight, gradient, state or input, got grad}}
func.func private @negative_unknown_role(tensor<8x4xf32> {muon.arg = "grad"})

// -----

// C1
// expected-error@+1 {{expected the result attribute muon.name = "...", got muon.metric = "norm"}}
func.func private @negative_unknown_result_attribute(tensor<8x4xf32>) -> (tensor<f32> {muon.metric = "norm"})

// -----

// C2
// expected-error@+1 {{expected the weight to be a static ranked tensor, got 'tensor<?x4xf32>'}}
func.func private @negative_dynamic_weight(tensor<?x4xf32> {muon.arg = "weight"}) -> tensor<?x4xf32>

// -----

// C2
// expected-error@+1 {{expected sizes of 1 or more in the weight, got 'tensor<0x4xf32>'}}
func.func private @negative_empty_weight(tensor<0x4xf32> {muon.arg = "weight"}) -> tensor<0x4xf32>

// -----

// C2
// expected-error@+1 {{expected at most 8 dimensions in the weight, got 'tensor<1x1x1x1x1x1x1x4x4xf32>'}}
func.func private @negative_nine_dimensions(tensor<1x1x1x1x1x1x1x4x4xf32> {muon.arg = "weight"}) -> tensor<1x1x1x1x1x1x1x4x4xf32>

// -----

// C2
// expected-error@+1 {{expected the input to have elements of f32, bf16, f16, f64, i32 or i64, got 'tensor<4xi8>'}}
func.func private @negative_bytes(tensor<4xi8> {muon.arg = "input", muon.name = "mask"})

// -----

// C2
// expected-error@+1 {{expected at most 2^40 elements in the weight, got 'tensor<4294967296x4294967296x4xf32>'}}
func.func private @negative_too_many_elements(tensor<4294967296x4294967296x4xf32> {muon.arg = "weight"}) -> tensor<4294967296x4294967296x4xf32>

// -----

// C7, C2
// expected-error@+1 {{expected the metric to have elements of f32, bf16, f16, f64, i32 or i64, got 'tensor<i1>'}}
func.func private @negative_truth(tensor<4x4xf32> {muon.arg = "weight"}) -> (tensor<4x4xf32>, tensor<i1> {muon.name = "finite"})

// -----

// C3
// expected-error@+1 {{expected the state to have a muon.name}}
func.func private @negative_nameless_state(tensor<8x4xf32> {muon.arg = "state"})

// -----

// C4
// expected-error@+1 {{expected one weight, got two}}
func.func private @negative_two_weights(tensor<8x4xf32> {muon.arg = "weight"}, tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>

// -----

// C4
// expected-error@+1 {{expected at most one gradient, got two}}
func.func private @negative_two_gradients(tensor<8x4xf32> {muon.arg = "weight"}, tensor<8x4xf32> {muon.arg = "gradient"},
                                          tensor<8x4xf32> {muon.arg = "gradient"}) -> tensor<8x4xf32>

// -----

// C4
// expected-error@+1 {{expected a gradient of the weight's shape 'tensor<8x4xf32>', got 'tensor<4x8xf32>'}}
func.func private @negative_transposed_gradient(tensor<8x4xf32> {muon.arg = "weight"}, tensor<4x8xf32> {muon.arg = "gradient"}) -> tensor<8x4xf32>

// -----

// C5
// expected-error@+1 {{expected argument 1 to have a role (muon.arg), or to be a named f64 or i64, got 'f64' without a name}}
func.func private @negative_nameless_scalar(tensor<8x4xf32> {muon.arg = "weight"}, f64) -> tensor<8x4xf32>

// -----

// C5: a scalar of another type, or a tensor without a role
// expected-error@+1 {{expected argument 1 to have a role (muon.arg), or to be a named f64 or i64, got 'f32'}}
func.func private @negative_f32_scalar(tensor<8x4xf32> {muon.arg = "weight"}, f32 {muon.name = "lr"}) -> tensor<8x4xf32>

// -----

// C6
// expected-error@+1 {{expected distinct names, got "lr" twice}}
func.func private @negative_name_twice(tensor<8x4xf32> {muon.arg = "weight"}, f64 {muon.name = "lr"}, f64 {muon.name = "lr"}) -> tensor<8x4xf32>

// -----

// C7
// expected-error@+1 {{expected the results to be the new weight and the new states, of types 'tensor<8x4xf32>', 'tensor<8xf32>', got 'tensor<8x4xf32>'}}
func.func private @negative_state_not_returned(tensor<8x4xf32> {muon.arg = "weight"}, tensor<8xf32> {muon.arg = "state", muon.name = "v"}) -> tensor<8x4xf32>

// -----

// C7
// expected-error@+1 {{expected result 1, a metric, to have a muon.name}}
func.func private @negative_nameless_metric(tensor<8x4xf32> {muon.arg = "weight"}) -> (tensor<8x4xf32>, tensor<f32>)

// -----

// C8
// expected-error@+1 {{expected muon.request to be a #muon.request on a module or a function, got "avx2"}}
module attributes {muon.request = "avx2"} {}

// -----

// C8
muon.program @negative_request_elsewhere {
  // expected-error@+1 {{expected muon.request to be a #muon.request on a module or a function, got #muon.request<dtype = f32>}}
  muon.use @f parameters ["w"] set "default" {muon.request = #muon.request<dtype = f32>}
}

// -----

// C8
// expected-error@+1 {{expected target and version in the module's request, got #muon.request<version = 1>}}
func.func private @negative_version_of_a_function() attributes {muon.request = #muon.request<version = 1>}

// -----

// C9
module @negative_other_target attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v4", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 32768, l2 = 1048576>>} {
  // expected-error@+1 {{is planned for cpu "x86-64-v3", but the module's request is for cpu "x86-64-v4"}}
  muon.variant @v <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144> workspace 128 scratch 0 {
  }
}

// -----

// muon.program C1
// expected-error@+1 {{expected at least one muon.use}}
muon.program @negative_empty {
}

// -----

// muon.program C1
muon.program @negative_foreign_op {
  // expected-error@+1 {{expected only muon.use in a muon.program}}
  func.func private @inner()
}

// -----

// muon.program C2
func.func private @step(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
muon.program @negative_parameter_twice {
  muon.use @step parameters ["a"] set "x"
  // expected-error@+1 {{parameter "a" is named twice}}
  muon.use @step parameters ["b", "a"] set "y"
}

// -----

// muon.use C1
muon.program @negative_no_such_function {
  // expected-error@+1 {{expected a func.func, got @step}}
  muon.use @step parameters ["a"] set "x"
}

// -----

// muon.use C1
func.func private @helper(tensor<8x4xf32>) -> tensor<8x4xf32>
muon.program @negative_not_a_step_function {
  // expected-error@+1 {{expected a step function, got @helper, which has no weight argument}}
  muon.use @helper parameters ["a"] set "x"
}

// -----

// muon.use C2
func.func private @step(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
muon.program @negative_no_parameter {
  // expected-error@+1 {{expected at least one parameter}}
  muon.use @step parameters [] set "x"
}

// -----

// muon.use is verified after the muon.program around it, which reads its parameters.
func.func private @step(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
muon.program @negative_parameters_are_numbers {
  // expected-error@+1 {{attribute 'parameters' failed to satisfy constraint: string array attribute}}
  "muon.use"() {function = @step, parameters = [1], set = "x"} : () -> ()
}

// -----

func.func private @step(tensor<8x4xf32> {muon.arg = "weight"}) -> tensor<8x4xf32>
muon.program @negative_parameters_are_missing {
  // expected-error@+1 {{requires attribute 'parameters'}}
  "muon.use"() {function = @step, set = "x"} : () -> ()
}
