// RUN: muon-opt %s -muon-choose-form | FileCheck %s
// RUN: muon-opt %s -muon-choose-form="gram-bound=1e-9" | FileCheck %s --check-prefix=TIGHT

// Wide f32: the gram form is cheaper, and with one restart within the bound.
// CHECK-LABEL: @wide
// CHECK: form gram side left restarts [3]
// CHECK-SAME: muon.choice = {expected_error = 1.8{{[0-9]*}}E-5 : f64, flops = 17213423616 : i64, form = "gram"
// CHECK-SAME: lower = 0.4705{{[0-9]*}} : f64, restarts = array<i64: 3>, steps = 5 : i64, upper = 1.2023{{[0-9]*}} : f64}
// TIGHT-LABEL: @wide
// TIGHT: form standard side left restarts []
func.func @wide(%x: tensor<768x3072xf32>) -> tensor<768x3072xf32> {
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<768x3072xf32> -> tensor<768x3072xf32>
  return %o : tensor<768x3072xf32>
}

// Tall: the other side. bf16 wants two restarts to be nowhere worse than the standard form.
// CHECK-LABEL: @tall_bf16
// CHECK: form gram side right restarts [2, 3]
func.func @tall_bf16(%x: tensor<3072x768xf32>) -> tensor<3072x768xf32> {
  %o = muon.orthogonalize %x table<"keller", 5> operands bf16 : tensor<3072x768xf32> -> tensor<3072x768xf32>
  return %o : tensor<3072x768xf32>
}

// Square: the gram form saves nothing. flops are of the whole batch.
// CHECK-LABEL: @square
// CHECK: form standard side left restarts []
// CHECK-SAME: flops = 1342177280 : i64, form = "standard"
func.func @square(%x: tensor<4x256x256xf32>) -> tensor<4x256x256xf32> {
  %o = muon.orthogonalize %x table<"keller", 5> operands bf16 : tensor<4x256x256xf32> -> tensor<4x256x256xf32>
  return %o : tensor<4x256x256xf32>
}

// Damping: gram without restarts, square too; the emulation knows no damping.
// CHECK-LABEL: @damped
// CHECK: form gram side left restarts []
// CHECK-NOT: expected_error
// CHECK-SAME: form = "gram"
func.func @damped(%x: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %o = muon.orthogonalize %x table<"cubic", 6> operands f32 norm trace damping 1.0e-6 : tensor<64x64xf32> -> tensor<64x64xf32>
  return %o : tensor<64x64xf32>
}

// CHECK-LABEL: @exact
// CHECK: form standard side left restarts []
func.func @exact(%x: tensor<64x512xf32>) -> tensor<64x512xf32> {
  %o = muon.orthogonalize %x table<"pade", 12> operands f32 accuracy exact : tensor<64x512xf32> -> tensor<64x512xf32>
  return %o : tensor<64x512xf32>
}

// What is given stays: the form, the side, the restarts.
// CHECK-LABEL: @given
// CHECK: form standard side left restarts []
// CHECK: form gram side left restarts [3]
// CHECK: form gram side left restarts [1, 2]
// CHECK: form gram side left restarts []
// CHECK: form gram side right restarts [3]
func.func @given(%x: tensor<64x512xf32>) {
  %0 = muon.orthogonalize %x table<"keller", 5> operands f32 form standard : tensor<64x512xf32> -> tensor<64x512xf32>
  %1 = muon.orthogonalize %x table<"keller", 5> operands f32 form gram : tensor<64x512xf32> -> tensor<64x512xf32>
  %2 = muon.orthogonalize %x table<"keller", 5> operands f32 form gram restarts [1, 2] : tensor<64x512xf32> -> tensor<64x512xf32>
  %3 = muon.orthogonalize %x table<"keller", 5> operands f32 form gram restarts [] : tensor<64x512xf32> -> tensor<64x512xf32>
  %4 = muon.orthogonalize %x table<"keller", 5> operands f32 side right : tensor<64x512xf32> -> tensor<64x512xf32>
  return
}

// No restarts help this table's ten steps: standard, or a restart before every row where gram is asked for.
// CHECK-LABEL: @ten_steps
// CHECK: form standard side left restarts []
// CHECK: form gram side left restarts [1, 2, 3, 4, 5, 6, 7, 8, 9]
func.func @ten_steps(%x: tensor<64x512xf32>) {
  %0 = muon.orthogonalize %x table<"deepseek_v4", 10> operands f32 : tensor<64x512xf32> -> tensor<64x512xf32>
  %1 = muon.orthogonalize %x table<"deepseek_v4", 10> operands f32 form gram : tensor<64x512xf32> -> tensor<64x512xf32>
  return
}

// An early stop reads R, so it is the gram form, square too.
// CHECK-LABEL: @stopping
// CHECK: form gram side left restarts [2, 3] early_stop 3.000000e-01
// CHECK-SAME: early_stop = 3.000000e-01 : f64
func.func @stopping(%x: tensor<256x256xf32>) -> tensor<256x256xf32> {
  %o, %orthogonality, %steps = muon.orthogonalize %x table<"keller", 5> operands bf16 early_stop 0.3
      : tensor<256x256xf32> -> tensor<256x256xf32>, tensor<f32>, tensor<f32>
  return %o : tensor<256x256xf32>
}
