//===- LinkLibrary.cpp - objects to a shared library ------------------------------------------===//

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
  auto made = runOn(object, "o", "so", program, {"-shared", "-z", "defs"}, program + " failed");
  if (!made)
    return made.takeError();
  return std::move(made->bytes);
}
