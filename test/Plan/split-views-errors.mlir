// What cannot be taken apart, one test per message.
// RUN: muon-opt %s --muon-split-views --verify-diagnostics --split-input-file

func.func @negative_strided(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}) -> tensor<8x4xf32> {
  // expected-error@+1 {{expected elements next to each other, got stride 2}}
  %even = tensor.extract_slice %g[0, 0] [4, 4] [2, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %odd = tensor.extract_slice %g[4, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %w1 = tensor.concat dim(0) %even, %odd : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %w1 : tensor<8x4xf32>
}

// -----

func.func @negative_variable(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}, %n: i64 {muon.name = "n"}) -> tensor<8x4xf32> {
  %i = arith.index_cast %n : i64 to index
  // expected-error@+1 {{expected constant offsets, sizes and strides}}
  %some = tensor.extract_slice %g[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %w1 = tensor.concat dim(0) %some, %some : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %w1 : tensor<8x4xf32>
}

// -----

func.func @negative_product_of_parts(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}) -> tensor<8x4xf32> {
  %top = tensor.extract_slice %g[0, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %bottom = tensor.extract_slice %g[4, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %x = tensor.concat dim(0) %bottom, %top : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  // expected-error@+1 {{takes a matrix that is put together from parts; expected the parts to be multiplied each by itself}}
  %r = muon.gram right %x : tensor<8x4xf32> -> tensor<4x4xf32>
  %w1 = muon.apply right %r, %g : tensor<4x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  return %w1 : tensor<8x4xf32>
}

// -----

func.func @negative_part_of_a_diagonal(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}) -> tensor<8x4xf32> {
  %one = arith.constant 1.0 : f32
  // expected-error@+1 {{cannot be taken apart: expected elementwise operations, broadcasts, reductions and products between views}}
  %i = muon.diagonal %one : tensor<8x8xf32>
  %w1 = tensor.extract_slice %i[0, 2] [8, 4] [1, 1] : tensor<8x8xf32> to tensor<8x4xf32>
  return %w1 : tensor<8x4xf32>
}

// -----

func.func @negative_part_of_a_list(%w: tensor<8x4xf32> {muon.arg = "weight"}, %g: tensor<8x4xf32> {muon.arg = "gradient"}, %s: tensor<2xf32> {muon.arg = "state", muon.name = "s"}) -> (tensor<8x4xf32>, tensor<2xf32>) {
  // expected-error@+1 {{cannot be taken apart: expected one number for all elements}}
  %list = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %s1 = tensor.extract_slice %list[1] [2] [1] : tensor<3xf32> to tensor<2xf32>
  return %w, %s1 : tensor<8x4xf32>, tensor<2xf32>
}

// -----

// expected-error@+1 {{takes apart dimension 0 of 'tensor<2x4x4xf32>', whose matrices are a batch; expected a weight of rank 2}}
func.func @negative_joined_batch(%w: tensor<2x4x4xf32> {muon.arg = "weight"}, %g: tensor<2x4x4xf32> {muon.arg = "gradient"}) -> tensor<2x4x4xf32> {
  %flat = tensor.collapse_shape %g [[0, 1], [2]] : tensor<2x4x4xf32> into tensor<8x4xf32>
  %twice = arith.addf %flat, %flat : tensor<8x4xf32>
  %w1 = tensor.expand_shape %twice [[0, 1], [2]] output_shape [2, 4, 4] : tensor<8x4xf32> into tensor<2x4x4xf32>
  return %w1 : tensor<2x4x4xf32>
}

// -----

func.func @negative_too_many_pieces(%w: tensor<514x2xf32> {muon.arg = "weight"}, %g: tensor<514x2xf32> {muon.arg = "gradient"}) -> tensor<514x2xf32> {
  %x = tensor.expand_shape %g [[0, 1], [2]] output_shape [257, 2, 2] : tensor<514x2xf32> into tensor<257x2x2xf32>
  %y = arith.addf %x, %x : tensor<257x2x2xf32>
  %w1 = tensor.collapse_shape %y [[0, 1], [2]] : tensor<257x2x2xf32> into tensor<514x2xf32>
  // expected-error@+1 {{result 0 is put together from 257 pieces; expected at most 256, or a weight whose first dimension counts them}}
  return %w1 : tensor<514x2xf32>
}
