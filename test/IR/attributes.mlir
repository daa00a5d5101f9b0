// Attributes in their real syntax, parsed, verified and round-tripped; the examples in their descriptions are quoted
// from this file.
// RUN: muon-opt %s | muon-opt | FileCheck %s

// A published table is written by name and number of steps, any other with its rows.
// CHECK-LABEL: func.func private @tables
// CHECK-SAME: bent = #muon.table<"keller", {{\[}}[3.000000e+00, -3.200000e+00, 1.200000e+00]]>
// CHECK-SAME: continued = #muon.table<"polar_express", 9>
// CHECK-SAME: long = #muon.table<"mine", {{\[}}[1.000000e+00, 1.000000e-01, {{.*}}, 6.000000e-01]]>
// CHECK-SAME: mine = #muon.table<"mine", {{\[}}[3.444500e+00, -4.775000e+00, 2.031500e+00], [1.875000e+00, -1.250000e+00, 3.750000e-01]]>
// CHECK-SAME: published = #muon.table<"keller", 5>
// CHECK-SAME: written_out = #muon.table<"keller", 1>
func.func private @tables() attributes {
  published = #muon.table<"keller", 5>,
  mine = #muon.table<"mine", [[3.4445, -4.775, 2.0315], [1.875, -1.25, 0.375]]>,
  written_out = #muon.table<"keller", [[3.4445, -4.775, 2.0315]]>,
  bent = #muon.table<"keller", [[3.0, -3.2, 1.2]]>,
  continued = #muon.table<"polar_express", 9>,
  long = #muon.table<"mine", [[1.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]>
}

// CHECK-LABEL: func.func private @target
// CHECK-SAME: target = #muon.target<cpu = "znver4", features = "", triple = "x86_64-unknown-linux-gnu", isa = "dot", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 32768, l2 = 1048576>
func.func private @target() attributes {
  target = #muon.target<cpu = "znver4", features = "", triple = "x86_64-unknown-linux-gnu",
    isa = "dot", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 32768, l2 = 1048576>
}

// CHECK-LABEL: func.func private @gpu
// CHECK-SAME: target = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040, chip = <name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>>
func.func private @gpu() attributes {
  target = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32],
    vector = 4, l1 = 167936, l2 = 41943040, chip = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912,
      registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>>
}

// CHECK-LABEL: func.func private @operands
// CHECK-SAME: [#muon.operand<in, element, row_tiles, bf16, none>, #muon.operand<in, row, plain, f32, none>, #muon.operand<out, column, plain, f64, max>]
func.func private @operands() attributes {
  list = [#muon.operand<in, element, row_tiles, bf16, none>, #muon.operand<in, row, plain, f32, none>, #muon.operand<out, column, plain, f64, max>]
}

// CHECK-LABEL: func.func private @place
// CHECK-SAME: #muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 4096, matrix_stride = 65536, row_stride = 128, column_stride = 1>
func.func private @place() attributes {
  place = #muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 4096, matrix_stride = 65536, row_stride = 128, column_stride = 1>
}

// The enums in their full form.
// CHECK-LABEL: func.func private @enums
// CHECK-SAME: #muon<norm schatten4>, #muon<eps_form clamp>, #muon<form gram>, #muon<side right>, #muon<momentum sum>, #muon<decay none>, #muon<accuracy exact>, #muon<kernel_kind sweep>
func.func private @enums() attributes {
  all = [#muon<norm schatten4>, #muon<eps_form clamp>, #muon<form gram>, #muon<side right>, #muon<momentum sum>, #muon<decay none>, #muon<accuracy exact>, #muon<kernel_kind sweep>]
}

// CHECK-LABEL: func.func private @bands
// CHECK-SAME: floor_alone = #muon.band<floor = 1.000000e-02>
// CHECK-SAME: whole = #muon.band<floor = 1.000000e-02, lower = 6.800000e-01, upper = 1.140000e+00>
func.func private @bands() attributes {
  floor_alone = #muon.band<floor = 0.01>,
  whole = #muon.band<floor = 0.01, lower = 0.68, upper = 1.14>
}

// What was asked for: nothing of it has to be said, and a step function may have a part of its own.
#v3 = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>
// CHECK-LABEL: module @asked
// CHECK-SAME: muon.request = #muon.request<target = <cpu = "x86-64-v3", {{.*}}>, dtype = bf16, band = <floor = 1.000000e-02, lower = 6.800000e-01, upper = 1.140000e+00>, overrides = {form = "gram", nonfinite = "skip", restarts = [2, 4], tile = [128, 0]}, version = 1>
module @asked attributes {muon.request =
    #muon.request<target = #v3, dtype = bf16, band = <floor = 0.01, lower = 0.68, upper = 1.14>,
      overrides = {form = "gram", nonfinite = "skip", restarts = [2, 4], tile = [128, 0]}, version = 1>} {
  // CHECK: func.func private @own() attributes {muon.request = #muon.request<overrides = {chain = "block", parts = 4 : i64}>}
  func.func private @own() attributes {muon.request = #muon.request<overrides = {chain = "block", parts = 4}>}
}
// CHECK: module @little attributes {muon.request = #muon.request<dtype = f16>}
module @little attributes {muon.request = #muon.request<dtype = f16>} {}
// CHECK: module @nothing attributes {muon.request = #muon.request<>}
module @nothing attributes {muon.request = #muon.request<>} {}
