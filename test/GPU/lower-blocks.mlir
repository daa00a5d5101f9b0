// Kernels become functions of one thread block: a sweep with a partial sum, and a symmetric product with its epilogue.
// RUN: muon-opt %s --muon-lower-blocks | FileCheck %s

#a100 = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912,
  registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
#sm_80 = #muon.target<cpu = "sm_80", features = "+ptx80", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32],
  vector = 4, l1 = 167936, l2 = 41943040, chip = #a100>
module attributes {muon.request = #muon.request<target = #sm_80>, muon.scalars = ["lr", "mu"]} {
  // External, or the backend would turn it into one static byte.
  // CHECK: llvm.mlir.global external @muon_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>

  // CHECK-LABEL: llvm.func @scale(
  // CHECK-SAME: !llvm.ptr, %{{.*}}: i32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 256>}
  // Of the gradient's view only the offset is known before the run: it is added to the pointer in the parameter's slot.
  // CHECK: %[[GRADIENT:.*]] = scf.if %{{.*}} -> (!llvm.ptr<1>)
  // CHECK: llvm.getelementptr %[[GRADIENT]]
  // The scalar mu is column 1 of the module's scalar row.
  // CHECK: %[[EIGHT:.*]] = arith.constant 8 : i32
  // CHECK: %[[MU:.*]] = llvm.getelementptr %{{.*}}[%[[EIGHT]]]
  // CHECK: llvm.load %[[MU]] {alignment = 8 : i64} : !llvm.ptr<1> -> f64
  // Full chunks move by 16 bytes.
  // CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
  // CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<8xbf16>, !llvm.ptr<1>
  // The sum: lanes, then warps.
  // CHECK: nvvm.shfl.sync bfly
  // CHECK: nvvm.barrier
  muon.kernel @scale sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, padded, bf16, none>,
                                     #muon.operand<out, scalar, plain, f64, add>] scalars ["mu"] [false] coefficients 0 gradients [0] {
  ^bb0(%x: f32, %mu: f64):
    %muf = arith.truncf %mu : f64 to f32
    %y = arith.mulf %x, %muf : f32
    %narrow = arith.truncf %y : f32 to bf16
    %wide = arith.extf %y : f32 to f64
    %square = arith.mulf %wide, %wide : f64
    muon.yield %narrow, %square : bf16, f64
  }

  // Two blocks fit on a multiprocessor, so registers are limited for two.
  // CHECK-LABEL: llvm.func @gram(
  // CHECK-SAME: attributes {nvvm.kernel, nvvm.minctasm = 2 : i32, nvvm.reqntid = array<i32: 128>}
  // Three steps of k are on their way before the first is multiplied.
  // CHECK-COUNT-8: nvvm.cp.async.shared.global
  // CHECK: nvvm.cp.async.commit.group
  // CHECK-COUNT-8: nvvm.cp.async.shared.global
  // CHECK: nvvm.cp.async.commit.group
  // CHECK-COUNT-8: nvvm.cp.async.shared.global
  // CHECK: nvvm.cp.async.commit.group
  // CHECK: scf.for
  // CHECK: nvvm.cp.async.wait.group 2
  // CHECK-NEXT: nvvm.barrier
  // CHECK-COUNT-16: nvvm.ldmatrix
  // CHECK: nvvm.mma.sync
  // CHECK-SAME: multiplicandAPtxType = #nvvm.mma_type<bf16>
  // CHECK: nvvm.cp.async.wait.group 0
  // CHECK-NEXT: nvvm.barrier
  muon.kernel @gram product symmetric of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<in, element, turned, bf16, none>,
                                                        #muon.operand<out, element, padded, bf16, none>] scalars [] [] coefficients 1 tile [128, 128, 32, 4, 2, 2] {
  ^bb0(%sum: f32, %c: f32):
    %scaled = arith.mulf %sum, %c : f32
    %narrow = arith.truncf %scaled : f32 to bf16
    muon.yield %narrow : bf16
  }
}
