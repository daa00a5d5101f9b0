//===- Files.cpp ------------------------------------------------------------------------------===//

#include "muon/Object/Files.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

using namespace muon;
using llvm::StringRef;

llvm::Error muon::writeFile(StringRef path, StringRef bytes) {
  std::error_code failure;
  llvm::raw_fd_ostream file(path, failure);
  if (!failure) {
    file << bytes;
    file.close();
    failure = file.error();
    file.clear_error(); // one that is left aborts the process
  }
  if (failure)
    return llvm::createStringError("cannot write " + path.str() + ": " + failure.message());
  return llvm::Error::success();
}

namespace {
/// A file in the system's directory for them, which goes with this object.
struct TemporaryFile {
  llvm::SmallString<128> path;
  llvm::FileRemover remover;

  llvm::Error create(StringRef suffix) {
    if (std::error_code failure = llvm::sys::fs::createTemporaryFile("muon", suffix, path))
      return llvm::createStringError("cannot create a temporary file: " + failure.message());
    remover.setFile(path);
    return llvm::Error::success();
  }
  llvm::Expected<std::string> read() const {
    auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (!file)
      return llvm::createStringError("cannot read " + path.str().str() + ": " + file.getError().message());
    return (*file)->getBuffer().str();
  }
};
} // namespace

/// The line that says what is wrong: ptxas begins with warnings and ends with a summary.
static std::string firstError(StringRef messages) {
  llvm::SmallVector<StringRef> lines;
  messages.split(lines, '\n', -1, false);
  for (StringRef line : lines)
    if (line.contains("error") || line.contains("fatal"))
      return line.trim().str();
  return lines.empty() ? "no output" : lines.front().str();
}

llvm::Expected<Made> muon::runOn(StringRef input, StringRef inputSuffix, StringRef outputSuffix, StringRef program,
                                 llvm::ArrayRef<StringRef> options, const llvm::Twine &task) {
  TemporaryFile from, to, messages;
  for (auto [file, suffix] : {std::pair{&from, inputSuffix}, {&to, outputSuffix}, {&messages, "txt"}})
    if (llvm::Error error = file->create(suffix))
      return error;
  if (llvm::Error error = writeFile(from.path, input))
    return error;
  llvm::SmallVector<StringRef> arguments{program};
  arguments.append(options.begin(), options.end());
  arguments.append({"-o", to.path, from.path});
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(messages.path), StringRef(messages.path)};
  std::string why;
  int status = llvm::sys::ExecuteAndWait(program, arguments, std::nullopt, redirects, 0, 0, &why);
  auto said = messages.read();
  if (!said)
    return said.takeError();
  if (status)
    return llvm::createStringError(task + ": " + (why.empty() ? firstError(*said) : why));
  auto bytes = to.read();
  if (!bytes)
    return bytes.takeError();
  return Made{std::move(*bytes), std::move(*said)};
}
