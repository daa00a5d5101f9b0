// RUN: muon-opt --program %s --target x86-64-v3 --emit header | FileCheck %s
// The groups are those of the description, however many uses one has, and no name ends the comment.
// CHECK: * Groups:
// CHECK-NEXT: *   scale\2A/\0A#error \2A: 3 parameter(s)
// CHECK-NEXT: *   other: 1 parameter(s)
// CHECK-NEXT: * Scalar sets: hidden, last\2A/
// CHECK-NEXT: * Scalar row: lr */
// CHECK-NEXT: #ifndef
!W = tensor<8x4xf32>
func.func @other(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"}) -> !W {
  %sum = arith.subf %w, %g : !W
  return %sum : !W
}
func.func @"scale*/\0A#error *"(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"}, %lr: f64 {muon.name = "lr"}) -> !W {
  %one = arith.constant 1.0 : f64
  %w1 = muon.update %w, %g, %lr, %one decay decoupled scale 1.0 : !W, !W -> !W
  return %w1 : !W
}
muon.program @gpt {
  muon.use @"scale*/\0A#error *" parameters ["a", "b"] set "hidden"
  muon.use @other parameters ["c"] set "last*/"
  muon.use @"scale*/\0A#error *" parameters ["d"] set "last*/"
}
