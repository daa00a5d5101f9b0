//===- DiscardableAttributes.h - what rooms write on ops that do not define it ------*- C++ -*-===//
//
// The dialect's description says where each may be, what its value is and which room writes it.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef MUON_IR_DISCARDABLE_ATTRIBUTES_H
#define MUON_IR_DISCARDABLE_ATTRIBUTES_H

#include "mlir/IR/Operation.h"

namespace muon {

// kRequest is in Request.h.
inline constexpr llvm::StringLiteral kChains = "muon.chains", kChoice = "muon.choice",
                                     kFlattenedFrom = "muon.flattened_from", kGuard = "muon.guard",
                                     kIntegerScalars = "muon.integer_scalars", kKernels = "muon.kernels",
                                     kParts = "muon.parts", kPredicate = "muon.predicate", kRoom = "muon.room",
                                     kScalars = "muon.scalars", kTuned = "muon.tuned";

/// Refuses an attribute of the dialect that is none of these, or that is where or what it may not be.
mlir::LogicalResult verifyDiscardable(mlir::Operation *op, mlir::NamedAttribute attribute);

} // namespace muon

#endif // MUON_IR_DISCARDABLE_ATTRIBUTES_H
