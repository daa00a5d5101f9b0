// RUN: muon-opt %s -muon-expand-orthogonalize -verify-diagnostics -split-input-file

func.func @no_form(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'muon.orthogonalize' op expected operands, form and side, run muon-choose-form first}}
  %o = muon.orthogonalize %x table<"cubic", 2> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

func.func @no_side(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'muon.orthogonalize' op expected operands, form and side, run muon-choose-form first}}
  %o = muon.orthogonalize %x table<"cubic", 2> operands f32 form standard : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}

// -----

func.func @no_operands(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'muon.orthogonalize' op expected operands, form and side, run muon-choose-form first}}
  %o = muon.orthogonalize %x table<"cubic", 2> form standard side left : tensor<4x8xf32> -> tensor<4x8xf32>
  return %o : tensor<4x8xf32>
}
