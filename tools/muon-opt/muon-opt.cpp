//===- muon-opt.cpp - the compiler's command line ---------------------------------------------===//

#include "GenerateProgram.h"
#include "ProgramOptions.h"

#include "muon/Compiler/Compiler.h"
#include "muon/Compiler/Walk.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"

int main(int argc, char **argv) {
  llvm::cl::SetVersionPrinter([](llvm::raw_ostream &out) { out << muon::compilerBuild() << "\n"; });
  if (takeProgramOptions(argc, argv))
    return generateProgram(argc, argv);
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  muon::registerDialects(registry);
  mlir::registerAllPasses();
  muon::registerPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "passes over a file; a program from matrix shapes: muon-opt --help\n", registry));
}
