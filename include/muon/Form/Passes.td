//===- Passes.td - from step functions to algebra -------------------------------------------------===//

#ifndef MUON_FORM_PASSES_TD
#define MUON_FORM_PASSES_TD

include "mlir/Pass/PassBase.td"

def ChooseFormPass : Pass<"muon-choose-form", "::mlir::func::FuncOp"> {
  let summary = "choose form, side and restarts of orthogonalize";
}

def ExpandStepPass : Pass<"muon-expand-step", "::mlir::func::FuncOp"> {
  let summary = "write momentum and update as arith on tensors";
  let description = [{
    Consumes `muon.momentum` and `muon.update`; leaves everything else, `muon.round` included: its counter is the
    kernel's element index, so it is expanded where kernels are made. Guarantees: neither op remains.

        %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>, tensor<4x8xf32>

    becomes

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
    Consumes `muon.orthogonalize` whose `form` and `side` are set (an absent `restarts` is none). Guarantees: the op is gone; the
    matrix products are `muon.gram`, `muon.symmetric_matmul` and `muon.apply` without coefficients, every coefficient is arith
    on their results.

        X = narrow(x · n),  n = 1/(safety·(√s + eps)), s = Σ x² in f64         one number per matrix
        P(R)                                                                   a row without its first coefficient:
          degree 3       c1 R
          degree 5       c1 R + c2 RR
          degree 7, 9    c1 R + c2 R2 + R2 (c3 R + c4 R2)
          degree 11, 13  c1 R + c2 R2 + c3 R3 + R3 (c4 R + c5 R2 + c6 R3)
        standard:  R = gram X,  X = fma(a, X, P X)
        gram:      R = gram X once per block, identity parts q I and a I kept as constants
                   Q = a Q + q P + Q P, q = q a    (first step of a block: Q = P, q = a)
                   S = a R + P R,  R = a S + P S   (not after a block's last step)
                   X = fma(q, X, Q X) at a block's end; a restart begins a new block

    Every stored matrix is narrowed to `operands` (nothing for f32) and the narrowed one is used everywhere later, in
    epilogues too; only the result stays f32. This is the recurrence that include/muon/Polynomial/Emulate.h emulates.

    Norms: frobenius s = Σ x²; trace s = Σ x² + k·damping and R = gram X + (damping n²) I; none: n = 1; schatten4: after the
    Frobenius norm R is divided by ‖R‖_F and X by its root; aol: after the Frobenius norm X is scaled by d_i = 1/√Σ_j |R_ij| on
    its short side and R by d_i d_j.

    Numerics: s is summed in f64 from values before narrowing, n is formed in f64, at most 2^126, and truncated once, so that
    every f32 input is normalised without overflow and a zero matrix gives zero. A norm below 2^-126 (subnormal) is
    treated as 2^-126: the output is finite and smaller than its band. A norm above 2^126 makes n subnormal, with fewer digits.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::linalg::LinalgDialect"];
}

#endif // MUON_FORM_PASSES_TD
