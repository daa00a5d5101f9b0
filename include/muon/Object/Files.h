//===- Files.h - what other programs make of what we made ---------------------------*- C++ -*-===//

#ifndef MUON_OBJECT_FILES_H
#define MUON_OBJECT_FILES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace muon {

/// All of `bytes` as the file `path`, or an error with the path and the system's reason ("No space left on device").
llvm::Error writeFile(llvm::StringRef path, llvm::StringRef bytes);

/// The same for a file that others may read at any time: written beside it and renamed, so that nobody sees half of it
/// and a failure leaves what was there. A link stays one, and so does a device or a pipe, which is written into.
llvm::Error publish(llvm::StringRef path, llvm::StringRef bytes);

/// The program that the environment variable names, a path or a name on PATH, unless it is empty or not set; else the
/// first of `names`, likewise, that there is. Empty if nowhere.
std::string findTool(llvm::StringRef variable, llvm::ArrayRef<llvm::StringRef> names);

/// What another program made, and what it said.
struct Made {
  std::string bytes, messages;
};

/// Runs `program options... -o OUTPUT INPUT` on temporary files, INPUT holding `input`; their names end in the two
/// suffixes. Fails with one line that begins with `task` ("ptxas failed for sm_80"): why the program could not be
/// started, or the first line of its messages that says "error" or "fatal", else the first; or that
/// it wrote nothing. A file that cannot be created, written or read is one line too.
llvm::Expected<Made> runOn(llvm::StringRef input, llvm::StringRef inputSuffix, llvm::StringRef outputSuffix,
                           llvm::StringRef program, llvm::ArrayRef<llvm::StringRef> options, const llvm::Twine &task);

} // namespace muon

#endif // MUON_OBJECT_FILES_H
