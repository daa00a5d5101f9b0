//===- CompileBlocks.cpp - LLVM IR of a GPU room to PTX and cubin ---------------------------------===//

#include "muon/Object/CompileBlocks.h"

#include "muon/Object/CompileObject.h"
#include "muon/Object/TranslateModule.h"

#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace muon;
using llvm::StringRef;

llvm::Error muon::finishBlocks(llvm::Module &module, TargetAttr target) {
  if (llvm::Error error = setTarget(module, target))
    return error;
  optimise(module);
  return llvm::Error::success();
}

std::string muon::writeBitcode(const llvm::Module &module) {
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  llvm::WriteBitcodeToFile(module, stream);
  return bytes;
}

llvm::Expected<std::string> muon::compilePtx(llvm::Module &module, TargetAttr target) { return compileAssembly(module, target); }

std::string muon::findPtxas() {
  if (auto chosen = llvm::sys::Process::GetEnv("MUON_PTXAS"); chosen && !chosen->empty())
    return llvm::sys::findProgramByName(*chosen) ? *llvm::sys::findProgramByName(*chosen) : *chosen;
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  if (auto home = llvm::sys::Process::GetEnv("CUDA_HOME")) {
    llvm::SmallString<128> path(*home);
    llvm::sys::path::append(path, "bin", "ptxas");
    if (llvm::sys::fs::can_execute(path))
      return path.str().str();
  }
  return "";
}

namespace {
/// A temporary file that goes with this object.
struct TemporaryFile {
  llvm::SmallString<128> path;
  llvm::FileRemover remover;
  llvm::Error create(StringRef suffix) {
    if (std::error_code failure = llvm::sys::fs::createTemporaryFile("muon", suffix, path))
      return llvm::createStringError(failure, "cannot create a temporary file");
    remover.setFile(path);
    return llvm::Error::success();
  }
  llvm::Expected<std::string> read() const {
    auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (!file)
      return llvm::createStringError(file.getError(), "cannot read " + path.str());
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

llvm::Expected<Cubin> muon::assemblePtx(StringRef ptx, StringRef chip) {
  std::string program = findPtxas();
  if (program.empty())
    return llvm::createStringError("ptxas not found: expected it on PATH, in CUDA_HOME/bin or named by MUON_PTXAS (or ask for ptx)");
  TemporaryFile input, output, messages;
  for (auto [file, suffix] : {std::pair{&input, "ptx"}, {&output, "cubin"}, {&messages, "txt"}})
    if (llvm::Error error = file->create(suffix))
      return error;
  {
    std::error_code failure;
    llvm::raw_fd_ostream file(input.path, failure);
    file << ptx;
    file.close();
    if (failure || file.has_error())
      return llvm::createStringError("cannot write " + input.path.str());
  }
  std::string architecture = ("-arch=" + chip).str();
  StringRef arguments[] = {program, architecture, "-v", "-O3", "-o", output.path, input.path};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(messages.path), StringRef(messages.path)};
  std::string why;
  int status = llvm::sys::ExecuteAndWait(program, arguments, std::nullopt, redirects, 0, 0, &why);
  auto text = messages.read();
  if (!text)
    return text.takeError();
  if (status)
    return llvm::createStringError(program + " failed for " + chip + ": " + (why.empty() ? firstError(*text) : why));
  auto bytes = output.read();
  if (!bytes)
    return bytes.takeError();
  return Cubin{std::move(*bytes), std::move(*text)};
}
