//===- LinkLibrary.h - objects to a shared library ------------------------------------------------===//

#ifndef MUON_LIB_COMPILER_LINK_LIBRARY_H
#define MUON_LIB_COMPILER_LINK_LIBRARY_H

#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

#include <string>

namespace muon {

/// The object as a shared library's bytes, made by the linker found when the project was configured, or the one that
/// MUON_LINKER names. Objects are closed, so no library is needed.
llvm::Expected<std::string> linkLibrary(llvm::StringRef object);

/// Moves `from` into `into`. Internal functions of both stay. True on failure, as llvm::Linker.
bool linkKeepingInternals(llvm::Module &into, std::unique_ptr<llvm::Module> from);

} // namespace muon

#endif // MUON_LIB_COMPILER_LINK_LIBRARY_H
