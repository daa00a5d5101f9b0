//===- MuonOps.td - semantic and algebra ops ------------------------------------------------------===//

#ifndef MUON_IR_OPS_TD
#define MUON_IR_OPS_TD

include "muon/IR/MuonAttributes.td"
include "muon/IR/MuonInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

// An enum attribute prints its own leading space: the empty literal before it in a format keeps that the only one.
class Muon_Op<string mnemonic, list<Trait> traits = []> : Op<Muon_Dialect, mnemonic, traits>;

def Muon_Tensor : StaticShapeTensorOf<[F32, BF16, F16, TF32]>;
/// What trainers keep: weights, gradients and momenta.
def Muon_KeptTensor : StaticShapeTensorOf<[F32, BF16]>;
def Muon_F32Tensor : StaticShapeTensorOf<[F32]>;

//===----------------------------------------------------------------------------------------------===//
// Semantic ops
//===----------------------------------------------------------------------------------------------===//

def Muon_OrthogonalizeOp : Muon_Op<"orthogonalize", [Pure]> {
  let summary = "a table's odd polynomials applied to the singular values of X";
  let description = [{
    With X = U Σ Vᵀ and N the norm of X, O = U p_T(…p_1(Σ/(safety·N))) Vᵀ, the table's rows being p_1 … p_T:

        X ← X / (safety·(N + eps))     (eps form add; clamp: safety·max(N, eps))
        X ← c_0 X + (c_1 R + c_2 R² + …) X,  R = X Xᵀ or XᵀX, once per row

    `norm none`: X is taken as it is. `norm frobenius`: N = ‖X‖_F, its squares summed in f64 before anything is
    narrowed, whatever X's size. `schatten4`: N = ‖X Xᵀ‖_F^½ = (Σ σ⁴)^¼. `aol`: row i of X (column i where the Gram
    matrix is XᵀX) is divided by √(Σ_j |(X Xᵀ)_ij|); O belongs to that matrix, not to X. `trace` without damping: N =
    √tr(X Xᵀ) = ‖X‖_F of the narrowed X, read off the first Gram matrix, so that X is read once; finite where ‖X‖_F <
    2^63. `trace` with damping: N = √(‖X‖_F² + k·damping), k the short side, and R = (X Xᵀ + damping·I)/N² once.
    `operands` is the type the product operands are narrowed to; products accumulate in f32, those of f16 on a processor
    in f16 for 32 terms at a time (`f16Run`, docs/numerics.md). `operands`, `form`, `side`, `restarts` and `pairs` are
    chosen by `muon-choose-form` where absent; restart r rebuilds R from X before row r, and pair r evaluates rows r and
    r+1 as one polynomial of R, in four products instead of five (include/muon/Polynomial/PairedRows.h). Pairs r and r+1
    are a triple, rows r to r+2 in six products instead of nine (include/muon/Polynomial/TripledRows.h).

    `early_stop` δ: a matrix whose Gram matrix R_t before row t has ‖I - R_t/μ‖_F ≤ δ, μ = ‖R_t‖_F²/tr R_t, skips row t
    and all later ones, and O is its iterate divided by √μ: every singular value of O lies in [√(1-δ), √(1+δ)] (with
    damping: within these factors of the damped inverse root's). A matrix with √μ below what rows 0 to t-1 make of 1e-3
    does not stop: its table would leave it below its band too. Two more results say, per matrix, ‖I - R_t/μ‖_F of the
    last R_t that was formed and how many rows were taken; a matrix that took all T rows has the first from before row
    T.

    Constraints: (C1) the table keeps its sign and stays below 2 on the reachable interval (0, 1/safety];
    (C2) damping > 0 needs norm trace, form gram and no restarts; (C3) rank ≥ 2;
    (C4) restarts are increasing, between 1 and T-1, and need form gram;
    (C5) safety ≥ 1, eps ≥ 0, damping ≥ 0, all finite; (C6) operands is f32, bf16, f16 or tf32;
    (C7) norm trace without damping needs eps ≥ 1e-12 and operands of f32's range;
    (C8) 0 < early_stop < 1, and it needs form gram, the short side and the two metrics, one f32 per matrix each;
    (C9) pairs are increasing, between 0 and T-2, of rows of degree 5 whose last coefficients have one sign, and have no
    restart between their rows; pairs 0 and 1 may follow each other where the first three rows are keller's and there is
    a norm; unless empty they need form standard, or form gram with restarts, and no early_stop;
    (C10) norm none has safety 1 and eps 0;
    (C11) accuracy exact needs operands f32, form standard and no early_stop, damping > 0 operands f32.

    ```mlir
    %o = muon.orthogonalize %x table<"nanogpt_pe", 5> operands f16 norm aol safety 1.02
         form gram side left restarts [1, 3] : tensor<12x64x3072xf32> -> tensor<12x64x3072xf32>
    ```
  }];
  let arguments = (ins Muon_F32Tensor:$x, Muon_TableAttr:$table,
    DefaultValuedAttr<Muon_NormAttr, "::muon::Norm::frobenius">:$norm,
    DefaultValuedAttr<F64Attr, "0.0">:$eps,
    DefaultValuedAttr<Muon_EpsFormAttr, "::muon::EpsForm::add">:$eps_form,
    DefaultValuedAttr<F64Attr, "1.0">:$safety,
    DefaultValuedAttr<F64Attr, "0.0">:$damping,
    DefaultValuedAttr<Muon_AccuracyAttr, "::muon::Accuracy::table">:$accuracy,
    OptionalAttr<TypeAttr>:$operands,
    OptionalAttr<Muon_FormAttr>:$form, OptionalAttr<Muon_SideAttr>:$side, OptionalAttr<DenseI64ArrayAttr>:$restarts,
    OptionalAttr<DenseI64ArrayAttr>:$pairs,
    OptionalAttr<F64Attr>:$early_stop);
  let results = (outs Muon_F32Tensor:$o, Variadic<Muon_F32Tensor>:$metrics);
  let assemblyFormat = [{
    $x `table` `` $table (`operands` $operands^)? oilist(`norm` `` $norm | `eps` $eps | `eps_form` `` $eps_form | `safety` $safety | `damping` $damping
    | `accuracy` `` $accuracy) (`form` `` $form^)? (`side` `` $side^)? (`restarts` $restarts^)? (`pairs` $pairs^)?
    (`early_stop` $early_stop^)? attr-dict `:` type($x) `->` type($o) (`,` type($metrics)^)?
  }];
  let hasVerifier = 1;
}

def Muon_MomentumOp : Muon_Op<"momentum", [Pure]> {
  let summary = "momentum and its Nesterov look-ahead";
  let description = [{
        ema:  M' = M + (1 - mu)(G - M);   X = M', or with nesterov X = G + mu (M' - G)
        sum:  M' = mu M + G;              X = M', or with nesterov X = G + mu M'

    1 - mu is formed in f64. G and M may be f32 or bf16; the arithmetic is f32, X is f32, M' has M's type.

    Constraints: (C1) G, M, X and M' have one shape; (C2) M' has M's type.

    ```mlir
    %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : tensor<768x3072xbf16>, tensor<768x3072xf32> -> tensor<768x3072xf32>, tensor<768x3072xf32>
    ```
  }];
  let arguments = (ins Muon_KeptTensor:$gradient, Muon_KeptTensor:$momentum, F64:$mu, Muon_MomentumFormAttr:$form, UnitAttr:$nesterov);
  let results = (outs Muon_F32Tensor:$x, Muon_KeptTensor:$new_momentum);
  let assemblyFormat = [{
    `` $form $gradient `,` $momentum `,` $mu (`nesterov` $nesterov^)? attr-dict `:` type($gradient) `,` type($momentum) `->` type($x) `,` type($new_momentum)
  }];
  let hasVerifier = 1;
}

def Muon_UpdateOp : Muon_Op<"update", [Pure]> {
  let summary = "the new weight";
  let description = [{
        W' = (1 - lr·wd) W - lr·scale·U     (decay decoupled);   W' = W - lr·scale·U     (decay none)

    1 - lr·wd and lr·scale are formed in f64. W may be f32 or bf16 (then W' is rounded to nearest even).

    Constraints: (C1) W, U and W' have one shape; (C2) W' has W's type.

    ```mlir
    %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 0.2 : tensor<768x3072xbf16>, tensor<768x3072xf32> -> tensor<768x3072xbf16>
    ```
  }];
  let arguments = (ins Muon_KeptTensor:$weight, Muon_F32Tensor:$update, F64:$lr, F64:$wd, Muon_DecayAttr:$decay, F64Attr:$scale);
  let results = (outs Muon_KeptTensor:$new_weight);
  let assemblyFormat = [{
    $weight `,` $update `,` $lr `,` $wd `decay` `` $decay `scale` $scale attr-dict `:` type($weight) `,` type($update) `->` type($new_weight)
  }];
  let hasVerifier = 1;
}

def Muon_RoundOp : Muon_Op<"round", [Pure]> {
  let summary = "stochastic rounding to bf16";
  let description = [{
    y is one of the two bf16 neighbours of x, the upper with probability (x - lower)/(upper - lower), from a
    counter-based generator keyed by (parameter, element index, step, seed). Exact values and non-finite values stay.

    Element (i, j) of a matrix has index i·columns + j. Of a box of a matrix `numbering` [first, row, column] says
    which it had in the whole: first + i·row + j·column.

    Constraints: (C1) x and y have one shape; (C2) numbering is three numbers of 0 or more.

    ```mlir
    %y = muon.round %w, %step, %seed : tensor<768x3072xf32> -> tensor<768x3072xbf16>
    %right = muon.round %half, %step, %seed numbering [1536, 3072, 1] : tensor<768x1536xf32> -> tensor<768x1536xbf16>
    ```
  }];
  let arguments = (ins Muon_F32Tensor:$x, I64:$step, I64:$seed, OptionalAttr<DenseI64ArrayAttr>:$numbering);
  let results = (outs StaticShapeTensorOf<[BF16]>:$y);
  let assemblyFormat = "$x `,` $step `,` $seed (`numbering` $numbering^)? attr-dict `:` type($x) `->` type($y)";
  let hasVerifier = 1;
}

def Muon_DiagonalOp : Muon_Op<"diagonal", [Pure]> {
  let summary = "the diagonal matrix s I";
  let description = [{
    D = s·I, a generator like `tensor.splat`: nothing is stored.

    Constraints: (C1) the last two dimensions of D are equal.

    ```mlir
    %d = muon.diagonal %s : tensor<768x768xf32>
    ```
  }];
  let arguments = (ins F32:$s);
  let results = (outs Muon_F32Tensor:$d);
  let assemblyFormat = "$s attr-dict `:` type($d)";
  let hasVerifier = 1;
}

def Muon_TopRowsOp : Muon_Op<"top_rows", [Pure]> {
  let summary = "the rows with the largest score";
  let description = [{
    index lists the `count` rows of largest score in rising row order (ties: the lower row); position is the inverse
    map, -1 where a row is absent.

    Constraints: (C1) score has rank 1; (C2) 1 ≤ count ≤ rows; (C3) index has count elements, position as many as score.

    ```mlir
    %index, %position = muon.top_rows %score count 192 : tensor<768xf32> -> tensor<192xi32>, tensor<768xi32>
    ```
  }];
  let arguments = (ins Muon_F32Tensor:$score, I64Attr:$count);
  let results = (outs StaticShapeTensorOf<[I32]>:$index, StaticShapeTensorOf<[I32]>:$position);
  let assemblyFormat = "$score `count` $count attr-dict `:` type($score) `->` type($index) `,` type($position)";
  let hasVerifier = 1;
}

def Muon_TakeRowsOp : Muon_Op<"take_rows", [Pure]> {
  let summary = "rows picked by an index map";
  let description = [{
    y_i = x_{map_i}, or zeros where map_i is -1.

    Constraints: (C1) x has rank 2; (C2) y has as many rows as map has elements and x's columns.

    ```mlir
    %top = muon.take_rows %x, %index : tensor<768x3072xf32>, tensor<192xi32> -> tensor<192x3072xf32>
    ```
  }];
  let arguments = (ins Muon_F32Tensor:$x, StaticShapeTensorOf<[I32]>:$map);
  let results = (outs Muon_F32Tensor:$y);
  let assemblyFormat = "$x `,` $map attr-dict `:` type($x) `,` type($map) `->` type($y)";
  let hasVerifier = 1;
}

def Muon_ProgramOp : Muon_Op<"program", [Symbol, NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "which parameters run which step function";
  let description = [{
    Constraints: (C1) the body holds nothing but `muon.use`, at least one; (C2) no parameter is named twice.

    ```mlir
    muon.program @gpt {
      muon.use @decay parameters ["ln_f.weight", "ln_f.bias"] set "others"
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $body attr-dict";
  let hasVerifier = 1;
}

def Muon_UseOp : Muon_Op<"use", [HasParent<"ProgramOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a group: the parameters that run one step function";
  let description = [{
    `set` names the row of scalars the parameters take.

    Constraints: (C1) function is a func.func with one weight argument; (C2) at least one parameter.

    ```mlir
    muon.use @decay parameters ["ln_f.weight", "ln_f.bias"] set "others"
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$function, StrArrayAttr:$parameters, StrAttr:$set);
  let assemblyFormat = "$function `parameters` $parameters `set` $set attr-dict";
}

//===----------------------------------------------------------------------------------------------===//
// Algebra ops: three pure products, f32 result, no coefficients
//===----------------------------------------------------------------------------------------------===//

class Muon_ProductOp<string mnemonic> : Muon_Op<mnemonic, [Pure, DeclareOpInterfaceMethods<Muon_ProductOpInterface>]>;

def Muon_GramOp : Muon_ProductOp<"gram"> {
  let summary = "the Gram matrix of X";
  let description = [{
        left: R = X Xᵀ;  right: R = Xᵀ X.   Symmetric to the bit.

    Constraints: (C1) rank ≥ 2; (C2) R is f32 and square with X's rows (left) or columns (right), same batch.

    ```mlir
    %r = muon.gram left %x : tensor<12x64x3072xbf16> -> tensor<12x64x64xf32>
    ```
  }];
  let arguments = (ins Muon_Tensor:$x, Muon_SideAttr:$side);
  let results = (outs Muon_F32Tensor:$r);
  let assemblyFormat = "`` $side $x attr-dict `:` type($x) `->` type($r)";
  let hasVerifier = 1;
}

def Muon_SymmetricMatmulOp : Muon_ProductOp<"symmetric_matmul"> {
  let summary = "the product of two commuting symmetric matrices";
  let description = [{
        C = A B with A = Aᵀ, B = Bᵀ and AB = BA, so that C is symmetric; one half is computed, the other mirrored.

    Constraints: (C1) A, B and C have one square shape; (C2) A and B have one element type.

    ```mlir
    %rr = muon.symmetric_matmul %r, %r : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    ```
  }];
  let arguments = (ins Muon_Tensor:$a, Muon_Tensor:$b);
  let results = (outs Muon_F32Tensor:$c);
  let assemblyFormat = "$a `,` $b attr-dict `:` type($a) `,` type($b) `->` type($c)";
  let hasVerifier = 1;
}

def Muon_ApplyOp : Muon_ProductOp<"apply"> {
  let summary = "a symmetric matrix applied to X";
  let description = [{
        left: Y = P X;  right: Y = X P.

    Constraints: (C1) P is square with X's rows (left) or columns (right), same batch;
    (C2) P and X have one element type; (C3) Y has X's shape.

    ```mlir
    %px = muon.apply left %p, %x : tensor<64x64xf32>, tensor<64x3072xf32> -> tensor<64x3072xf32>
    ```
  }];
  let arguments = (ins Muon_Tensor:$p, Muon_Tensor:$x, Muon_SideAttr:$side);
  let results = (outs Muon_F32Tensor:$y);
  let assemblyFormat = "`` $side $p `,` $x attr-dict `:` type($p) `,` type($x) `->` type($y)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------------------------------===//
// Choice
//===----------------------------------------------------------------------------------------------===//

def Muon_ChooseOp : Muon_Op<"choose", [Pure, AttrSizedOperandSegments]> {
  let summary = "per matrix, the candidate of the first condition that holds";
  let description = [{
        o = candidate i for the smallest i whose condition holds, the last candidate where none does.

    What only candidates and conditions behind i need is not computed for a matrix whose condition i holds: Plan makes
    the conditions predicates of the launches in between. So a loop that stops early is written as its rows one after
    the other and a choice among what they leave.

    Constraints: (C1) one condition or more, and one candidate more than conditions;
    (C2) every candidate has the result's type;
    (C3) a condition is one i1 per matrix: its shape is what the result's begins with.

    ```mlir
    %early = muon.choose %near of %x, %o : tensor<12xi1> of tensor<12x64x3072xf32>, tensor<12x64x3072xf32> -> tensor<12x64x3072xf32>
    ```
  }];
  let arguments = (ins Variadic<StaticShapeTensorOf<[I1]>>:$conditions, Variadic<StaticShapeTensorOf<[F64, F32, BF16, F16]>>:$candidates);
  let results = (outs StaticShapeTensorOf<[F64, F32, BF16, F16]>:$o);
  let assemblyFormat = "$conditions `of` $candidates attr-dict `:` type($conditions) `of` type($candidates) `->` type($o)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The last candidate.
    mlir::Value otherwise() { return getCandidates().back(); }
    /// Whether there is one number per matrix to choose.
    bool isNumber();
  }];
}

include "muon/IR/MuonPlanOps.td"

#endif // MUON_IR_OPS_TD
