//===- OwnProgram.h - step functions that somebody wrote, and modules that a walk left ------------===//

#ifndef MUON_LIB_COMPILER_OWNPROGRAM_H
#define MUON_LIB_COMPILER_OWNPROGRAM_H

#include "muon/Compiler/Compiler.h"

namespace muon {

/// The modules of a text: one, or what several targets left, with a line "// -----" between each two.
std::vector<llvm::StringRef> splitModules(llvm::StringRef text);

/// What C calls the program: as the request says, else as the module's muon.program does, else step. An error: it is no
/// name for C, or the program has been planned under another.
llvm::Expected<std::string> nameProgram(mlir::ModuleOp module, const Request &request);

/// Makes of a module what the rooms after its own take. It says which parameters there are: where it did not, each
/// function has one of its name, and one that has the program's own name, by which C finds it, is called otherwise. It
/// asks for what it asked for itself and for what the request adds, for `target`. Fails with one diagnostic where the
/// two contradict each other, where a room that it has left would have had to know of it, and without a step function.
mlir::LogicalResult takeProgram(mlir::ModuleOp module, const Request &request, llvm::StringRef name, TargetAttr target);

/// What makes two modules variants of one program: its parameters, their step functions' tensors and scalars, as text.
std::string describeInterface(mlir::ModuleOp planned);

} // namespace muon

#endif // MUON_LIB_COMPILER_OWNPROGRAM_H
