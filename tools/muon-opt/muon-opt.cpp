//===- muon-opt.cpp - the compiler's command line -------------------------------------------------===//

#include "muon/IR/Muon.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  registry.insert<muon::MuonDialect>();
  mlir::registerAllPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "muon-opt: kernels for the Muon optimizer\n", registry));
}
