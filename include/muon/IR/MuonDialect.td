//===- MuonDialect.td - the muon dialect ----------------------------------------------------------===//

#ifndef MUON_IR_DIALECT_TD
#define MUON_IR_DIALECT_TD

include "mlir/IR/OpBase.td"

def Muon_Dialect : Dialect {
  let name = "muon";
  let cppNamespace = "::muon";
  let summary = "Muon-family optimizer steps";
  let description = [{
    A step function is an ordinary `func.func` on static ranked tensors in SSA form: what one parameter undergoes.
    Leading dimensions are batch, every tensor is in W's own orientation. Only the spectral map and choices among
    tensors (`muon.choose`) need ops of ours; everything around them is `arith`/`math` on tensors, `tensor.splat`,
    `linalg.broadcast`, `linalg.reduce`, and the views `tensor.extract_slice`, `tensor.concat`, `tensor.expand_shape`
    and `tensor.collapse_shape`.

    Argument roles are argument attributes: `muon.arg` = "weight" | "gradient" | "state" | "input" (none: a scalar,
    f64 or i64) and `muon.name`. Results are the new weight, the new states in argument order, then metrics
    (result attribute `muon.name`). A function with a weight is a step function.

    Constraints: (C1) an argument's `muon.arg` is one of the four words, `muon.name` a string, and there is no other;
    (C2) an argument with a role is a static ranked tensor of at most eight dimensions and 2^40 elements, no size of it
    0, of f32, bf16, f16, f64, i32 or i64; (C3) states and inputs have a name. In a step function:
    (C4) one weight, at most one gradient, of the weight's shape;
    (C5) an argument without a role is an f64 or i64 with a name; (C6) no two arguments have one name;
    (C7) the results have the types of the weight and of the states in argument order, further ones are metrics with a
    name, tensors as in C2.

    What was asked for is `muon.request`, a `#muon.request`: (C8) on a module or a function, target and version on a
    module only; (C9) every `muon.variant` of the module is for its request's target.

    Further attributes are what one room says to a later one, or to the report:

    | attribute | on | value | said by |
    |-----------|----|-------|---------|
    | `muon.chains` | function | a list of dictionaries: what was chosen for chains of products | `muon-plan-launches` |
    | `muon.choice` | `muon.orthogonalize` | a dictionary: what was chosen, and why | `muon-choose-form` |
    | `muon.choice` | function | a list of those of its ops | `muon-expand-orthogonalize` |
    | `muon.flattened_from` | function | array<i64>: the shape whose last dimensions its matrix joins | presets |
    | `muon.guard` | an op with one result | 0 or 1 : i64, the stage that computes it | `muon-guard-gradient` |
    | `muon.integer_scalars` | module | array<i1>: which of `muon.scalars` are integers | `muon-plan-launches` |
    | `muon.kernels` | module | unit: it holds the kernels of the module around it | `--muon-pipeline` |
    | `muon.parts` | a product | a positive integer: how many parts k is cut into | `muon-split-products` or authors |
    | `muon.predicate` | an op with one result, of i32 | unit: this word skips matrices | `muon-guard-gradient` |
    | `muon.room` | module | a string: the room that left it | `--muon-pipeline` |
    | `muon.scalars` | module | a list of names: the columns of a scalar row | `muon-plan-launches` |
    | `muon.tuned` | function | a string: where its tuning is from | the tuning database |

    (C10) an attribute whose name begins with `muon.` is one of these or `muon.request`, on such an op, of such a value;
    (C11) where a module has `muon.scalars`, the scalars of its kernels are among them.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let extraClassDeclaration = [{ void registerAttributes(); }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::func::FuncDialect"
  ];
}

#endif // MUON_IR_DIALECT_TD
