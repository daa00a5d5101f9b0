//===- CompileObject.cpp ----------------------------------------------------------------------===//

#include "muon/Object/CompileObject.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace muon;

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machineFor(TargetAttr target) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
  });
  std::string error;
  llvm::Triple triple(target.getTriple());
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found)
    return llvm::createStringError("no code generator for " + target.getTriple() + ": " + error);
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(
      triple, target.getCpu(), target.getFeatures(), {}, llvm::Reloc::PIC_, {}, llvm::CodeGenOptLevel::Default));
}

static void setMachine(llvm::Module &module, const llvm::TargetMachine &machine) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
}

llvm::Error muon::setTarget(llvm::Module &module, TargetAttr target) {
  auto machine = machineFor(target);
  if (!machine)
    return machine.takeError();
  setMachine(module, **machine);
  return llvm::Error::success();
}

static llvm::Expected<llvm::SmallVector<char, 0>> emit(llvm::Module &module, TargetAttr target,
                                                       llvm::CodeGenFileType type) {
  auto machine = machineFor(target);
  if (!machine)
    return machine.takeError();
  setMachine(module, **machine);
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, type))
    return llvm::createStringError("cannot write this kind of file for " + target.getTriple());
  passes.run(module);
  return buffer;
}

llvm::Expected<llvm::SmallVector<char, 0>> muon::compileObject(llvm::Module &module, TargetAttr target) {
  return emit(module, target, llvm::CodeGenFileType::ObjectFile);
}

llvm::Expected<std::string> muon::compileAssembly(llvm::Module &module, TargetAttr target) {
  auto text = emit(module, target, llvm::CodeGenFileType::AssemblyFile);
  if (!text)
    return text.takeError();
  return std::string(text->begin(), text->end());
}
