//===- LinkLibrary.cpp - objects to a shared library ----------------------------------------------===//

#include "LinkLibrary.h"

#include "muon/Object/Files.h"

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
  TemporaryFile input, output, messages;
  for (auto [file, suffix] : {std::pair{&input, "o"}, {&output, "so"}, {&messages, "txt"}})
    if (llvm::Error error = file->create(suffix))
      return error;
  if (llvm::Error error = writeFile(input.path, object))
    return error;
  if (llvm::Error error = runProgram(program, {"-shared", "-z", "defs", "-o", output.path, input.path}, messages))
    return error;
  return output.read();
}
