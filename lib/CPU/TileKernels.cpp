//===- TileKernels.cpp - register tiles on AMX
//----------------------------------------------------===//
//
// The tile registers are named by number and configured once per tile function: LLVM's automatic
// configuration would reload it in every micro kernel.
//
//===-------------------------------------------------------------------------------------------===//

#include "Kernels.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

void cpu::openTiles(Emitter &e) {}
void cpu::closeTiles(Emitter &e) {}
void cpu::callTiles(Emitter &e, Routines &routines, const MicroTile &tile, Value strip) {}
