// DEFINE: %{choose} = --pass-pipeline='builtin.module(func.func(muon-choose-form),builtin.module(func.func(muon-choose-form)))'
// RUN: muon-opt %s %{choose} | FileCheck %s
// RUN: muon-opt %s -muon-choose-form="gram-bound=1e-9" | FileCheck %s --check-prefix=TIGHT

// Wide f32: the gram form is cheaper, and with one restart within the bound. The first block is a triple, the second a pair.
// Beside it stands what was not chosen.
// CHECK-LABEL: @wide
// CHECK: form gram side left restarts [3] pairs [0, 1, 3]
// CHECK-SAME: muon.choice = {alternatives = [{bytes = {{.*}}form = "standard", {{.*}}form = "gram", pairs = array<i64: 3>, restarts = array<i64>}], bytes = {{[0-9]+}} : i64, cost = {{[0-9]+}} : i64, expected_error = 3.5{{[0-9]*}}E-5 : f64, flops = 15401484288 : i64, form = "gram"
// CHECK-SAME: lower = 0.4705{{[0-9]*}} : f64, pairs = array<i64: 0, 1, 3>, restarts = array<i64: 3>, steps = 5 : i64, upper = 1.2023{{[0-9]*}} : f64}
// TIGHT-LABEL: @wide
// TIGHT: form standard side left restarts [] pairs [0, 2]
func.func @wide(%x: tensor<768x3072xf32>) -> tensor<768x3072xf32> {
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<768x3072xf32> -> tensor<768x3072xf32>
  return %o : tensor<768x3072xf32>
}

// Tall: the other side. bf16 wants two restarts to be nowhere worse than the standard form.
// CHECK-LABEL: @tall_bf16
// CHECK: form gram side right restarts [2, 3] pairs []
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

// Square f32: three rows are one step and the last two another, but where what that stores weighs more than the products
// it saves. Without a norm singular values may exceed 1, where a triple is not its rows.
// CHECK-LABEL: @square_f32
// CHECK: form gram side left restarts [3] pairs [0, 1, 3]
// CHECK-SAME: expected_error = 3.5{{[0-9]*}}E-5 : f64, flops = 7247757312 : i64
// CHECK: form standard side left restarts [] pairs []
// CHECK-SAME: expected_error = 2.0{{[0-9]*}}E-5 : f64, flops = 41943040 : i64
// CHECK: norm none form standard side left restarts [] pairs [0, 2]
// CHECK-SAME: expected_error = 1.4{{[0-9]*}}E-5 : f64, flops = 8153726976 : i64
func.func @square_f32(%x: tensor<768x768xf32>, %small: tensor<128x128xf32>) {
  %0 = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<768x768xf32> -> tensor<768x768xf32>
  %1 = muon.orthogonalize %small table<"keller", 5> operands f32 : tensor<128x128xf32> -> tensor<128x128xf32>
  %2 = muon.orthogonalize %x table<"keller", 5> operands f32 norm none : tensor<768x768xf32> -> tensor<768x768xf32>
  return
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

// What is given stays: the form, the side, the restarts, the pairs.
// CHECK-LABEL: @given
// CHECK: form standard side left restarts []
// CHECK: form gram side left restarts [3]
// CHECK: form gram side left restarts [1, 2]
// CHECK: form gram side left restarts []
// CHECK: form standard side right restarts []
// CHECK: form standard side left restarts [] pairs [1]
// CHECK: form gram side left restarts [2] pairs [0]
func.func @given(%x: tensor<64x512xf32>) {
  %0 = muon.orthogonalize %x table<"keller", 5> operands f32 form standard : tensor<64x512xf32> -> tensor<64x512xf32>
  %1 = muon.orthogonalize %x table<"keller", 5> operands f32 form gram : tensor<64x512xf32> -> tensor<64x512xf32>
  %2 = muon.orthogonalize %x table<"keller", 5> operands f32 form gram restarts [1, 2] : tensor<64x512xf32> -> tensor<64x512xf32>
  %3 = muon.orthogonalize %x table<"keller", 5> operands f32 form gram restarts [] : tensor<64x512xf32> -> tensor<64x512xf32>
  %4 = muon.orthogonalize %x table<"keller", 5> operands f32 side right : tensor<64x512xf32> -> tensor<64x512xf32>
  %5 = muon.orthogonalize %x table<"keller", 5> operands f32 form standard pairs [1] : tensor<64x512xf32> -> tensor<64x512xf32>
  %6 = muon.orthogonalize %x table<"keller", 5> operands bf16 form gram restarts [2] pairs [0] : tensor<64x512xf32> -> tensor<64x512xf32>
  return
}

// Restarts given without a form are the gram form's, should it be the cheaper.
// CHECK-LABEL: @given_restarts
// CHECK: form gram side left restarts [] pairs []
// CHECK-SAME: expected_error = 6.1{{[0-9]*}}E-4
// CHECK: form standard side left restarts []
func.func @given_restarts(%x: tensor<64x1024xf32>, %square: tensor<64x64xf32>) {
  %0 = muon.orthogonalize %x table<"keller", 5> operands f32 restarts [] : tensor<64x1024xf32> -> tensor<64x1024xf32>
  %1 = muon.orthogonalize %square table<"keller", 5> operands f32 restarts [] : tensor<64x64xf32> -> tensor<64x64xf32>
  return
}

// R of the longer side costs what it costs there.
// CHECK-LABEL: @given_side
// CHECK: form standard side right
// CHECK-SAME: flops = 922746880
func.func @given_side(%x: tensor<64x512xf32>) -> tensor<64x512xf32> {
  %o = muon.orthogonalize %x table<"keller", 5> operands f32 form standard side right pairs [] : tensor<64x512xf32> -> tensor<64x512xf32>
  return %o : tensor<64x512xf32>
}

// A safety factor keeps what rounding lifts above 1 within the table.
// CHECK-LABEL: @safe
// CHECK: expected_error = {{0\.[0-9]*}} : f64
func.func @safe(%x: tensor<64x128xf32>) -> tensor<64x128xf32> {
  %o = muon.orthogonalize %x table<"cans", 5> operands bf16 safety 1.05 : tensor<64x128xf32> -> tensor<64x128xf32>
  return %o : tensor<64x128xf32>
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
// CHECK: form gram side left restarts [2, 3] pairs [] early_stop 3.000000e-01
// CHECK-SAME: early_stop = 3.000000e-01 : f64
func.func @stopping(%x: tensor<256x256xf32>) -> tensor<256x256xf32> {
  %o, %orthogonality, %steps = muon.orthogonalize %x table<"keller", 5> operands bf16 early_stop 0.3
      : tensor<256x256xf32> -> tensor<256x256xf32>, tensor<f32>, tensor<f32>
  return %o : tensor<256x256xf32>
}

// Operands left open: bf16, and f32 for what needs it.
// CHECK-LABEL: @open_operands
// CHECK: operands bf16 form gram
// CHECK: operands f32 norm trace damping
// CHECK: operands f32 accuracy exact
func.func @open_operands(%x: tensor<64x512xf32>) {
  %0 = muon.orthogonalize %x table<"keller", 5> : tensor<64x512xf32> -> tensor<64x512xf32>
  %1 = muon.orthogonalize %x table<"cubic", 6> norm trace damping 1.0e-6 : tensor<64x512xf32> -> tensor<64x512xf32>
  %2 = muon.orthogonalize %x table<"pade", 12> accuracy exact : tensor<64x512xf32> -> tensor<64x512xf32>
  return
}

// What is asked for fills in what an op leaves open; the step function's own request wins over the module's, part by part. Its band is reported from
// the floor asked for, and a table that leaves it is not refused.
// CHECK-LABEL: module @asked
module @asked attributes {muon.request = #muon.request<dtype = f16, overrides = {form = "gram", restarts = [2]}>} {
  // CHECK-LABEL: @by_module
  // CHECK: operands f16 form gram side left restarts [2]
  // CHECK: operands f32 form standard side left restarts []
  func.func @by_module(%x: tensor<64x512xf32>) {
    %0 = muon.orthogonalize %x table<"keller", 5> : tensor<64x512xf32> -> tensor<64x512xf32>
    %1 = muon.orthogonalize %x table<"keller", 5> operands f32 form standard restarts [] : tensor<64x512xf32> -> tensor<64x512xf32>
    return
  }
  // CHECK-LABEL: @by_function
  // CHECK: operands bf16 form gram side left restarts [1, 3] pairs [3]
  // CHECK-SAME: floor = 1.000000e-02 : f64, flops = {{[0-9]*}} : i64, form = "gram"
  // CHECK-SAME: within_band = true
  // CHECK: table<"cubic", 5>
  // CHECK-SAME: within_band = false
  func.func @by_function(%x: tensor<64x512xf32>)
      attributes {muon.request = #muon.request<dtype = bf16, band = <floor = 0.01, lower = 0.6, upper = 1.3>, overrides = {restarts = [1, 3], pairs = [3]}>} {
    %0 = muon.orthogonalize %x table<"keller", 5> : tensor<64x512xf32> -> tensor<64x512xf32>
    %1 = muon.orthogonalize %x table<"cubic", 5> pairs [] : tensor<64x512xf32> -> tensor<64x512xf32>
    return
  }
}

// 16-bit operands within the asked band only: they carry its floor, and the table's band lies in it with what they round.
// CHECK-LABEL: module @asked_band
module @asked_band {
  // CHECK-LABEL: @wide_enough
  // CHECK: operands bf16
  // CHECK-SAME: within_band = true
  func.func @wide_enough(%x: tensor<64x512xf32>)
      attributes {muon.request = #muon.request<band = <floor = 0.01, lower = 0.6, upper = 1.3>>} {
    %0 = muon.orthogonalize %x table<"keller", 5> : tensor<64x512xf32> -> tensor<64x512xf32>
    return
  }
  // CHECK-LABEL: @without_room_for_rounding
  // CHECK: operands f32
  // CHECK-SAME: within_band = true
  func.func @without_room_for_rounding(%x: tensor<64x512xf32>)
      attributes {muon.request = #muon.request<band = <floor = 0.01, lower = 0.68, upper = 1.21>>} {
    %0 = muon.orthogonalize %x table<"keller", 5> : tensor<64x512xf32> -> tensor<64x512xf32>
    return
  }
  // CHECK-LABEL: @below_the_floor_of_halves
  // CHECK: operands f32
  // CHECK-SAME: within_band = true
  // CHECK: operands bf16
  // CHECK-SAME: within_band = false
  func.func @below_the_floor_of_halves(%x: tensor<64x512xf32>)
      attributes {muon.request = #muon.request<band = <floor = 0.002, lower = 0.4, upper = 1.3>>} {
    %0 = muon.orthogonalize %x table<"keller", 5> : tensor<64x512xf32> -> tensor<64x512xf32>
    %1 = muon.orthogonalize %x table<"keller", 5> operands bf16 : tensor<64x512xf32> -> tensor<64x512xf32>
    return
  }
}

// f16 where the target's sums of f16 are fastest, judged by bf16's standard form; f32 for what needs its range.
// CHECK-LABEL: module @f16_sums
module @f16_sums attributes {muon.request = #muon.request<target = #muon.target<cpu = "sapphirerapids", features = "-amx-tile,-amx-int8,-amx-bf16", triple = "x86_64-unknown-linux-gnu", isa = "half", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 49152, l2 = 2097152>>} {
  // CHECK: operands f16 form gram side left restarts [3]
  // CHECK: operands f16 form standard
  // CHECK: operands f32 norm trace
  // CHECK: operands f32 {{.*}}accuracy exact
  // CHECK: operands f32
  // CHECK: operands f16
  func.func @by_target(%x: tensor<768x3072xf32>, %small: tensor<16x64xf32>, %long: tensor<16x256xf32>, %square: tensor<768x768xf32>) {
    %0 = muon.orthogonalize %x table<"keller", 5> : tensor<768x3072xf32> -> tensor<768x3072xf32>
    %1 = muon.orthogonalize %square table<"keller", 5> : tensor<768x768xf32> -> tensor<768x768xf32>
    %2 = muon.orthogonalize %x table<"keller", 5> norm trace eps 1.0e-6 : tensor<768x3072xf32> -> tensor<768x3072xf32>
    %3 = muon.orthogonalize %square table<"pade", 12> accuracy exact : tensor<768x768xf32> -> tensor<768x768xf32>
    %4 = muon.orthogonalize %small table<"keller", 5> : tensor<16x64xf32> -> tensor<16x64xf32>
    %5 = muon.orthogonalize %long table<"keller", 5> : tensor<16x256xf32> -> tensor<16x256xf32>
    return
  }
}

// f32 for a matrix that fills a part of one tile only.
// CHECK-LABEL: module @tiles
module @tiles attributes {muon.request = #muon.request<target = #muon.target<cpu = "sapphirerapids", features = "", triple = "x86_64-unknown-linux-gnu", isa = "amx", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 49152, l2 = 2097152>>} {
  // CHECK: operands f32
  // CHECK: operands f32
  // CHECK: operands bf16
  func.func @by_target(%small: tensor<100x31x31xf32>, %tall: tensor<768x24xf32>, %whole: tensor<32x64xf32>) {
    %0 = muon.orthogonalize %small table<"keller", 5> : tensor<100x31x31xf32> -> tensor<100x31x31xf32>
    %1 = muon.orthogonalize %tall table<"keller", 5> : tensor<768x24xf32> -> tensor<768x24xf32>
    %2 = muon.orthogonalize %whole table<"keller", 5> : tensor<32x64xf32> -> tensor<32x64xf32>
    return
  }
}

// f32 where the target does not multiply bf16. A processor's sums are in runs, so a large matrix needs no restart; a long one does.
// CHECK-LABEL: module @no_bf16
module @no_bf16 attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // CHECK: operands f32 form gram side left restarts [3]
  // CHECK: operands f32 form gram side left restarts [] pairs [3]
  // CHECK-SAME: expected_error = 1.93{{[0-9]*}}E-4
  // CHECK: operands f32 form gram side left restarts [3]
  func.func @by_target(%x: tensor<64x512xf32>, %large: tensor<256x1024xf32>, %long: tensor<256x1280xf32>) {
    %0 = muon.orthogonalize %x table<"keller", 5> : tensor<64x512xf32> -> tensor<64x512xf32>
    %1 = muon.orthogonalize %large table<"keller", 5> : tensor<256x1024xf32> -> tensor<256x1024xf32>
    %2 = muon.orthogonalize %long table<"keller", 5> : tensor<256x1280xf32> -> tensor<256x1280xf32>
    return
  }
}
