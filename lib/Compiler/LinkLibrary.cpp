//===- LinkLibrary.cpp - objects to a shared library ----------------------------------------------===//

#include "LinkLibrary.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

using namespace muon;
using llvm::StringRef;

static std::string linker() {
  if (const char *chosen = std::getenv("MUON_LINKER"))
    return chosen;
  for (StringRef name : {MUON_LINKER, "ld.lld-22", "ld.lld", "ld"})
    if (auto found = llvm::sys::findProgramByName(name))
      return *found;
  return "";
}

llvm::Expected<std::string> muon::linkLibrary(StringRef object) {
  std::string program = linker();
  if (program.empty())
    return llvm::createStringError("no linker found, expected ld.lld-22, ld.lld or ld on PATH, or MUON_LINKER");
  llvm::SmallString<128> input, output, messages;
  for (auto [path, suffix] : {std::pair{&input, "o"}, {&output, "so"}, {&messages, "txt"}})
    if (std::error_code failure = llvm::sys::fs::createTemporaryFile("muon", suffix, *path))
      return llvm::createStringError(failure, "cannot create a temporary file");
  llvm::FileRemover removeInput(input), removeOutput(output), removeMessages(messages);
  {
    std::error_code failure;
    llvm::raw_fd_ostream file(input, failure);
    file << object;
    file.close();
    if (failure || file.has_error())
      return llvm::createStringError("cannot write %s", input.c_str());
  }
  StringRef arguments[] = {program, "-shared", "-z", "defs", "-o", output, input};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(messages), StringRef(messages)};
  if (llvm::sys::ExecuteAndWait(program, arguments, std::nullopt, redirects)) {
    auto text = llvm::MemoryBuffer::getFile(messages);
    return llvm::createStringError(program + " failed: " + (text ? (*text)->getBuffer().split('\n').first.str() : "no output"));
  }
  auto library = llvm::MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!library)
    return llvm::createStringError(library.getError(), "cannot read the linked library");
  return (*library)->getBuffer().str();
}
