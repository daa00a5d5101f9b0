//===- LinkLibrary.h - objects to a shared library --------------------------------------------===//

#ifndef MUON_LIB_COMPILER_LINK_LIBRARY_H
#define MUON_LIB_COMPILER_LINK_LIBRARY_H

#include "llvm/Support/Error.h"

#include <string>

namespace muon {

/// The object as a shared library's bytes, made by the linker found when the project was configured, or the one that
/// MUON_LINKER names. Objects are closed, so no library is needed.
llvm::Expected<std::string> linkLibrary(llvm::StringRef object);

} // namespace muon

#endif // MUON_LIB_COMPILER_LINK_LIBRARY_H
