// Views become boxes of arguments, products and what is stored anyway; a result in pieces is written piece by piece.
// RUN: muon-opt %s --muon-split-views --split-input-file | FileCheck %s
// RUN: muon-opt %s --split-input-file --muon-split-views | muon-opt --split-input-file --muon-split-views | FileCheck %s

// Each part has a product of its own. The momentum is written with the parts it is computed for.
// CHECK-LABEL: func.func @fused
// CHECK-SAME: %[[W:[^:]*]]: tensor<12x4xf32> {muon.arg = "weight"}, %[[G:[^:]*]]: tensor<12x4xf32> {muon.arg = "gradient"}, %[[M:[^:]*]]: tensor<12x4xf32>
// CHECK-DAG: %[[GQ:.*]] = tensor.extract_slice %[[G]][0, 0] [8, 4] [1, 1]
// CHECK-DAG: %[[MQ:.*]] = tensor.extract_slice %[[M]][0, 0] [8, 4] [1, 1]
// CHECK: %[[Q:.*]] = arith.addf %[[MQ]], %[[GQ]] : tensor<8x4xf32>
// CHECK: muon.gram right %[[Q]] : tensor<8x4xf32> -> tensor<4x4xf32>
// CHECK: %[[OQ:.*]] = muon.apply right
// CHECK-DAG: %[[GK:.*]] = tensor.extract_slice %[[G]][8, 0] [4, 4] [1, 1]
// CHECK-DAG: %[[MK:.*]] = tensor.extract_slice %[[M]][8, 0] [4, 4] [1, 1]
// CHECK: %[[K:.*]] = arith.addf %[[MK]], %[[GK]] : tensor<4x4xf32>
// CHECK: %[[OK:.*]] = muon.apply left
// CHECK-NOT: tensor.concat
// CHECK: %[[WQ:.*]] = tensor.extract_slice %[[W]][0, 0] [8, 4] [1, 1]
// CHECK: %[[W1Q:.*]] = arith.subf %[[WQ]], %[[OQ]] : tensor<8x4xf32>
// CHECK: %[[FIRST:.*]] = tensor.insert_slice %[[W1Q]] into %[[W]][0, 0] [8, 4] [1, 1]
// CHECK: %[[W1K:.*]] = arith.subf %{{.*}}, %[[OK]] : tensor<4x4xf32>
// CHECK: %[[W1:.*]] = tensor.insert_slice %[[W1K]] into %[[FIRST]][8, 0] [4, 4] [1, 1]
// CHECK: %[[MFIRST:.*]] = tensor.insert_slice %[[Q]] into %[[M]][0, 0] [8, 4] [1, 1]
// CHECK: %[[M1:.*]] = tensor.insert_slice %[[K]] into %[[MFIRST]][8, 0] [4, 4] [1, 1]
// CHECK: return %[[W1]], %[[M1]]
func.func @fused(%w: tensor<12x4xf32> {muon.arg = "weight"}, %g: tensor<12x4xf32> {muon.arg = "gradient"}, %m: tensor<12x4xf32> {muon.arg = "state", muon.name = "momentum"}) -> (tensor<12x4xf32>, tensor<12x4xf32>) {
  %x = arith.addf %m, %g : tensor<12x4xf32>
  %q = tensor.extract_slice %x[0, 0] [8, 4] [1, 1] : tensor<12x4xf32> to tensor<8x4xf32>
  %rq = muon.gram right %q : tensor<8x4xf32> -> tensor<4x4xf32>
  %oq = muon.apply right %rq, %q : tensor<4x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  %k = tensor.extract_slice %x[8, 0] [4, 4] [1, 1] : tensor<12x4xf32> to tensor<4x4xf32>
  %rk = muon.gram left %k : tensor<4x4xf32> -> tensor<4x4xf32>
  %ok = muon.apply left %rk, %k : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %o = tensor.concat dim(0) %oq, %ok : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<12x4xf32>
  %w1 = arith.subf %w, %o : tensor<12x4xf32>
  return %w1, %x : tensor<12x4xf32>, tensor<12x4xf32>
}

// -----

// Experts above each other: one product for each, of the kind their batch has.
// CHECK-LABEL: func.func @experts
// CHECK-SAME: %[[G:[^:]*]]: tensor<4x4xf32> {muon.arg = "gradient"}
// CHECK: %[[FIRST:.*]] = tensor.extract_slice %[[G]][0, 0] [2, 4] [1, 1] : tensor<4x4xf32> to tensor<2x4xf32>
// CHECK: muon.gram left %[[FIRST]] : tensor<2x4xf32> -> tensor<2x2xf32>
// CHECK: %[[SECOND:.*]] = tensor.extract_slice %[[G]][2, 0] [2, 4] [1, 1] : tensor<4x4xf32> to tensor<2x4xf32>
// CHECK: muon.gram left %[[SECOND]] : tensor<2x4xf32> -> tensor<2x2xf32>
// CHECK-NOT: tensor<2x2x4xf32>
func.func @experts(%w: tensor<4x4xf32> {muon.arg = "weight"}, %g: tensor<4x4xf32> {muon.arg = "gradient"}) -> tensor<4x4xf32> {
  %x = tensor.expand_shape %g [[0, 1], [2]] output_shape [2, 2, 4] : tensor<4x4xf32> into tensor<2x2x4xf32>
  %r = muon.gram left %x : tensor<2x2x4xf32> -> tensor<2x2x2xf32>
  %o = muon.apply left %r, %x : tensor<2x2x2xf32>, tensor<2x2x4xf32> -> tensor<2x2x4xf32>
  %c = tensor.collapse_shape %o [[0, 1], [2]] : tensor<2x2x4xf32> into tensor<4x4xf32>
  %w1 = arith.subf %w, %c : tensor<4x4xf32>
  return %w1 : tensor<4x4xf32>
}

// -----

// A product is computed as a whole; what is taken of it is read from memory. A row sum of parts beside each other is theirs added up.
// CHECK-LABEL: func.func @taken
// CHECK: %[[P:.*]] = muon.apply left
// CHECK: %[[TOP:.*]] = tensor.extract_slice %[[P]][0, 0] [2, 4] [1, 1] : tensor<4x4xf32> to tensor<2x4xf32>
// CHECK: linalg.reduce { arith.addf } ins(%{{.*}} : tensor<4x3xf32>) outs(%{{.*}} : tensor<4xf32>) dimensions = [1]
// CHECK: linalg.reduce { arith.addf } ins(%{{.*}} : tensor<4x1xf32>) outs(%{{.*}} : tensor<4xf32>) dimensions = [1]
// CHECK: arith.addf %{{.*}}, %{{.*}} : tensor<4xf32>
func.func @taken(%w: tensor<4x4xf32> {muon.arg = "weight"}, %g: tensor<4x4xf32> {muon.arg = "gradient"}, %s: tensor<4xf32> {muon.arg = "state", muon.name = "sums"}) -> (tensor<4x4xf32>, tensor<4xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %r = muon.gram left %g : tensor<4x4xf32> -> tensor<4x4xf32>
  %p = muon.apply left %r, %g : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %top = tensor.extract_slice %p[0, 0] [2, 4] [1, 1] : tensor<4x4xf32> to tensor<2x4xf32>
  %bottom = tensor.extract_slice %g[2, 0] [2, 4] [1, 1] : tensor<4x4xf32> to tensor<2x4xf32>
  %w1 = tensor.concat dim(0) %top, %bottom : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>
  %left = tensor.extract_slice %g[0, 1] [4, 3] [1, 1] : tensor<4x4xf32> to tensor<4x3xf32>
  %right = tensor.extract_slice %g[0, 0] [4, 1] [1, 1] : tensor<4x4xf32> to tensor<4x1xf32>
  %turned = tensor.concat dim(1) %left, %right : (tensor<4x3xf32>, tensor<4x1xf32>) -> tensor<4x4xf32>
  %sums = linalg.reduce { arith.addf } ins(%turned : tensor<4x4xf32>) outs(%zero : tensor<4xf32>) dimensions = [1]
  return %w1, %sums : tensor<4x4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @negative_no_views
// CHECK-NEXT: arith.subf
// CHECK-NEXT: return
func.func @negative_no_views(%w: tensor<4x4xf32> {muon.arg = "weight"}, %g: tensor<4x4xf32> {muon.arg = "gradient"}) -> tensor<4x4xf32> {
  %w1 = arith.subf %w, %g : tensor<4x4xf32>
  return %w1 : tensor<4x4xf32>
}

// -----

// What is rounded in pieces has the numbers it would have as a whole, and a piece of a piece those of the piece.
// CHECK-LABEL: func.func @rounded
// CHECK: muon.round %{{.*}}, %{{.*}}, %{{.*}} numbering [0, 8, 1] : tensor<4x3xf32> -> tensor<4x3xbf16>
// CHECK: muon.round %{{.*}}, %{{.*}}, %{{.*}} numbering [3, 8, 1] : tensor<4x5xf32> -> tensor<4x5xbf16>
// CHECK: muon.round %{{.*}}, %{{.*}}, %{{.*}} numbering [100, 20, 2] : tensor<4x3xf32> -> tensor<4x3xbf16>
// CHECK: muon.round %{{.*}}, %{{.*}}, %{{.*}} numbering [106, 20, 2] : tensor<4x5xf32> -> tensor<4x5xbf16>
func.func @rounded(%w: tensor<4x8xbf16> {muon.arg = "weight"}, %a: tensor<4x3xf32> {muon.arg = "input", muon.name = "a"}, %b: tensor<4x5xf32> {muon.arg = "input", muon.name = "b"}, %m: tensor<4x8xbf16> {muon.arg = "state", muon.name = "m"}, %step: i64 {muon.name = "step"}, %seed: i64 {muon.name = "seed"}) -> (tensor<4x8xbf16>, tensor<4x8xbf16>) {
  %x = tensor.concat dim(1) %a, %b : (tensor<4x3xf32>, tensor<4x5xf32>) -> tensor<4x8xf32>
  %w1 = muon.round %x, %step, %seed : tensor<4x8xf32> -> tensor<4x8xbf16>
  %m1 = muon.round %x, %step, %seed numbering [100, 20, 2] : tensor<4x8xf32> -> tensor<4x8xbf16>
  return %w1, %m1 : tensor<4x8xbf16>, tensor<4x8xbf16>
}
