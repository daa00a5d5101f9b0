// RUN: muon-opt %s --muon-pipeline="stop-after=form" --verify-diagnostics --split-input-file
// RUN: not muon-opt %s --muon-pipeline="stop-after=tpu" 2>&1 | FileCheck %s
// CHECK: expected stop-after=form, plan, cpu or gpu, got tpu

// expected-error@+1 {{expected muon.room to be ir, form, plan, cpu or gpu, got "tpu"}}
module @negative_unknown_room attributes {muon.room = "tpu"} {}
