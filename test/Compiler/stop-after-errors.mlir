// RUN: muon-opt %s --muon-pipeline="stop-after=plan" --verify-diagnostics --split-input-file
// RUN: echo 'module {}' | not muon-opt --muon-pipeline="stop-after=tpu" 2>&1 | FileCheck --match-full-lines --implicit-check-not={{.}} %s
// CHECK: <unknown>:0: error: expected stop-after=form, plan, cpu or gpu, got tpu
// RUN: not muon-opt %s --muon-pipeline="stop-after=ir" 2>&1 | FileCheck --check-prefix=IR %s
// IR: expected stop-after=form, plan, cpu or gpu, got ir
// RUN: echo 'module attributes {muon.room = "plan"} {}' | not muon-opt --muon-pipeline="stop-after=form" 2>&1 | FileCheck --check-prefix=PAST %s
// PAST: error: expected a module of room form or earlier for stop-after=form, got room plan
// PAST-NOT: see current operation
// RUN: echo 'module attributes {muon.room = "cpu"} {}' | not muon-opt --muon-pipeline="stop-after=gpu" 2>&1 | FileCheck --check-prefix=BESIDE %s
// BESIDE: expected a module of room plan or earlier for stop-after=gpu, got room cpu

// expected-error@+1 {{expected muon.room to be ir, form, plan, cpu or gpu, got "tpu"}}
module @negative_unknown_room attributes {muon.room = "tpu"} {}

// -----

// expected-error@+1 {{expected muon.room to be ir, form, plan, cpu or gpu, got 3 : i64}}
module @negative_room_in_numbers attributes {muon.room = 3} {}

// -----

// Where a file says it is, it has to be: what the room's contract asks is asked again.
module @negative_not_form attributes {muon.room = "form"} {
  func.func @semantic(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error@+1 {{'muon.orthogonalize' op is not in the closed op list that the Form room leaves}}
    %o = muon.orthogonalize %x table<"cubic", 2> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
    return %o : tensor<4x8xf32>
  }
}

// -----

// expected-error@+1 {{expected one muon.variant after Plan, got 0}}
module @negative_not_plan attributes {muon.room = "plan"} {}
