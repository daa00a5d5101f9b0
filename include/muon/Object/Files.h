//===- Files.h - what other programs are given and give back ----------------------------*- C++ -*-===//

#ifndef MUON_OBJECT_FILES_H
#define MUON_OBJECT_FILES_H

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileUtilities.h"

#include <string>

namespace muon {

/// All of `bytes` as the file `path`, or an error with the path and the system's reason ("No space left on device").
llvm::Error writeFile(llvm::StringRef path, llvm::StringRef bytes);

/// A file in the system's directory for them, which goes with this object.
struct TemporaryFile {
  llvm::SmallString<128> path;
  llvm::FileRemover remover;

  /// Errors: it cannot be created, with the system's reason.
  llvm::Error create(llvm::StringRef suffix);
  llvm::Expected<std::string> read() const;
};

/// Runs a program, its output and errors going to `messages`. Fails with one line that names the program: why it could not be started, or
/// the first line of its messages that says "error" or "fatal", else the first.
llvm::Error runProgram(llvm::StringRef program, llvm::ArrayRef<llvm::StringRef> arguments, const TemporaryFile &messages);

} // namespace muon

#endif // MUON_OBJECT_FILES_H
