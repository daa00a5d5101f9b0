//===- KernelDump.cpp - assembly of kernels given as text
//-----------------------------------------===//

#include "Harness.h"

#include <fstream>
#include <iostream>
#include <sstream>

using namespace muon;
using namespace muon::test;

int main(int argc, char **argv) {
  std::ifstream file(argv[2]);
  std::stringstream text;
  text << file.rdbuf();
  TargetAttr chosen = target(argv[1]);
  llvm::LLVMContext llvmContext;
  auto module = compile(text.str(), chosen, llvmContext);
  if (argc > 3) {
    std::string ir;
    llvm::raw_string_ostream stream(ir);
    module->print(stream, nullptr);
    std::cout << ir;
    return 0;
  }
  std::cout << llvm::ExitOnError()(compileAssembly(*module, chosen));
}
