//===- Passes.td - passes of the CPU room ---------------------------------------------------------===//

#ifndef MUON_CPU_PASSES_TD
#define MUON_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def MuonLowerKernels : Pass<"muon-lower-kernels", "::mlir::ModuleOp"> {
  let summary = "muon.kernel -> tile functions";
  let description = [{
    Consumes `muon.kernel` ops. The target of the module's `muon.request` says how to compute them. Where the request
    names none, the target of the module's one `muon.variant` does.
    Guarantees: every kernel became an `llvm.func` of the same name with the runtime's tile-function signature

        llvm.func @k(%launch: !llvm.ptr, %binding: !llvm.ptr, %workspace: !llvm.ptr, %scratch: !llvm.ptr, %tile: i32)

    whose body is scf, arith, math and vector (16 lanes everywhere) on registers and llvm loads and stores; micro
    kernels are private functions beside it. Sizes, strides and coefficients are read from the launch, so no shape is
    compiled in. Variants, stages and step functions are left alone. A kernel this room cannot compute (a column
    reduction, f16 outside of panels, a math function without an instruction) is an error that names it.

    Memory: packed outputs are written up to whole panels along the lanes (32 rows of tiles) and up to a multiple of 16
    (f32 words) or 32 (bf16, f16) elements along the depth, zeros beyond the matrix; their places must hold that much. A
    sweep that packs takes tiles of a multiple of 32 rows. A product needs align(block_m, 32) * (align(block_n, 32) + 16)
    floats of scratch; block_m and block_n are multiples of the panel width, k_chunk of 32.

    A scalar `lr` is column p of the parameter's scalar row, p its place in the module attribute `muon.scalars` (an
    array of strings), or in the kernel's own list where the module has no such attribute.

    Before:
        muon.kernel @scale sweep operands [#muon.operand<in, element, plain, f32, none>,
                                           #muon.operand<out, element, plain, f32, none>]
            scalars [] [] coefficients 1 {
        ^bb0(%x: f32, %c: f32):
          %y = arith.mulf %x, %c : f32
          muon.yield %y : f32
        }
    After:
        llvm.func @scale(...) {
          scf.for %row = %first to %last step %one : i64 {
            scf.for %column = %zero to %full step %sixteen : i64 {
              %x = llvm.load ... : vector<16xf32>
              %y = arith.mulf %x, %c : vector<16xf32>
              llvm.store %y, ...

    Numerics: one product per multiply-add in ascending k, f32, in every instruction set that has one; a target without
    fused multiply-add rounds twice. Of f32 operands every 64 of k are added up from zero and then to those before
    (sumOrder; in symmetric products of less than 256 rows from parts of 16), whatever the chunk of k, as long as it is
    a multiple of 64; of bf16 operands all of k in one sum; of f16 operands 64 of k, the even and the odd in a sum of
    f16 each, fused, then both to each other and in f32 to those before (f16Run), whatever the chunk. f32 -> bf16 rounds
    to nearest even. Reductions add 16 lanes per row, rows in order, lanes in a fixed tree; nothing depends on the tile
    count per worker, on strides or, of one schedule, on the instruction set. Subnormals are kept, except where
    tdpbf16ps and vdpbf16ps flush them.
  }];
  let dependentDialects = [
    "::mlir::LLVM::LLVMDialect", "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"
  ];
}

#endif // MUON_CPU_PASSES_TD
