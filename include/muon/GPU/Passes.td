//===- Passes.td - passes of the GPU room ---------------------------------------------------------===//

#ifndef MUON_GPU_PASSES_TD
#define MUON_GPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def MuonLowerBlocks : Pass<"muon-lower-blocks", "::mlir::ModuleOp"> {
  let summary = "muon.kernel -> functions of one thread block";
  let description = [{
    Consumes: `muon.kernel` ops planned for a GPU, and one `muon.variant` whose target says which (or the target of the
    module's `muon.request`; for kernels on their own). Guarantees: every kernel became an `llvm.func` of the same name
    with the kernel attribute and the runtime's one signature

        llvm.func @k(%launches: !llvm.ptr, %count: i32) attributes {nvvm.kernel}

    whose body is scf, arith, math, nvvm and llvm operations. A block finds its launch by `first_tile`, its matrix and
    its tile (muon_device_launch), and returns where the parameter has no gradient in this run or the predicate word
    says so. Sizes, strides and coefficients are read from the launch. A kernel this room cannot compute is an error
    that names it.

    Memory: shared memory is the external zero-sized array @muon_shared; how much a block needs is `blockShape`. A
    padded output is written up to multiples of 32 rows and columns, zeros beyond the matrix. Operands of a product are
    padded, with rows of whole 64 bytes.

    Before:
        muon.kernel @scale sweep operands [#muon.operand<in, element, plain, f32, none>,
                                           #muon.operand<out, element, plain, f32, none>]
            scalars [] [] coefficients 1 {
        ^bb0(%x: f32, %c: f32):
          %y = arith.mulf %x, %c : f32
          muon.yield %y : f32
        }
    After:
        llvm.func @scale(%launches: !llvm.ptr, %count: i32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 256>} {
          %thread = nvvm.read.ptx.sreg.tid.x : i32
          ...
          scf.for %chunk = %first to %last step %threads : i32 {
            %x = llvm.load ... : vector<4xf32>
            ...

    A chain's block keeps its matrices in shared memory, as tiles on and below the diagonal, and computes one product
    after another with all of its accumulators in registers; only what the kernel's operands name is read from and
    written to memory.

    Numerics: products, those of chains too, add 16 (f32: 8) of k at a time in ascending order into f32, so the block's
    shape changes no bit; how the tensor core orders those is its own. f32 operands are split into two tf32 (22 bits),
    the low-order terms are added first; tf32 operands are rounded to nearest, ties away from zero, where they are
    stored. The halves of a symmetric result are equal to the bit: the upper is computed from the lower's accumulators.
    Reductions add the elements of a thread in order, then 32 lanes, then warps, each in a fixed tree that follows from
    the matrix's shape; no atomics. f32 -> bf16 rounds to nearest even; nothing is contracted; subnormals are kept.
  }];
  let dependentDialects = [
    "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"
  ];
}

#endif // MUON_GPU_PASSES_TD
