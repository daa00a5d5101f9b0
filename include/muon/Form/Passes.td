//===- Passes.td - from step functions to algebra -------------------------------------------------===//

#ifndef MUON_FORM_PASSES_TD
#define MUON_FORM_PASSES_TD

include "mlir/Pass/PassBase.td"

def ChooseFormPass : Pass<"muon-choose-form", "::mlir::func::FuncOp"> {
  let summary = "choose operands, form, side, restarts and pairs of orthogonalize";
  let description = [{
    Consumes any function; sets `operands`, `form`, `side`, `restarts` and `pairs` of every `muon.orthogonalize` where
    they are absent, as the `muon.request` of function and module says, else by choice, and leaves what is given.
    Guarantees that all five are set, and writes what was chosen and why into the op's `muon.choice`, which
    `muon-expand-orthogonalize` collects on the function.

    - operands: f32 for accuracy exact and with damping. Else the type that the request's target multiplies fastest: bf16
      for isa amx and dot, and without a target; for isa half f16 where emulation finds its sums as accurate as bf16
      (`f16SumsSuffice`) and the norm is not from the trace; for isa fma f32. It is f32, too, where a short side below 32
      fills a part of a register tile only (isa half: unless the long side has 256), and where the request's band has no
      room for halves: its floor is below theirs (`servedFloor`), or the table's band leaves it when widened by their
      rounding (`widenBand`).
    - side: the one whose Gram matrix is smaller; left for a square matrix.
    - damping: gram without restarts, whatever the shape. accuracy exact: standard. early_stop: gram, with restarts as
      below.
    - otherwise the cheaper of the standard form and the cheapest gram form that keeps the error bound
      (`chooseRestarts`: f32 within `gram-bound`, halves on no spectrum of the zoo worse than the standard form), or the
      one with the restarts given. Cost: flops of the products on the side that R has plus `flops-per-byte` times the
      bytes they read and write. No such restarts: standard; where gram is asked for, a restart before every row.
    - pairs (`choosePairs`): f32 operands only, none on GPUs, with early_stop, damping or accuracy exact. Standard:
      every two quintics from the first on. Gram: the last two rows of a block. Keller's first three rows as one, where
      they begin and end a block and there is a norm. Kept where they cost less by the same cost and emulation finds the
      error within `paired-bound` (gram: `gram-bound`) or at most 1.1 times that without.

    Before:
        %o = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<768x3072xf32> -> tensor<768x3072xf32>
    After:
        %o = muon.orthogonalize %x table<"keller", 5> operands f32 form gram side left restarts [3] pairs [1, 3]
          {muon.choice = {expected_error = ..., flops = ..., form = "gram", lower = ..., pairs = ..., restarts = ..., steps = 5, upper = ...}} : ...

    `expected_error` is the largest relative error over the spectrum zoo of the emulated recurrence (absent with
    damping, which the emulation does not know); `lower`, `upper` are the band of the table on [1e-3, 1]/safety, or from
    the request's `floor`; `within_band` says whether the table keeps the request's band and the operands carry its
    floor; `flops` are of the whole batch.

    A table is refused where the error of its standard form is above 1 too. With rounded operands a table that holds up
    to σ = 1 only is such a table: rounding lifts some σ above 1.

    Numerics: decides which recurrence runs. A chosen f32 gram form is within `gram-bound`; what any form does is
    `expected_error` (Keller's table in f32: standard 2.0e-5, in pairs 1.4e-5, one restart 1.9e-5, a triple and a pair
    3.6e-5, no restart 6.2e-4 on the spectrum nearest to rank one; 1.9e-4 from 128 rows on where the request's target is
    a processor, whose sums are in runs).
  }];
  let options = [
    Option<"gramBound", "gram-bound", "double", "::muon::FormWeights().gramBound", "Largest relative error of an f32 gram form over the spectrum zoo">,
    Option<"pairedBound", "paired-bound", "double", "::muon::FormWeights().pairedBound", "The same of an f32 standard form in pairs">,
    Option<"flopsPerByte", "flops-per-byte", "double", "::muon::FormWeights().flopsPerByte", "Flops that take as long as one byte read or written">
  ];
}

def ExpandStepPass : Pass<"muon-expand-step", "::mlir::func::FuncOp"> {
  let summary = "write momentum and update as arith on tensors";
  let description = [{
    Consumes `muon.momentum` and `muon.update`; leaves everything else, `muon.round` included: its counter is the
    kernel's element index, so it is expanded where kernels are made. Guarantees: neither op remains.

    Before:
        %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>, tensor<4x8xf32>
    After:
        %0 = arith.subf %one, %mu : f64
        %1 = arith.subf %g, %m : tensor<4x8xf32>
        %2 = arith.truncf %0 : f64 to f32
        %3 = tensor.splat %2 : tensor<4x8xf32>
        %m1 = math.fma %3, %1, %m : tensor<4x8xf32>
        %4 = arith.subf %m1, %g : tensor<4x8xf32>
        %5 = arith.truncf %mu : f64 to f32
        %6 = tensor.splat %5 : tensor<4x8xf32>
        %x = math.fma %6, %4, %g : tensor<4x8xf32>

    Numerics: 1 - mu, 1 - lr·wd and lr·scale are formed in f64 and truncated once; everything else is f32. bf16 tensors
    are widened first; the look-ahead uses M' before it is rounded to M's type. W' = fma(-lr·scale, U, (1 - lr·wd) W).
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::linalg::LinalgDialect"];
}

def ExpandOrthogonalizePass : Pass<"muon-expand-orthogonalize", "::mlir::func::FuncOp"> {
  let summary = "write orthogonalize as products and arith";
  let description = [{
    Consumes `muon.orthogonalize` whose `operands`, `form` and `side` are set (an absent `restarts` or `pairs` is none);
    their `muon.choice`s become the function's attribute `muon.choice`, an array in program order. Guarantees: the op is
    gone; the matrix products are `muon.gram`, `muon.symmetric_matmul` and `muon.apply` without coefficients, every
    coefficient is arith on their results.

    Before:
        %o = muon.orthogonalize %u table<"cubic", 1> operands f32 form standard side left : tensor<4x8xf32> -> tensor<4x8xf32>
    After (%n: 1/‖U‖_F, in f64 until it is truncated; %half, %slope: constants -0.5 and 1.5):
        %0 = linalg.broadcast ins(%n : tensor<f32>) outs(%empty : tensor<4x8xf32>) dimensions = [0, 1]
        %x = arith.mulf %u, %0 : tensor<4x8xf32>
        %r = muon.gram left %x : tensor<4x8xf32> -> tensor<4x4xf32>
        %p = arith.mulf %half, %r : tensor<4x4xf32>
        %px = muon.apply left %p, %x : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
        %o = math.fma %slope, %x, %px : tensor<4x8xf32>

    In formulas:

        X = narrow(x · n),  n = 1/(safety·(√s + eps)), s = Σ x² in f64         one number per matrix
        P(R)                                                                   a row without its first coefficient:
          degree 3       c1 R
          degree 5       c1 R + c2 RR
          degree 7, 9    c1 R + c2 R2 + R2 (c3 R + c4 R2)
          degree 11, 13  c1 R + c2 R2 + c3 R3 + R3 (c4 R + c5 R2 + c6 R3)
        standard:  R = gram X,  X = fma(a, X, P X)
          `accuracy exact`, degree 7, 9, u the largest σ that the rows before leave, c as Σ g_i T_i(2σ²/u² - 1):
                   T1 = 2/u² R - I, T2 = 2 T1 T1 - I, P = g2 T2 + (g1-g3) T1 + T2 (2 g3 T1 + 2 g4 T2), a = g0-g4
        gram:      R = gram X once per block; per step Z = narrow(a/2 I + P(R))
                   Q = a/2 Q + Z Q                     (first step of a block: Q = a/2 I + Z, kept apart)
                   S = a/2 R + Z R,  R = a/2 S + Z S   (not after a block's last step)
                   X = Q X at a block's end; a restart begins a new block

    Every stored matrix is narrowed to `operands` (nothing for f32) and the narrowed one is used everywhere later, in
    epilogues too; only the result stays f32. This is the recurrence that include/muon/Polynomial/Emulate.h emulates.

    Norms: frobenius s = Σ x²; trace s = Σ x² + k·damping and R = gram X + (damping n²) I; without damping s = Σ_i R_ii
    of X as it is, R is multiplied by n² and the first block's X by n; none: n = 1. schatten4 and aol take n = 1/√s
    first, e = eps n and R of that X; schatten4: f = 1/(safety·(√‖R‖_F + e)), R is multiplied by f² and the first
    block's X by f; aol: d_i = 1/(safety·(√Σ_j |R_ij| + e)), X is scaled by d on its short side and R_ij by d_i d_j.

    early_stop δ: before row t, from R before it is narrowed, d_t = √(k - (tr R)²/Σ R²), 1/μ = tr R/Σ R² and the
    condition d_t ≤ δ, √μ ≥ what rows 0 to t-1 make of 1e-3 (f64, k the rows of R). The last factor, its X and the scale
    1/√μ (1 without a stop) are `muon.choose`n by the conditions, and so are the metrics d and t.

    Numerics: s is summed in f64 from values before narrowing, n is formed in f64, at most 2^126, and truncated once, so
    that every f32 input is normalised without overflow and a zero matrix gives zero. A norm below 2^-126 (subnormal) is
    treated as 2^-126: the output is finite and smaller than its band. A norm above 2^126 makes n subnormal, with fewer
    digits.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::linalg::LinalgDialect"];
}

def CheckFormPass : Pass<"muon-check-form", "::mlir::func::FuncOp"> {
  let summary = "the room's exit contract";
  let description = [{
    Consumes any function and changes nothing. Guarantees that it holds the closed op list only, else one diagnostic at
    the first op outside it: elementwise `arith` and `math` with one result on static tensors and on scalars;
    `arith.constant` of one number; `tensor.splat`, `empty`, `extract_slice`, `expand_shape`, `collapse_shape`,
    `concat`; `linalg.broadcast`; `linalg.reduce` with addf, maximumf or minimumf from 0, minus infinity or infinity;
    `muon.gram`, `symmetric_matmul`, `apply`, `diagonal`, `round`, `choose`; `func.return`.

    Before and after: the same function.

    Numerics: none.
  }];
}

#endif // MUON_FORM_PASSES_TD
