//===- Walk.h - the rooms a module walks through ------------------------------------*- C++ -*-===//

#ifndef MUON_COMPILER_WALK_H
#define MUON_COMPILER_WALK_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/OwningOpRef.h"

namespace muon {

/// The rooms with a pipeline, in walking order. After plan a module goes
/// through cpu or gpu. The module attribute `muon.room` names the last one left.
enum class Room { ir, form, plan, cpu, gpu };

llvm::StringRef roomName(Room room);
mlir::FailureOr<Room> parseRoom(llvm::StringRef name);

/// The room a module has left last, ir if it does not say. Fails with a diagnostic where what it says is no room.
mlir::FailureOr<Room> roomOf(mlir::ModuleOp module);

/// Walks the module through the rooms after its own, up to and including `last`. What describes kernels goes with them.
mlir::LogicalResult walk(mlir::ModuleOp module, Room last);

/// Of a module in room cpu or gpu that the pass driver left there: as Plan left it. Its kernels stand beside their
/// code.
mlir::OwningOpRef<mlir::ModuleOp> plannedOf(mlir::ModuleOp lowered);

/// Everything the rooms use.
void registerDialects(mlir::DialectRegistry &registry);
/// Every pass of ours, and --muon-pipeline="stop-after=form|plan|cpu|gpu".
void registerPasses();

} // namespace muon

#endif // MUON_COMPILER_WALK_H
