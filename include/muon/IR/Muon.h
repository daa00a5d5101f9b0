//===- Muon.h - the muon dialect: attributes, interfaces, ops -----------------------*- C++ -*-===//

#ifndef MUON_IR_MUON_H
#define MUON_IR_MUON_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "muon/Polynomial/Table.h"

#include "muon/IR/MuonDialect.h.inc"
#include "muon/IR/MuonEnums.h.inc"
#include "muon/IR/MuonInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "muon/IR/MuonAttributes.h.inc"
#define GET_OP_CLASSES
#include "muon/IR/MuonOps.h.inc"

namespace muon {
/// The attribute's rows as the Polynomial room's table.
Table toTable(TableAttr attribute);
/// The table as an attribute.
TableAttr toAttribute(mlir::MLIRContext *context, const Table &table);
/// The type of the Gram matrix of `x` on `side`, with elements of `element`.
mlir::RankedTensorType gramType(mlir::RankedTensorType x, Side side, mlir::Type element);
/// The types that operands of products are narrowed to.
inline constexpr llvm::StringRef kOperandTypes[] = {"f32", "bf16", "f16", "tf32"};
bool isOperandType(mlir::Type type);
/// Null where it names none.
mlir::Type operandTypeNamed(mlir::MLIRContext *context, llvm::StringRef name);
} // namespace muon

#endif // MUON_IR_MUON_H
