// RUN: muon-opt %s --muon-pipeline="stop-after=form" --verify-diagnostics --split-input-file
// RUN: not muon-opt %s --muon-pipeline="stop-after=gpu" 2>&1 | FileCheck %s
// CHECK: expected stop-after=form, plan or cpu, got gpu

// expected-error@+1 {{expected muon.room to be ir, form, plan or cpu, got "gpu"}}
module @negative_unknown_room attributes {muon.room = "gpu"} {}
