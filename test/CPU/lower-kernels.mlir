// A kernel becomes a tile function of the runtime's signature: the body at 16 lanes, micro kernels beside it.
// RUN: muon-opt %s --muon-lower-kernels | FileCheck %s

// The learning rate is narrowed once per call, the body runs on vectors, and what the stores pack is what it computed.
// CHECK-LABEL: llvm.func @scale(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i32)
// CHECK-SAME: target_cpu = "x86-64-v3"
// CHECK: arith.truncf %{{.*}} : f64 to f32
// CHECK: scf.for
// CHECK: arith.mulf %{{.*}}, %{{.*}} : vector<16xf32>
// CHECK: math.fma %{{.*}}, %{{.*}}, %{{.*}} : vector<16xf32>

// A symmetric product: register tiles of 6 and 4 rows, and a copy of the half that was not computed.
// CHECK-LABEL: llvm.func @gram(
// CHECK-DAG: llvm.func internal @muon_fma_6x16(
// CHECK-DAG: llvm.func internal @muon_fma_4x16(
// CHECK-DAG: llvm.func internal @muon_symmetrise(
// CHECK-NOT: muon.kernel
module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  muon.kernel @scale sweep operands [#muon.operand<in, element, plain, bf16, none>, #muon.operand<out, element, columns, f32, none>]
      scalars ["lr"] [false] coefficients 1 {
  ^bb0(%x: bf16, %lr: f64, %c: f32):
    %lrf = arith.truncf %lr : f64 to f32
    %wide = arith.extf %x : bf16 to f32
    %scaled = arith.mulf %wide, %lrf : f32
    %y = math.fma %scaled, %c, %wide : f32
    muon.yield %y : f32
  }
  muon.kernel @gram product symmetric of f32 operands [#muon.operand<in, element, rows, f32, none>, #muon.operand<in, element, rows, f32, none>, #muon.operand<out, element, plain, f32, none>]
      scalars [] [] coefficients 1 {
  ^bb0(%r: f32, %b: f32):
    %br = arith.mulf %r, %b : f32
    muon.yield %br : f32
  }
}
