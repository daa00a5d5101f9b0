//===- Files.cpp ----------------------------------------------------------------------------------===//

#include "muon/Object/Files.h"

#include "llvm/Support/FileSystem.h"
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

llvm::Error TemporaryFile::create(StringRef suffix) {
  if (std::error_code failure = llvm::sys::fs::createTemporaryFile("muon", suffix, path))
    return llvm::createStringError("cannot create a temporary file: " + failure.message());
  remover.setFile(path);
  return llvm::Error::success();
}

llvm::Expected<std::string> TemporaryFile::read() const {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return llvm::createStringError("cannot read " + path.str().str() + ": " + file.getError().message());
  return (*file)->getBuffer().str();
}

/// The line that says what is wrong: ptxas begins with warnings and ends with a summary.
static std::string firstError(StringRef messages) {
  llvm::SmallVector<StringRef> lines;
  messages.split(lines, '\n', -1, false);
  for (StringRef line : lines)
    if (line.contains("error") || line.contains("fatal"))
      return line.trim().str();
  return lines.empty() ? "no output" : lines.front().str();
}

llvm::Error muon::runProgram(StringRef program, llvm::ArrayRef<StringRef> arguments, const TemporaryFile &messages) {
  llvm::SmallVector<StringRef> all{program};
  all.append(arguments.begin(), arguments.end());
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(messages.path), StringRef(messages.path)};
  std::string why;
  if (!llvm::sys::ExecuteAndWait(program, all, std::nullopt, redirects, 0, 0, &why))
    return llvm::Error::success();
  if (why.empty()) {
    auto text = messages.read();
    if (!text)
      return text.takeError();
    why = firstError(*text);
  }
  return llvm::createStringError(program.str() + " failed: " + why);
}
