//===- MuonAttributes.td - enums and attributes ---------------------------------------------------===//

#ifndef MUON_IR_ATTRIBUTES_TD
#define MUON_IR_ATTRIBUTES_TD

include "muon/IR/MuonDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class Muon_Enum<string name, string what, list<EnumCase> cases> : I32Enum<name, what, cases> {
  let cppNamespace = "::muon";
}
class Muon_EnumAttr<EnumInfo info, string word> : EnumAttr<Muon_Dialect, info, word>;

def Muon_Norm : Muon_Enum<"Norm", "what X is divided by before the first step", [
  I32EnumCase<"frobenius", 0>, I32EnumCase<"trace", 1>, I32EnumCase<"aol", 2>, I32EnumCase<"schatten4", 3>,
  I32EnumCase<"none", 4>]>;
def Muon_NormAttr : Muon_EnumAttr<Muon_Norm, "norm">;

def Muon_EpsForm : Muon_Enum<"EpsForm", "how eps enters the norm: norm + eps, or max(norm, eps)", [
  I32EnumCase<"add", 0>, I32EnumCase<"clamp", 1>]>;
def Muon_EpsFormAttr : Muon_EnumAttr<Muon_EpsForm, "eps_form">;

def Muon_Form : Muon_Enum<"Form", "standard iterates on X; gram iterates on R and applies once", [
  I32EnumCase<"standard", 0>, I32EnumCase<"gram", 1>]>;
def Muon_FormAttr : Muon_EnumAttr<Muon_Form, "form">;

def Muon_Side : Muon_Enum<"Side", "left: R = X X^T and R X; right: R = X^T X and X R", [
  I32EnumCase<"left", 0>, I32EnumCase<"right", 1>]>;
def Muon_SideAttr : Muon_EnumAttr<Muon_Side, "side">;

def Muon_MomentumForm : Muon_Enum<"MomentumForm", "ema: M' = mu M + (1 - mu) G; sum: M' = mu M + G", [
  I32EnumCase<"ema", 0>, I32EnumCase<"sum", 1>]>;
def Muon_MomentumFormAttr : Muon_EnumAttr<Muon_MomentumForm, "momentum">;

def Muon_Decay : Muon_Enum<"Decay", "none, or decoupled: W is first scaled by 1 - lr wd", [
  I32EnumCase<"none", 0>, I32EnumCase<"decoupled", 1>]>;
def Muon_DecayAttr : Muon_EnumAttr<Muon_Decay, "decay">;

def Muon_Accuracy : Muon_Enum<"Accuracy", "table: what the table maps to; exact: the polar factor to working precision", [
  I32EnumCase<"table", 0>, I32EnumCase<"exact", 1>]>;
def Muon_AccuracyAttr : Muon_EnumAttr<Muon_Accuracy, "accuracy">;

def Muon_Role : Muon_Enum<"Role", "what an argument of a step function is", [
  I32EnumCase<"weight", 0>, I32EnumCase<"gradient", 1>, I32EnumCase<"state", 2>, I32EnumCase<"input", 3>]>;

def Muon_KernelKind : Muon_Enum<"KernelKind", "sweep: rows x columns of one matrix; product: one block of a matrix product; chain: products of small symmetric matrices, one after another", [
  I32EnumCase<"sweep", 0>, I32EnumCase<"product", 1>, I32EnumCase<"chain", 2>]>;
def Muon_KernelKindAttr : Muon_EnumAttr<Muon_KernelKind, "kernel_kind">;

def Muon_Direction : Muon_Enum<"Direction", "whether a kernel reads or writes the operand", [
  I32EnumCase<"in", 0>, I32EnumCase<"out", 1>]>;

def Muon_Space : Muon_Enum<"Space", "how the operand is indexed from the element (i, j) being computed", [
  I32EnumCase<"element", 0>, I32EnumCase<"row", 1>, I32EnumCase<"column", 2>, I32EnumCase<"scalar", 3>]>;

def Muon_Layout : Muon_Enum<"Layout", "how a matrix is laid out in memory", [
  I32EnumCase<"plain", 0>, I32EnumCase<"columns", 1>, I32EnumCase<"rows", 2>, I32EnumCase<"row_tiles", 3>,
  I32EnumCase<"column_tiles", 4>, I32EnumCase<"padded", 5>, I32EnumCase<"turned", 6>]>;

def Muon_Reduction : Muon_Enum<"Reduction", "how an output combines the elements it covers", [
  I32EnumCase<"none", 0>, I32EnumCase<"add", 1>, I32EnumCase<"max", 2>, I32EnumCase<"min", 3>]>;

class Muon_Attr<string name, string word, list<Trait> traits = []> : AttrDef<Muon_Dialect, name, traits> {
  let mnemonic = word;
}

def Muon_TableAttr : Muon_Attr<"Table", "table"> {
  let summary = "one row of odd-polynomial coefficients per step";
  let description = [{
    Row t holds the coefficients of p_t(x) = Σ c_i x^(2i+1), lowest degree first. A published table is written by
    name and number of steps; any other with its rows:

    ```mlir
    #muon.table<"keller", 5>
    #muon.table<"mine", [[3.4445, -4.775, 2.0315], [1.875, -1.25, 0.375]]>
    ```

    Constraints: (C1) every row has 2 to 7 finite coefficients (degree 3 to 13), the first positive;
    (C2) at least one row;
    (C3) a name without rows is a published table with that number of steps: a table is never cycled and never cut.
  }];
  let parameters = (ins "::mlir::StringAttr":$name, ArrayRefParameter<"::mlir::DenseF64ArrayAttr">:$rows);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Muon_ChipAttr : Muon_Attr<"Chip", "chip"> {
  let summary = "an NVIDIA chip as the compiler sees it: data, no behaviour";
  let description = [{
    `multiprocessors` at `clock` MHz, each with `fma` multiply-adds a cycle on dense bf16 operands with f32 accumulation
    (tf32: half), `shared` bytes of shared memory of which one block may take `block_shared`, `registers` 32-bit
    registers, and room for `warps` warps and `blocks` blocks. `l2` is in bytes; `l2_rate` and `memory_rate` are in
    GB/s.

    Constraints: (C1) every number is positive, and block_shared is at most shared.

    ```mlir
    #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912,
      registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
    ```
  }];
  let parameters = (ins
    StringRefParameter<"product name">:$name,
    "unsigned":$multiprocessors, "unsigned":$clock, "unsigned":$fma,
    "unsigned":$shared, "unsigned":$block_shared, "unsigned":$registers, "unsigned":$warps, "unsigned":$blocks,
    "uint64_t":$l2, "unsigned":$l2_rate, "unsigned":$memory_rate);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Muon_TargetAttr : Muon_Attr<"Target", "target"> {
  let summary = "a processor as the compiler sees it: data, no behaviour";
  let description = [{
    `isa` is how products are computed: `fma` (f32 vectors), `half` (f16 pairs, f16 sums in runs), `dot` (bf16 pairs,
    vdpbf16ps), `amx` (bf16 tiles), `mma` (warps of an NVIDIA GPU: mma.sync). `lanes` is the panel width in words,
    `heights` the register-tile heights that make up one panel's rows in order, `vector` the f32 lanes of one register.
    Cache sizes are bytes per core. A GPU has lanes = 32, one warp, `l1` is one multiprocessor's shared memory, and
    `chip` says the rest.

    Constraints: (C1) isa is fma, half, dot, amx or mma; (C2) heights are positive and add up to lanes;
    (C3) isa mma has a chip, the others have none; (C4) lanes, vector, l1 and l2 are positive.

    ```mlir
    #muon.target<cpu = "znver4", features = "", triple = "x86_64-unknown-linux-gnu",
      isa = "dot", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 32768, l2 = 1048576>
    ```
  }];
  let parameters = (ins
    StringRefParameter<"processor name for LLVM">:$cpu,
    StringRefParameter<"LLVM feature string">:$features,
    StringRefParameter<"LLVM triple">:$triple,
    StringRefParameter<"products of 16-bit operands: fma, half, dot, amx or mma">:$isa,
    "unsigned":$lanes,
    "::mlir::DenseI64ArrayAttr":$heights,
    "unsigned":$vector,
    "uint64_t":$l1, "uint64_t":$l2,
    OptionalParameter<"::muon::ChipAttr">:$chip);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let builders = [
    AttrBuilder<(ins "::llvm::StringRef":$cpu, "::llvm::StringRef":$features, "::llvm::StringRef":$triple, "::llvm::StringRef":$isa,
                 "unsigned":$lanes, "::mlir::DenseI64ArrayAttr":$heights, "unsigned":$vector, "uint64_t":$l1, "uint64_t":$l2), [{
      return $_get($_ctxt, cpu, features, triple, isa, lanes, heights, vector, l1, l2, ::muon::ChipAttr());
    }]>
  ];
  let extraClassDeclaration = [{
    bool isGpu() const { return getIsa() == "mma"; }
    /// Why it has no products of operands of this type, in one line; empty where it has. GPUs have all.
    std::string whyNot(::mlir::Type operands) const;
  }];
}

def Muon_BandAttr : Muon_Attr<"Band", "band"> {
  let summary = "where the singular values that are served should end";
  let description = [{
    Singular values in [floor, 1], divided by the norm, should come out between `lower` and `upper`; without these,
    anywhere.

    Constraints: (C1) 0 < floor < 1; (C2) 0 < lower < upper < 2, or neither is given.

    ```mlir
    #muon.band<floor = 0.01, lower = 0.68, upper = 1.14>
    ```
  }];
  let parameters = (ins "::mlir::DenseF64ArrayAttr":$numbers);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    double getFloor() const { return getNumbers()[0]; }
    /// Whether lower and upper are given.
    bool isBounded() const { return getNumbers().size() > 1; }
    double getLower() const { return getNumbers()[1]; }
    double getUpper() const { return getNumbers()[2]; }
  }];
}

def Muon_RequestAttr : Muon_Attr<"Request", "request"> {
  let summary = "what was asked for";
  let description = [{
    The attribute `muon.request` of a module, which every room reads: the `target`; `dtype`, the type that product
    operands are narrowed to (absent: as `muon-choose-form` says); the `band` that tables should keep; `overrides`, each
    in place of a choice of the compiler's; the `version` of the dialect that the module was written in, stamped by
    `--muon-pipeline` (absent: the reader's own). All of it is optional, and says what was asked, not what came of it. A
    step function may have a `muon.request` of its own, which wins over the module's part by part, override by override;
    what an op says itself wins over both.

    | override | value | read by |
    |----------|-------|---------|
    | form | auto, standard or gram | `muon-choose-form` |
    | side | auto (the short one), left or right | `muon-choose-form` |
    | restarts | rows, ascending | `muon-choose-form` |
    | pairs | rows, ascending | `muon-choose-form` |
    | tile | the block of every product: [side, depth] on a CPU, six numbers on a GPU | `muon-plan-launches` |
    | parts | into how many parts a GPU cuts the k of every product | `muon-split-products` |
    | chain | how a GPU computes chains of products: auto, block or launches | `muon-plan-launches` |
    | nonfinite | propagate, or skip: a matrix with a non-finite gradient keeps weight and states | `muon-guard-gradient` |

    Constraints: (C1) version is at most 1;
    (C2) dtype is f32, bf16, f16 or tf32, one the target has products of (f16: GPUs and isa half; tf32: GPUs);
    (C3) an override is one of those above;
    (C4) its value is of that kind: one of the words, a list of integers, or for parts a positive integer.

    ```mlir
    #muon.request<target = #v3, dtype = bf16, band = <floor = 0.01, lower = 0.68, upper = 1.14>,
      overrides = {form = "gram", nonfinite = "skip", restarts = [2, 4], tile = [128, 0]}, version = 1>
    ```
  }];
  let parameters = (ins
    OptionalParameter<"::muon::TargetAttr">:$target, OptionalParameter<"::mlir::Type">:$dtype, OptionalParameter<"::muon::BandAttr">:$band,
    OptionalParameter<"::mlir::DictionaryAttr">:$overrides, DefaultValuedParameter<"unsigned", "0">:$version);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let builders = [AttrBuilderWithInferredContext<(ins "::muon::TargetAttr":$target), [{
    return $_get(target.getContext(), target, ::mlir::Type(), ::muon::BandAttr(), ::mlir::DictionaryAttr(), 0);
  }]>];
}

def Muon_OperandAttr : Muon_Attr<"Operand", "operand"> {
  let summary = "how a kernel touches one operand";
  let description = [{
    Whether it reads or writes it, how the operand is indexed from the element (i, j), its layout and type in memory,
    and for an output (or an input that such an output left) how elements are combined. Space element with reduction
    `add` is a matrix in parts (`muon.kernel`).

    Constraints: (C1) dtype is f32, bf16, f16, f64, i32 or i64;
    (C2) a layout other than plain is of an element operand without reduction, of f32, bf16 or f16, that of row_tiles
    and column_tiles bf16.

    ```mlir
    #muon.operand<in, row, plain, f32, none>
    ```
  }];
  let parameters = (ins
    EnumParameter<Muon_Direction>:$direction, EnumParameter<Muon_Space>:$space, EnumParameter<Muon_Layout>:$layout,
    "::mlir::Type":$dtype, EnumParameter<Muon_Reduction>:$reduction);
  let assemblyFormat = "`<` $direction `,` $space `,` $layout `,` $dtype `,` $reduction `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isInParts() const { return getSpace() == ::muon::Space::element && getReduction() != ::muon::Reduction::none; }
  }];
}

def Muon_PlaceAttr : Muon_Attr<"Place", "place"> {
  let summary = "where a launch finds one operand";
  let description = [{
    Either argument `argument` of the group's step function (`row_axis`/`column_axis` are the axes of that tensor which
    rows and columns walk, -1 for none; of a box of it `offset` is the row-major number of the first element in the
    matrix), or the workspace at byte `offset` with `matrix_stride` bytes from one matrix to the next and strides in
    elements. For a scalar operand in the workspace `row_stride` is the number of f64 partials to add.

    Constraints: (C1) argument and the axes are -1 or more, all other numbers 0 or more;
    (C2) a place in the workspace has no axes.

    ```mlir
    #muon.place<argument = -1, row_axis = -1, column_axis = -1, offset = 4096, matrix_stride = 65536, row_stride = 128, column_stride = 1>
    ```
  }];
  let parameters = (ins
    "int64_t":$argument, "int64_t":$row_axis, "int64_t":$column_axis,
    "int64_t":$offset, "int64_t":$matrix_stride, "int64_t":$row_stride, "int64_t":$column_stride);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let builders = [
    AttrBuilder<(ins "int64_t":$argument, "int64_t":$row_axis, "int64_t":$column_axis), [{
      return $_get($_ctxt, argument, row_axis, column_axis, 0, 0, 0, 0);
    }]>
  ];
  let extraClassDeclaration = [{ bool isArgument() const { return getArgument() >= 0; } }];
}
#endif // MUON_IR_ATTRIBUTES_TD
