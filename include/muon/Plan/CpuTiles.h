//===- CpuTiles.h - register tiles of a processor -----------------------------------*- C++ -*-===//
//
// What plan and kernels agree on about the register tiles of a product.
//
//===----------------------------------------------------------------------------------------------===//
#ifndef MUON_PLAN_CPU_TILES_H
#define MUON_PLAN_CPU_TILES_H

#include "muon/IR/Muon.h"

namespace muon::cpu {

/// Panels of B that a register tile of f32 operands spans: two where a register holds 16 of them. The 32 registers then
/// hold the sums of six rows of 64 columns, 10 loads for 24 multiply-adds; of eight rows of 32 columns it is 10 for 16.
inline int64_t panelsOfTile(TargetAttr target) { return target.getVector() == 16 ? 2 : 1; }

} // namespace muon::cpu

#endif // MUON_PLAN_CPU_TILES_H
