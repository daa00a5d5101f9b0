//===- LinkLibrary.cpp - objects to a shared library ------------------------------------------===//

#include "LinkLibrary.h"

#include "muon/Object/Files.h"

using namespace muon;
using llvm::StringRef;

llvm::Expected<std::string> muon::linkLibrary(StringRef object) {
  std::string program = findTool("MUON_LINKER", {MUON_LINKER, "ld.lld-22", "ld.lld", "ld"});
  if (program.empty())
    return llvm::createStringError("no linker found, expected ld.lld-22, ld.lld or ld on PATH, or MUON_LINKER");
  auto made = runOn(object, "o", "so", program, {"-shared", "-z", "defs"}, program + " failed");
  if (!made)
    return made.takeError();
  return std::move(made->bytes);
}
