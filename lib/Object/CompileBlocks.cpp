//===- CompileBlocks.cpp - LLVM IR of a GPU room to PTX and cubin -----------------------------===//

#include "muon/Object/CompileBlocks.h"

#include "muon/Object/CompileObject.h"
#include "muon/Object/Files.h"
#include "muon/Object/TranslateModule.h"

#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

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

llvm::Expected<std::string> muon::compilePtx(llvm::Module &module, TargetAttr target) {
  return compileAssembly(module, target);
}

std::string muon::findPtxas() {
  llvm::SmallString<128> ofToolkit;
  llvm::SmallVector<StringRef> names{"ptxas"};
  if (auto home = llvm::sys::Process::GetEnv("CUDA_HOME")) {
    llvm::sys::path::append(ofToolkit, *home, "bin", "ptxas");
    names.push_back(ofToolkit);
  }
  return findTool("MUON_PTXAS", names);
}

llvm::Expected<Cubin> muon::assemblePtx(StringRef ptx, StringRef chip) {
  std::string program = findPtxas();
  if (program.empty())
    return llvm::createStringError(
        "ptxas not found: expected it on PATH, in CUDA_HOME/bin or named by MUON_PTXAS (or ask for ptx)");
  std::string architecture = ("-arch=" + chip).str();
  auto made = runOn(ptx, "ptx", "cubin", program, {architecture, "-v", "-O3"}, program + " failed for " + chip);
  if (!made)
    return made.takeError();
  return Cubin{std::move(made->bytes), std::move(made->messages)};
}

llvm::Expected<Cubin> muon::compileCubin(llvm::Module &finished, TargetAttr target) {
  auto ptx = compilePtx(finished, target);
  if (!ptx)
    return ptx.takeError();
  return assemblePtx(*ptx, target.getCpu());
}
