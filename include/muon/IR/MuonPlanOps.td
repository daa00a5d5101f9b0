//===- MuonPlanOps.td - kernels, stages and launches ----------------------------------------------===//

#ifndef MUON_IR_PLAN_OPS_TD
#define MUON_IR_PLAN_OPS_TD

def Muon_KernelOp : Muon_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "one tile function";
  let description = [{
    The body is a scalar program for one element (i, j); a backend clones it at its own vector or fragment type. Sizes,
    strides and coefficients are launch data, so launches of different shapes share a kernel.

    `operands` lists what the kernel touches, in the order of a launch's places. A product's first two are its packed
    operands A and B (C_ij = Σ_k A_ik B_kj); they are not body arguments. Body arguments, in order: every other `in`
    operand (its dtype; a reduced scalar as f64); the f32 accumulator (products only); the scalars named in `scalars`
    (f64, or i64 where `integer_scalars` is true); the coefficients (f32 or f64). The body ends in `muon.yield` with one
    value per `out` operand, in order; a reduced output (space scalar or row) yields what is to be combined. A symmetric
    product adds up a scalar over both halves: what a block below the diagonal yields counts twice. It is `square` where
    A and B are one matrix: A = Bᵀ or A = B, symmetric; then both halves of C hold the same bits before any is copied,
    since products commute and sums have one order.

    Layouts (w = the word: an f32, or two bf16 adjacent along the depth; L = target lanes; element (i, j)):
    - plain:        strides of the place
    - columns:      panel j/L, depth i, lane j%L: [n/L][depth words][L] words; place row_stride = words per panel
    - rows:         panel i/L, depth j, lane i%L
    - row_tiles:    bf16, tile i/16, block j/32, then [i%16][j%32]; place row_stride = elements per strip of 16
    - column_tiles: bf16, tile j/16, block i/32, then [j%16][i%32]
    - padded:       row-major, unit column stride; rows and columns padded to multiples of 32; place row_stride =
                    padded columns
    - turned:       what a product reads from the padded transpose: element (i, j) at place row_stride * j + i
    Padding of panels and tiles along the depth is zero, and so is all of a padded matrix's.

    A chain computes products of symmetric k x k matrices that commute, one after another, in one thread block of a GPU.
    Its body is a scalar program like any other, in which `muon.contract` stands for the products: the elements it takes
    are those of matrices that the block keeps in its own memory. Its `tile` is one number, the side those matrices are
    padded to.

    `tile` is how a GPU computes a product: the numbers of a `ProductTile` (muon/IR/ProductTile.h), which are block
    rows, block columns and depth of one step, steps in flight (stages), then warps down and across the block. A product whose k is cut into parts has one result, an element operand with
    reduction `add`: one f32 matrix for each part, one after the other, which a sweep reads as one element operand with
    reduction `add`: their sum in ascending order. `gradients` lists the operands whose memory comes with each run: on a
    GPU their views hold a byte offset from the parameter's gradient.

    Constraints:
    (C1) the body has the arguments above and ends in `muon.yield` with one value per out operand, of its dtype;
    (C2) a product has an `operand_type` and two leading `in` operands in a packed layout; a sweep has no
    `operand_type`; (C3) `symmetric` only on products, `square` only on symmetric ones;
    (C4) only `muon.index`, `muon.parameter`, `muon.contract` and elementwise arith/math ops with one result in the body;
    (C5) `tile` only on products, six positive numbers, and on chains, one positive multiple of 32;
    (C6) `gradients` are plain element inputs;
    (C7) an element operand with a reduction is plain f32 with reduction `add`: the one output of a product, or an input
    of a sweep; at most five operands are such;
    (C8) a chain has an `operand_type` and at least one `muon.contract`, whose operands have it (for tf32 they are f32);
    no other kernel has one.

    ```mlir
    muon.kernel @decay_sweep sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>, #muon.operand<out, scalar, plain, f64, add>]
        scalars ["lr", "step"] [false, true] coefficients 1 {
    ^bb0(%w: f32, %lr: f64, %step: i64, %c: f32):
      %parameter = muon.parameter
      %column = muon.index 1
      %lrf = arith.truncf %lr : f64 to f32
      %scaled = arith.mulf %w, %lrf : f32
      %w1 = math.fma %scaled, %c, %w : f32
      %wide = arith.extf %w1 : f32 to f64
      %square = arith.mulf %wide, %wide : f64
      muon.yield %w1, %square : f32, f64
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Muon_KernelKindAttr:$kind, UnitAttr:$symmetric, UnitAttr:$square, OptionalAttr<TypeAttr>:$operand_type,
    TypedArrayAttrBase<Muon_OperandAttr, "operands">:$operands, StrArrayAttr:$scalars, DenseBoolArrayAttr:$integer_scalars,
    DefaultValuedAttr<ConfinedAttr<I64Attr, [IntNonNegative]>, "0">:$num_coefficients, OptionalAttr<DenseI64ArrayAttr>:$tile, OptionalAttr<DenseI64ArrayAttr>:$gradients);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `` $kind (`symmetric` $symmetric^)? (`square` $square^)? (`of` $operand_type^)? `operands` $operands `scalars` $scalars $integer_scalars
    `coefficients` $num_coefficients (`tile` $tile^)? (`gradients` $gradients^)? $body attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The number of leading operands that are not body arguments: 2 for products, 0 for sweeps and chains.
    unsigned numPanels() { return getKind() == ::muon::KernelKind::product ? 2 : 0; }
    ::muon::OperandAttr operandAt(unsigned i) { return ::mlir::cast<::muon::OperandAttr>(getOperands()[i]); }
    /// The number of operands in parts.
    unsigned numInParts();
  }];
}

def Muon_YieldOp : Muon_Op<"yield", [Pure, Terminator, HasParent<"KernelOp">]> {
  let summary = "the values of a kernel's outputs";
  let description = [{
    ```mlir
    muon.yield %w1, %square : f32, f64
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def Muon_IndexOp : Muon_Op<"index", [Pure, HasParent<"KernelOp">]> {
  let summary = "the row (axis 0) or column (axis 1) of the element being computed";
  let description = [{
    ```mlir
    %column = muon.index 1
    ```
  }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntMinValue<0>, IntMaxValue<1>]>:$axis);
  let results = (outs I64:$index);
  let assemblyFormat = "$axis attr-dict";
}

def Muon_ParameterOp : Muon_Op<"parameter", [Pure, HasParent<"KernelOp">]> {
  let summary = "the number of the parameter and matrix being computed: parameter * 2^32 + matrix, part of the random counter";
  let description = [{
    ```mlir
    %parameter = muon.parameter
    ```
  }];
  let results = (outs I64:$index);
  let assemblyFormat = "attr-dict";
}

def Muon_ContractOp : Muon_Op<"contract", [Pure, SameTypeOperands, HasParent<"KernelOp">]> {
  let summary = "the element of a product of two symmetric matrices that commute";
  let description = [{
    S_ij = Σ_k A_ik B_kj, where `a` and `b` are the elements (i, j) of A and B. Accumulated in f32 in ascending k; S is
    symmetric. Every element of A and B must be known before one of S is: a backend computes the body in as many rounds
    as it has products.

    Constraints: (C1) only in a kernel of kind chain (C8 of `muon.kernel`).

    ```mlir
    muon.kernel @squares chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, bf16, none>]
        scalars [] [] coefficients 1 tile [64] {
    ^bb0(%r: bf16, %c: f32):
      %square = muon.contract %r, %r : bf16
      %scaled = arith.mulf %square, %c : f32
      %z = arith.truncf %scaled : f32 to bf16
      %fourth = muon.contract %z, %z : bf16
      %q = arith.truncf %fourth : f32 to bf16
      muon.yield %q : bf16
    }
    ```
  }];
  let arguments = (ins AnyFloat:$a, AnyFloat:$b);
  let results = (outs F32:$s);
  let assemblyFormat = "$a `,` $b attr-dict `:` type($a)";
}

def Muon_VariantOp : Muon_Op<"variant", [Symbol, NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "the program for one target: a static launch list";
  let description = [{
    Stages in order; between two stages lies a barrier.

    Constraints: (C1) the body holds nothing but `muon.stage`; (C2) workspace and scratch are 0 bytes or more.

    ```mlir
    muon.variant @v3 <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 524288> workspace 4096 scratch 1024 {
      muon.stage {
        muon.launch @decay_sweep for @decay tiles 1 sizes [8, 4, 8]
            places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                    #muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                    #muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 0, matrix_stride = 64, row_stride = 1, column_stride = 0>]
            coefficients [0.5]
      }
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Muon_TargetAttr:$target,
    ConfinedAttr<I64Attr, [IntNonNegative]>:$workspace, ConfinedAttr<I64Attr, [IntNonNegative]>:$scratch, OptionalAttr<DictionaryAttr>:$report);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $target `workspace` $workspace `scratch` $scratch $body attr-dict";
  let hasVerifier = 1;
}

def Muon_StageOp : Muon_Op<"stage", [HasParent<"VariantOp">, NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "the work between two barriers";
  let description = [{
    Constraints: (C1) the body holds nothing but `muon.launch`, at least one.

    ```mlir
    muon.stage {
      muon.launch @decay_sweep for @decay tiles 1 sizes [8, 4, 8]
          places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                  #muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                  #muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 0, matrix_stride = 64, row_stride = 1, column_stride = 0>]
          coefficients [0.5]
    }
    ```
  }];
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$body attr-dict";
  let hasVerifier = 1;
}

def Muon_LaunchOp : Muon_Op<"launch", [HasParent<"StageOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one kernel over all matrices of one group";
  let description = [{
    `sizes` are those of muon/IR/LaunchSizes.h. Of a sweep: rows, columns, rows per tile, then on a GPU the number of
    parts of each operand in parts. Of a product: m, n, k, block rows, block columns, k chunk; on a GPU m, n, k and the
    k of each part where there are several, whose tiles follow each other. Of a chain: k, k. `predicate` is the number of an operand, an i32 per
    matrix: where it is not zero the matrix is left out (muon_launch in muon_runtime.h). A product's tile is one block
    of C (block rows and columns of the kernel's `tile` on a GPU); a symmetric product's tiles are the blocks on and
    below the diagonal.

    Constraints:
    (C1) kernel names a `muon.kernel` with as many operands as `places` and as many coefficients, or what it was lowered
    to; (C2) function names a func.func; (C3) tiles is positive;
    (C4) predicate is -1 (none) or the number of one of the places, a scalar i32 input;
    (C5) sizes are as many as above.

    ```mlir
    muon.launch @decay_sweep for @decay tiles 1 sizes [8, 4, 8]
        places [#muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                #muon.place<argument = 0, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>,
                #muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 0, matrix_stride = 64, row_stride = 1, column_stride = 0>]
        coefficients [0.5]
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, FlatSymbolRefAttr:$function, ConfinedAttr<I64Attr, [IntPositive]>:$tiles, DenseI64ArrayAttr:$sizes,
    TypedArrayAttrBase<Muon_PlaceAttr, "places">:$places, DenseF64ArrayAttr:$coefficients,
    DefaultValuedAttr<I64Attr, "-1">:$predicate);
  let assemblyFormat = [{
    $kernel `for` $function `tiles` $tiles `sizes` $sizes `places` $places `coefficients` custom<Coefficients>($coefficients) (`predicate` $predicate^)? attr-dict
  }];
}

#endif // MUON_IR_PLAN_OPS_TD
