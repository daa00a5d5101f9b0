//===- OwnProgram.cpp -------------------------------------------------------------------------===//

#include "OwnProgram.h"

#include "muon/Compiler/Walk.h"
#include "muon/IR/Request.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace muon;

/// Whether a module asks for something: a walk leaves its version even where nothing was asked.
static bool asksForSomething(ModuleOp module) {
  RequestAttr request = requestOf(module);
  return request && (request.getTarget() || request.getDtype() || request.getBand() || request.getOverrides());
}

static LogicalResult checkProgram(ModuleOp module) {
  if (asksForSomething(module))
    return module.emitOpError(
        "has a request of its own; expected what is asked for beside the program, or a file for the pass driver");
  FailureOr<Room> room = roomOf(module);
  if (failed(room))
    return failure();
  if (*room > Room::form)
    return module.emitOpError() << "expected a program of room ir or form, or a file for the pass driver, got room \""
                                << roomName(*room) << '"';
  if (module.getOps<func::FuncOp>().empty())
    return module.emitOpError("expected a program of at least one step function, a func.func");
  return success();
}

static void addParameters(ModuleOp module, StringRef name) {
  auto functions = llvm::to_vector(module.getOps<func::FuncOp>());
  if (!module.getOps<ProgramOp>().empty())
    return;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  SymbolTable symbols(module);
  auto program = ProgramOp::create(builder, module.getLoc(), name);
  OpBuilder uses = OpBuilder::atBlockBegin(&program.getBody().emplaceBlock());
  for (func::FuncOp function : functions) {
    StringAttr parameter = function.getNameAttr();
    if (parameter == name)
      (void)symbols.renameToUnique(function, {});
    UseOp::create(uses, function.getLoc(), function.getName(), builder.getArrayAttr({parameter}), "default");
  }
}

LogicalResult muon::takeProgram(ModuleOp module, StringRef name) {
  if (failed(checkProgram(module)))
    return failure();
  addParameters(module, name);
  return success();
}
