// What the semantic and algebra ops refuse, one test per message; C1.. are the constraints of the op's description.
// RUN: muon-opt %s --verify-diagnostics --split-input-file

//===----------------------------------------------------------------------------------------------===//
// muon.orthogonalize
//===----------------------------------------------------------------------------------------------===//

// C1: the domain check names the table and the interval.
func.func @negative_orthogonalize_sign(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{table 'aol_eo' changes sign for sigma in [0.8837, 1]}}
  %o = muon.orthogonalize %x table<"aol_eo", 4> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// A safety factor keeps sigma where the same table is good.
func.func @orthogonalize_safety(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %o = muon.orthogonalize %x table<"aol_eo", 4> operands f32 safety 1.15 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// Two tables that are good up to 1 and not far beyond it.
func.func @orthogonalize_good_up_to_one(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %o = muon.orthogonalize %x table<"cubic5", 5> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
  %p = muon.orthogonalize %o table<"polar_express", 8> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %p : tensor<4x8xf32>
}

// -----

// C1
func.func @negative_orthogonalize_divergence(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{table 'mine' diverges for sigma in [0.73205, 1]}}
  %o = muon.orthogonalize %x table<"mine", [[3.0, -0.5]]> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C8
func.func @negative_orthogonalize_early_stop(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected 0 < early_stop < 1, got 1}}
  %o, %d, %s = muon.orthogonalize %x table<"cubic", 5> operands f32 early_stop 1.0 : tensor<4x8xf32> -> tensor<4x8xf32>, tensor<f32>, tensor<f32>
  return %o : tensor<4x8xf32>
}

// -----

// C8
func.func @negative_orthogonalize_early_stop_of_standard(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{early_stop needs form gram, got standard}}
  %o, %d, %s = muon.orthogonalize %x table<"cubic", 5> operands f32 form standard early_stop 0.3 : tensor<4x8xf32> -> tensor<4x8xf32>, tensor<f32>, tensor<f32>
  return %o : tensor<4x8xf32>
}

// -----

// C8
func.func @negative_orthogonalize_early_stop_on_the_long_side(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{early_stop needs the short side, left, got side right}}
  %o, %d, %s = muon.orthogonalize %x table<"cubic", 5> operands f32 form gram side right early_stop 0.3 : tensor<4x8xf32> -> tensor<4x8xf32>, tensor<f32>, tensor<f32>
  return %o : tensor<4x8xf32>
}

// -----

// C8
func.func @negative_orthogonalize_early_stop_without_metrics(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected 2 metrics, got 0}}
  %o = muon.orthogonalize %x table<"cubic", 5> operands f32 early_stop 0.3 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C8
func.func @negative_orthogonalize_metrics(%x: tensor<3x4x8xf32>) -> tensor<3x4x8xf32> {
  // expected-error@+1 {{expected metrics of one number per matrix of 'tensor<3x4x8xf32>', got 'tensor<f32>'}}
  %o, %d, %s = muon.orthogonalize %x table<"cubic", 5> operands f32 early_stop 0.3 : tensor<3x4x8xf32> -> tensor<3x4x8xf32>, tensor<f32>, tensor<f32>
  return %o : tensor<3x4x8xf32>
}

// -----

// C1
func.func @negative_choose_candidates(%c: tensor<i1>, %x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected a condition or more and one candidate more than conditions, got 1 and 1}}
  %o = muon.choose %c of %x : tensor<i1> of tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C2
func.func @negative_choose_type(%c: tensor<i1>, %x: tensor<4x8xf32>, %y: tensor<4x8xbf16>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected candidates of type 'tensor<4x8xf32>', got 'tensor<4x8xbf16>'}}
  %o = muon.choose %c of %y, %x : tensor<i1> of tensor<4x8xbf16>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C3
func.func @negative_choose_condition(%c: tensor<8xi1>, %x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected conditions of one i1 per matrix of 'tensor<4x8xf32>', got 'tensor<8xi1>'}}
  %o = muon.choose %c of %x, %x : tensor<8xi1> of tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C2
func.func @negative_orthogonalize_damping_without_trace(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{damping > 0 needs norm trace, got norm frobenius and damping 1e-06}}
  %o = muon.orthogonalize %x table<"cubic", 5> operands f32 damping 1.0e-6 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C7
func.func @negative_orthogonalize_trace_without_eps(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{norm trace without damping needs eps >= 1e-12, got 0}}
  %o = muon.orthogonalize %x table<"cubic", 5> operands f32 norm trace : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C7
func.func @negative_orthogonalize_trace_of_f16(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{norm trace without damping needs operands of f32's range, got f16}}
  %o = muon.orthogonalize %x table<"cubic", 5> operands f16 norm trace eps 1.0e-7 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C2
func.func @negative_orthogonalize_damped_standard(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{damping needs form gram and no restarts, got damping 1e-06, form standard and restarts []}}
  %o = muon.orthogonalize %x table<"cubic", 5> operands f32 norm trace damping 1.0e-6 form standard : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C3
func.func @negative_orthogonalize_vector(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{expected a tensor of rank 2 or more, got 'tensor<8xf32>'}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<8xf32> -> tensor<8xf32>
  return %o : tensor<8xf32>
}

// -----

// C3
func.func @negative_orthogonalize_shape(%x: tensor<4x8xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{expected the result of x's shape 'tensor<4x8xf32>', got 'tensor<8x4xf32>'}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<4x8xf32> -> tensor<8x4xf32>
  return %o : tensor<8x4xf32>
}

// -----

// C4
func.func @negative_orthogonalize_restarts_standard(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{restarts need form gram, got standard and restarts [2]}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form standard restarts [2] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_pairs_without_form(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{pairs need form standard, or form gram with restarts, got pairs [0, 2]}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form gram pairs [0, 2] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_pairs_order(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected increasing pairs between 0 and 3, got 0}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form standard pairs [2, 0] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_triple_of_later_rows(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{three rows as one are known for the first three of keller's table, got pairs [1, 2]}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form standard pairs [1, 2] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_triple_of_another_table(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{three rows as one are known for the first three of keller's table, got pairs [0, 1]}}
  %o = muon.orthogonalize %x table<"you5", 5> operands f32 form standard pairs [0, 1] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_four_rows_as_one(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{three rows as one are known for the first three of keller's table, got pairs [0, 1, 2]}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form standard pairs [0, 1, 2] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_triple_without_norm(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{three rows as one need a norm, got norm none and pairs [0, 1]}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 norm none form standard pairs [0, 1] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_pairs_end(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected increasing pairs between 0 and 3, got 4}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form standard pairs [4] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_pairs_of_cubics(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{a pair needs two rows of degree 5 whose last coefficients have one sign, rows 1 and 2 have not}}
  %o = muon.orthogonalize %x table<"cubic", 5> operands f32 form standard pairs [1] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_pairs_parted(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{a restart before row 3 parts the pair of row 2}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form gram restarts [3] pairs [2] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C9
func.func @negative_orthogonalize_pairs_with_early_stop(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{early_stop needs every row's Gram matrix, got pairs [0]}}
  %o, %d, %s = muon.orthogonalize %x table<"keller", 5> operands f32 form gram restarts [] pairs [0] early_stop 0.3 : tensor<4x8xf32> -> tensor<4x8xf32>, tensor<f32>, tensor<f32>
  return %o : tensor<4x8xf32>
}

// -----

// C4
func.func @negative_orthogonalize_restarts_order(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected increasing restarts between 1 and 4, got 2}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form gram restarts [3, 2] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C5
func.func @negative_orthogonalize_safety(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected finite safety >= 1, got 0.5}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 safety 0.5 eps 1.0 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C5
func.func @negative_orthogonalize_infinite_eps(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected finite eps >= 0, got inf}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 eps 0x7FF0000000000000 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C10
func.func @negative_orthogonalize_none_divides(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{norm none divides by nothing: expected safety 1 and eps 0, got 1.1 and 0}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 norm none safety 1.1 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C11
func.func @negative_orthogonalize_exact_bf16(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{accuracy exact and damping need operands f32, got 'bf16'}}
  %o = muon.orthogonalize %x table<"pade", 12> operands bf16 accuracy exact : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C11
func.func @negative_orthogonalize_damped_bf16(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{accuracy exact and damping need operands f32, got 'bf16'}}
  %o = muon.orthogonalize %x table<"cubic", 5> operands bf16 norm trace damping 1.0e-6 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C11
func.func @negative_orthogonalize_exact_gram(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{accuracy exact needs form standard, got gram}}
  %o = muon.orthogonalize %x table<"pade", 12> operands f32 accuracy exact form gram : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// C11
func.func @negative_orthogonalize_exact_early(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{accuracy exact takes every row of its table, got early_stop}}
  %o, %d, %s = muon.orthogonalize %x table<"pade", 12> operands f32 accuracy exact early_stop 0.3 : tensor<4x8xf32> -> tensor<4x8xf32>, tensor<f32>, tensor<f32>
  return %o : tensor<4x8xf32>
}

// -----

// C6
func.func @negative_orthogonalize_operands(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expected operands f32, bf16, f16 or tf32, got 'f64'}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f64 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

// Dynamic shapes are refused by every op's operand types.
func.func @negative_orthogonalize_dynamic(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error@+1 {{operand #0 must be statically shaped tensor of 32-bit float values, but got 'tensor<?x8xf32>'}}
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<?x8xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

//===----------------------------------------------------------------------------------------------===//
// muon.momentum, muon.update, muon.round, muon.diagonal
//===----------------------------------------------------------------------------------------------===//

// -----

// C1
func.func @negative_momentum_shape(%g: tensor<4x8xf32>, %m: tensor<8x4xf32>, %mu: f64) {
  // expected-error@+1 {{expected the momentum of the gradient's shape 'tensor<4x8xf32>', got 'tensor<8x4xf32>'}}
  %x, %m1 = muon.momentum ema %g, %m, %mu : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x8xf32>, tensor<4x8xf32>
  return
}

// -----

// C1
func.func @negative_momentum_x_shape(%g: tensor<4x8xf32>, %m: tensor<4x8xf32>, %mu: f64) {
  // expected-error@+1 {{expected x of the gradient's shape 'tensor<4x8xf32>', got 'tensor<8x4xf32>'}}
  %x, %m1 = muon.momentum ema %g, %m, %mu : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<8x4xf32>, tensor<4x8xf32>
  return
}

// -----

// C1
func.func @negative_momentum_new_shape(%g: tensor<4x8xf32>, %m: tensor<4x8xf32>, %mu: f64) {
  // expected-error@+1 {{expected the new momentum of the gradient's shape 'tensor<4x8xf32>', got 'tensor<8x4xf32>'}}
  %x, %m1 = muon.momentum ema %g, %m, %mu : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>, tensor<8x4xf32>
  return
}

// -----

// C2
func.func @negative_momentum_type(%g: tensor<4x8xf32>, %m: tensor<4x8xf32>, %mu: f64) {
  // expected-error@+1 {{expected the new momentum of the momentum's element type 'f32', got 'bf16'}}
  %x, %m1 = muon.momentum ema %g, %m, %mu : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>, tensor<4x8xbf16>
  return
}

// -----

// C1
func.func @negative_update_shape(%w: tensor<4x8xf32>, %u: tensor<8x4xf32>, %lr: f64) {
  // expected-error@+1 {{expected the update of the weight's shape 'tensor<4x8xf32>', got 'tensor<8x4xf32>'}}
  %w1 = muon.update %w, %u, %lr, %lr decay none scale 1.0 : tensor<4x8xf32>, tensor<8x4xf32> -> tensor<4x8xf32>
  return
}

// -----

// C1
func.func @negative_update_new_shape(%w: tensor<4x8xf32>, %u: tensor<4x8xf32>, %lr: f64) {
  // expected-error@+1 {{expected the new weight of the weight's shape 'tensor<4x8xf32>', got 'tensor<8x4xf32>'}}
  %w1 = muon.update %w, %u, %lr, %lr decay none scale 1.0 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<8x4xf32>
  return
}

// -----

// C2
func.func @negative_update_type(%w: tensor<4x8xbf16>, %u: tensor<4x8xf32>, %lr: f64) {
  // expected-error@+1 {{expected the new weight of the weight's element type 'bf16', got 'f32'}}
  %w1 = muon.update %w, %u, %lr, %lr decay none scale 1.0 : tensor<4x8xbf16>, tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

// C1
func.func @negative_round_shape(%x: tensor<4x8xf32>, %step: i64) {
  // expected-error@+1 {{expected y of x's shape 'tensor<4x8xf32>', got 'tensor<8x4xbf16>'}}
  %y = muon.round %x, %step, %step : tensor<4x8xf32> -> tensor<8x4xbf16>
  return
}

// -----

// C2
func.func @negative_round_numbering(%x: tensor<4x8xf32>, %step: i64) {
  // expected-error@+1 {{expected a numbering of three numbers of 0 or more, got [1]}}
  %y = muon.round %x, %step, %step numbering [1] : tensor<4x8xf32> -> tensor<4x8xbf16>
  return
}

// -----

// C1
func.func @negative_diagonal_shape(%s: f32) {
  // expected-error@+1 {{expected a square result, got 'tensor<4x8xf32>'}}
  %d = muon.diagonal %s : tensor<4x8xf32>
  return
}

//===----------------------------------------------------------------------------------------------===//
// muon.top_rows, muon.take_rows
//===----------------------------------------------------------------------------------------------===//

// -----

// C1
func.func @negative_top_rows_matrix(%s: tensor<4x8xf32>) {
  // expected-error@+1 {{expected a score of rank 1, got 'tensor<4x8xf32>'}}
  %i, %p = muon.top_rows %s count 2 : tensor<4x8xf32> -> tensor<2xi32>, tensor<4xi32>
  return
}

// -----

// C2
func.func @negative_top_rows_count(%s: tensor<4xf32>) {
  // expected-error@+1 {{expected count between 1 and 4, got 5}}
  %i, %p = muon.top_rows %s count 5 : tensor<4xf32> -> tensor<5xi32>, tensor<4xi32>
  return
}

// -----

// C3
func.func @negative_top_rows_results(%s: tensor<4xf32>) {
  // expected-error@+1 {{expected 2 indices and 4 positions, got 'tensor<3xi32>' and 'tensor<4xi32>'}}
  %i, %p = muon.top_rows %s count 2 : tensor<4xf32> -> tensor<3xi32>, tensor<4xi32>
  return
}

// -----

// C1
func.func @negative_take_rows_batch(%x: tensor<2x4x8xf32>, %map: tensor<2xi32>) {
  // expected-error@+1 {{expected x of rank 2 and a map of rank 1, got 'tensor<2x4x8xf32>' and 'tensor<2xi32>'}}
  %y = muon.take_rows %x, %map : tensor<2x4x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

// C2
func.func @negative_take_rows_shape(%x: tensor<4x8xf32>, %map: tensor<2xi32>) {
  // expected-error@+1 {{expected y of type 'tensor<2x8xf32>', got 'tensor<2x4xf32>'}}
  %y = muon.take_rows %x, %map : tensor<4x8xf32>, tensor<2xi32> -> tensor<2x4xf32>
  return
}

//===----------------------------------------------------------------------------------------------===//
// The three products. Their rank is checked by the function that checks muon.orthogonalize's.
//===----------------------------------------------------------------------------------------------===//

// -----

// C1
func.func @negative_gram_vector(%x: tensor<8xf32>) {
  // expected-error@+1 {{expected a tensor of rank 2 or more, got 'tensor<8xf32>'}}
  %r = muon.gram left %x : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

// C2
func.func @negative_gram_side(%x: tensor<4x8xbf16>) {
  // expected-error@+1 {{expected r of type 'tensor<8x8xf32>' for side right, got 'tensor<4x4xf32>'}}
  %r = muon.gram right %x : tensor<4x8xbf16> -> tensor<4x4xf32>
  return
}

// -----

// C1
func.func @negative_symmetric_matmul_square(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{expected a of type 'tensor<4x4xf32>' for side left, got 'tensor<4x8xf32>'}}
  %c = muon.symmetric_matmul %a, %a : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x4xf32>
  return
}

// -----

// C1
func.func @negative_symmetric_matmul_b(%a: tensor<4x4xf32>, %b: tensor<8x8xf32>) {
  // expected-error@+1 {{expected b of a's shape 'tensor<4x4xf32>', got 'tensor<8x8xf32>'}}
  %c = muon.symmetric_matmul %a, %b : tensor<4x4xf32>, tensor<8x8xf32> -> tensor<4x4xf32>
  return
}

// -----

// C1
func.func @negative_symmetric_matmul_c(%a: tensor<4x4xf32>) {
  // expected-error@+1 {{expected c of a's shape 'tensor<4x4xf32>', got 'tensor<8x8xf32>'}}
  %c = muon.symmetric_matmul %a, %a : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<8x8xf32>
  return
}

// -----

// C2
func.func @negative_symmetric_matmul_type(%a: tensor<4x4xf32>, %b: tensor<4x4xbf16>) {
  // expected-error@+1 {{expected b of a's element type 'f32', got 'bf16'}}
  %c = muon.symmetric_matmul %a, %b : tensor<4x4xf32>, tensor<4x4xbf16> -> tensor<4x4xf32>
  return
}

// -----

// C1
func.func @negative_apply_side(%p: tensor<4x4xf32>, %x: tensor<4x8xf32>) {
  // expected-error@+1 {{expected p of type 'tensor<8x8xf32>' for side right, got 'tensor<4x4xf32>'}}
  %y = muon.apply right %p, %x : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

// C2
func.func @negative_apply_type(%p: tensor<4x4xf32>, %x: tensor<4x8xbf16>) {
  // expected-error@+1 {{expected p of x's element type 'bf16', got 'f32'}}
  %y = muon.apply left %p, %x : tensor<4x4xf32>, tensor<4x8xbf16> -> tensor<4x8xf32>
  return
}

// -----

// C3
func.func @negative_apply_shape(%p: tensor<4x4xf32>, %x: tensor<4x8xf32>) {
  // expected-error@+1 {{expected y of x's shape 'tensor<4x8xf32>', got 'tensor<8x4xf32>'}}
  %y = muon.apply left %p, %x : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<8x4xf32>
  return
}

// -----

func.func @negative_momentum_of_f16(%g: tensor<4x8xf32>, %m: tensor<4x8xf16>, %mu: f64) -> tensor<4x8xf32> {
  // expected-error@+1 {{operand #1 must be statically shaped tensor of 32-bit float or bfloat16 type values, but got 'tensor<4x8xf16>'}}
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<4x8xf32>, tensor<4x8xf16> -> tensor<4x8xf32>, tensor<4x8xf16>
  return %x : tensor<4x8xf32>
}
