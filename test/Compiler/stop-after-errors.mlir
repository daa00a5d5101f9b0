// RUN: muon-opt %s --muon-pipeline="stop-after=form" --verify-diagnostics --split-input-file
// RUN: not muon-opt %s --muon-pipeline="stop-after=tpu" 2>&1 | FileCheck %s
// CHECK: expected stop-after=form, plan, cpu or gpu, got tpu

// expected-error@+1 {{expected muon.room to be ir, form, plan, cpu or gpu, got "tpu"}}
module @negative_unknown_room attributes {muon.room = "tpu"} {}

// -----

// expected-error@+1 {{expected muon.version of at most 1, got 2}}
module @negative_newer_version attributes {muon.version = 2 : i64} {}

// -----

module @negative_other_target attributes {muon.room = "form", muon.target = #muon.target<cpu = "x86-64-v4", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 32768, l2 = 1048576>} {
  // expected-error@+1 {{is planned for cpu "x86-64-v3", but the module's muon.target is cpu "x86-64-v4"}}
  muon.variant @v <cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144> workspace 128 scratch 0 {
  }
}
