//===- Passes.td - the Plan room's passes ---------------------------------------------------------===//

#ifndef MUON_PLAN_PASSES
#define MUON_PLAN_PASSES

include "mlir/Pass/PassBase.td"

def SplitViewsPass : Pass<"muon-split-views", "::mlir::func::FuncOp"> {
  let summary = "Compute what views take and put together piece by piece";
  let description = [{
    Consumes step functions in Form's closed op list. Guarantees that of the views only `tensor.extract_slice` is left,
    of arguments, products and values that something else needs as a whole, with static offsets and unit strides; and
    that a result which is put together from pieces is a chain of `tensor.insert_slice` into the argument it replaces.
    Both are places in memory to `muon-plan-launches`: nothing is copied. The parts of a weight (Q, K and V in one
    matrix, experts above each other) so become matrices of their own, each with its own products; the function's
    weight, states and gradient stay what they are. A function without views is left as it is.

    A slice moves up through elementwise operations, broadcasts, reductions and batches of products. It stops at what
    lies in memory anyway. A slice has stride 1; a product's operand is not put together from pieces; dimensions that
    `tensor.expand_shape` splits off are not those of the weight's batch.

    Before:
        %x = arith.addf %g, %m : tensor<8x4xf32>
        %q = tensor.extract_slice %x[4, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    After:
        %g1 = tensor.extract_slice %g[4, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
        %m1 = tensor.extract_slice %m[4, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
        %q = arith.addf %g1, %m1 : tensor<4x4xf32>

    Numerics: bit-exact, except that a reduction across pieces is the pieces' own, combined in their order. Stochastic
    rounding counts elements in the whole tensor.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def GuardGradientPass : Pass<"muon-guard-gradient", "::mlir::func::FuncOp"> {
  let summary = "Say of every matrix whether its gradient is finite";
  let description = [{
    Consumes step functions. Guarantees, where their `muon.request` or the module's overrides nonfinite with skip, one
    more value, marked `muon.predicate`: an i32 per matrix, 1 where the gradient has an infinity or a NaN.
    `muon-plan-launches` computes it in two stages of its own and makes it the predicate of every later launch, so that
    such a matrix keeps its weight and states. Costs one extra read of G.

    Before:
        func.func @step(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"}, ...)
    After, at the start of the body:
        %z = arith.mulf %g, 0.0   %s = linalg.reduce add %z   %b = arith.cmpf uno %s, %s   %p = arith.extui %b {muon.predicate}

    Numerics: bit-exact for finite gradients.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect"];
}

def SplitProductsPass : Pass<"muon-split-products", "::mlir::ModuleOp"> {
  let summary = "Cut the k of a GPU's products into parts where too few blocks would run";
  let description = [{
    Consumes step functions in Form's closed op list, and the target of the module's `muon.request`. Guarantees that
    every product whose k is computed in parts says in how many: the attribute `muon.parts`. A product that has the
    attribute keeps it, the request's `parts` hold for all others, else the model decides (`gpu::chooseParts`).
    Processors do not cut: the attribute is dropped. `muon-plan-launches` makes of such a product a kernel that stores
    one f32 matrix per part, and leaves adding them to a sweep of the next stage, which takes the product's epilogue.

    Before:
        %r = muon.gram left %x : tensor<256x8192xbf16> -> tensor<256x256xf32>
    After:
        %r = muon.gram left %x {muon.parts = 8 : i64} : tensor<256x8192xbf16> -> tensor<256x256xf32>

    Numerics: each element is summed in ascending k within a part, then over the parts in ascending order. The number of
    parts follows from the matrix's shape, the operand type and the chip, never from the batch.
  }];
}

def PlanLaunchesPass : Pass<"muon-plan-launches", "::mlir::ModuleOp"> {
  let summary = "Turn step functions into kernels, stages and launches";
  let description = [{
    Consumes step functions in Form's closed op list, at most one `muon.program` that says which parameters run them,
    and the target of the module's `muon.request`. Guarantees one `muon.variant` whose stages hold launches over
    distinct `muon.kernel`s, one workspace, and no allocation anywhere. The step functions stay: they describe the
    arguments. The module attribute `muon.scalars` lists the columns of a parameter's scalar row.

    Levels every value (Levels.h), stores what later stages need (Planner.cpp), and writes one kernel per stage,
    iteration space and product. Launches of a stage share a kernel wherever body, operand types and layouts agree;
    constants are coefficients of the launch. The number of stages does not depend on the number of parameters.

    A reduction of columns is one of rows in a sweep whose rows are the matrix's columns; what it reads is read as its
    transpose.

    Candidates of a `muon.choose` are written to one place, each by a launch that the choice's words let run where it is
    the one; the same words stop the launches of what only later candidates need (Choices.h). Products wait for the word
    that can stop them. CPU targets only.

    On a GPU, products of small symmetric matrices that feed each other become one kernel of kind chain, one block per
    matrix, where the matrices it keeps fit into a block's shared memory and the model says that it is faster (or the
    request's `chain` is `block` or `launches`). The function's attribute `muon.chains` says for every chain what was
    chosen, from which figures and why.

    Before:
        %r = muon.gram left %xh : tensor<768x3072xbf16> -> tensor<768x768xf32>
        %rh = arith.truncf %r : tensor<768x768xf32> to tensor<768x768xbf16>
    After:
        muon.kernel @product_2 product symmetric of bf16 operands [...] { ... }
        muon.stage { muon.launch @product_2 for @step tiles 21 sizes [768, 768, 3072, 128, 128, 3072] ... }

    Numerics: bit-exact with respect to the step function, except that a full reduction is the sum of one partial per
    tile, taken in tile order (a symmetric product's: in its blocks' order, in the epilogue, on CPUs); tiles follow the
    matrix's shape only.
  }];
  let dependentDialects = ["::muon::MuonDialect", "::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numKernels", "kernels", "Distinct kernels">,
    Statistic<"numStages", "stages", "Stages">
  ];
}

def CheckPlanPass : Pass<"muon-check-plan", "::mlir::ModuleOp"> {
  let summary = "Check the Plan room's exit contract";
  let description = [{
    Consumes any module. Guarantees that it holds exactly one `muon.variant`, that `muon.scalars` names its scalars,
    those of the kernels among them, and `muon.integer_scalars` their kinds, that every `muon.kernel` is launched, and
    that every place in the workspace starts inside it; says otherwise in one line. Changes nothing.

    Before and after: the same module.

    Numerics: none.
  }];
}

#endif // MUON_PLAN_PASSES
