//===- Files.cpp ------------------------------------------------------------------------------===//

#include "muon/Object/Files.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
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

/// Closes neither the descriptor nor the process: an error that a stream still has when it goes is fatal.
static std::error_code writeTo(int descriptor, StringRef bytes) {
  llvm::raw_fd_ostream file(descriptor, /*shouldClose=*/false);
  file << bytes;
  file.flush();
  std::error_code failure = file.error();
  file.clear_error();
  return failure;
}

llvm::Error muon::publish(StringRef path, StringRef bytes) {
  llvm::SmallString<128> real;
  if (llvm::sys::fs::real_path(path, real))
    real = path; // there is nothing yet
  if (llvm::sys::fs::is_directory(real))
    return llvm::createStringError("expected a file to write, got the directory '" + path + "'");
  if (llvm::sys::fs::exists(real) && !llvm::sys::fs::is_regular_file(real))
    return writeFile(path, bytes);
  auto temporary = llvm::sys::fs::TempFile::create(real + ".temp-%%%%%%%%");
  if (!temporary)
    return llvm::createFileError(path, temporary.takeError());
  if (std::error_code failure = writeTo(temporary->FD, bytes)) {
    llvm::consumeError(temporary->discard());
    return llvm::createStringError("cannot write " + path + ": " + failure.message());
  }
  if (llvm::Error failure = temporary->keep(real))
    return llvm::createFileError(path, std::move(failure));
  return llvm::Error::success();
}

std::string muon::findTool(StringRef variable, llvm::ArrayRef<StringRef> names) {
  auto chosen = llvm::sys::Process::GetEnv(variable);
  if (chosen && !chosen->empty()) // one that is not there is named when it is run
    return llvm::sys::findProgramByName(*chosen) ? *llvm::sys::findProgramByName(*chosen) : *chosen;
  for (StringRef name : names)
    if (auto found = llvm::sys::findProgramByName(name); found && llvm::sys::fs::can_execute(*found))
      return *found;
  return "";
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
  if (bytes->empty())
    return llvm::createStringError(task + ": it wrote nothing");
  return Made{std::move(*bytes), std::move(*said)};
}
