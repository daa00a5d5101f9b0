// The eleven programs of the Muon family: what one parameter undergoes, one function per algorithm, each a different
// program and never a flag of another. Two are also given as Form leaves them.
// RUN: muon-opt %s -o %t.once.mlir
// RUN: muon-opt %t.once.mlir -o %t.twice.mlir
// RUN: diff %t.once.mlir %t.twice.mlir
// RUN: FileCheck %s < %t.twice.mlir

!W = tensor<768x3072xf32>
!T = tensor<3072x768xf32>
!N = tensor<768x768xf32>
!R = tensor<768xf32>
!L = tensor<3072xf32>
!S = tensor<f32>

// KellerJordan/Muon: the reference every other program departs from.
// CHECK-LABEL: func.func @keller(
// CHECK: muon.momentum ema
// CHECK: muon.orthogonalize %{{.*}} table<"jordan", 5> operands bf16
// CHECK: muon.update
func.func @keller(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                  %m: !W {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                  %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (!W, !W) {
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : !W, !W -> !W, !W
  %o = muon.orthogonalize %x table<"jordan", 5> operands bf16 eps 1.0e-7 : !W -> !W
  %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 1.0 : !W, !W -> !W
  return %w1, %m1 : !W, !W
}

// torch.optim.Muon: eps is a clamp; match_rms_adamw is the scale 0.2 √3072.
// CHECK-LABEL: func.func @torch(
// CHECK: muon.momentum ema
// CHECK: muon.orthogonalize %{{.*}} table<"jordan", 5> operands bf16
// CHECK: muon.update
func.func @torch(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                 %m: !W {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                 %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (!W, !W) {
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : !W, !W -> !W, !W
  %o = muon.orthogonalize %x table<"jordan", 5> operands bf16 eps 1.0e-7 eps_form clamp : !W -> !W
  %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 11.08512516844081 : !W, !W -> !W
  return %w1, %m1 : !W, !W
}

// One second moment per row, and the row-scaled O brought back to its old norm. The row sums of (O/d)² are
// the row sums of O² divided by d²: no second pass over O.
// CHECK-LABEL: func.func @normuon(
// CHECK: muon.momentum ema
// CHECK: muon.orthogonalize %{{.*}} table<"jordan", 5> operands bf16
// CHECK: muon.update
func.func @normuon(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                   %m: !W {muon.arg = "state", muon.name = "momentum"}, %v: !R {muon.arg = "state", muon.name = "second_moment"},
                   %lr: f64 {muon.name = "lr"}, %wd: f64 {muon.name = "wd"},
                   %mu: f64 {muon.name = "mu"}, %ob2: f64 {muon.name = "one_minus_beta2"}) -> (!W, !W, !R) {
  %z1 = arith.constant dense<0.0> : !R
  %z0 = arith.constant dense<0.0> : !S
  %eps = arith.constant dense<1.0e-10> : !R
  %cn = arith.constant dense<3.2552083e-4> : !R
  %e = tensor.empty() : !W
  %obf = arith.truncf %ob2 : f64 to f32
  %ob = tensor.splat %obf : !R
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : !W, !W -> !W, !W
  %o = muon.orthogonalize %x table<"jordan", 5> operands bf16 eps 1.0e-7 : !W -> !W
  %o2 = arith.mulf %o, %o : !W
  %q = linalg.reduce { arith.addf } ins(%o2 : !W) outs(%z1 : !R) dimensions = [1]
  %mean = arith.mulf %q, %cn : !R
  %dv = arith.subf %mean, %v : !R
  %v1 = math.fma %ob, %dv, %v : !R
  %sd = math.sqrt %v1 : !R
  %d = arith.addf %sd, %eps : !R
  %d2 = arith.mulf %d, %d : !R
  %qd = arith.divf %q, %d2 : !R
  %s0 = linalg.reduce { arith.addf } ins(%q : !R) outs(%z0 : !S) dimensions = [0]
  %s1 = linalg.reduce { arith.addf } ins(%qd : !R) outs(%z0 : !S) dimensions = [0]
  %r2 = arith.divf %s0, %s1 : !S
  %k = math.sqrt %r2 : !S
  %db = linalg.broadcast ins(%d : !R) outs(%e : !W) dimensions = [1]
  %kb = linalg.broadcast ins(%k : !S) outs(%e : !W) dimensions = [0, 1]
  %n = arith.divf %o, %db : !W
  %u = arith.mulf %n, %kb : !W
  %w1 = muon.update %w, %u, %lr, %wd decay decoupled scale 1.0 : !W, !W -> !W
  return %w1, %m1, %v1 : !W, !W, !R
}

// The sign of the momentum is orthogonalised, and a second moment per element scales O; c = 0.04·m·n. The two other
// AdaMuons are this one without the sign and the rescaling, or without the sign and with a bias-corrected v.
// CHECK-LABEL: func.func @adamuon(
// CHECK: muon.momentum ema
// CHECK: muon.orthogonalize %{{.*}} table<"jordan", 5> operands bf16
// CHECK: muon.update
func.func @adamuon(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                   %m: !W {muon.arg = "state", muon.name = "momentum"}, %v: !W {muon.arg = "state", muon.name = "second_moment"},
                   %lr: f64 {muon.name = "lr"}, %wd: f64 {muon.name = "wd"},
                   %mu: f64 {muon.name = "mu"}, %omu: f64 {muon.name = "one_minus_mu"}) -> (!W, !W, !W) {
  %z = arith.constant dense<0.0> : !W
  %z0 = arith.constant dense<0.0> : !S
  %eps = arith.constant dense<1.0e-8> : !W
  %c = arith.constant dense<94371.84> : !S
  %e = tensor.empty() : !W
  %of = arith.truncf %omu : f64 to f32
  %b = tensor.splat %of : !W
  %y, %m1 = muon.momentum ema %g, %m, %mu : !W, !W -> !W, !W
  %p = arith.cmpf ogt, %y, %z : !W
  %n = arith.cmpf olt, %y, %z : !W
  %pf = arith.uitofp %p : tensor<768x3072xi1> to !W
  %nf = arith.uitofp %n : tensor<768x3072xi1> to !W
  %x = arith.subf %pf, %nf : !W
  %o = muon.orthogonalize %x table<"jordan", 5> operands bf16 eps 1.0e-7 : !W -> !W
  %o2 = arith.mulf %o, %o : !W
  %dv = arith.subf %o2, %v : !W
  %v1 = math.fma %b, %dv, %v : !W
  %sd = math.sqrt %v1 : !W
  %sde = arith.addf %sd, %eps : !W
  %q = arith.divf %o, %sde : !W
  %q2 = arith.mulf %q, %q : !W
  %s = linalg.reduce { arith.addf } ins(%q2 : !W) outs(%z0 : !S) dimensions = [0, 1]
  %r2 = arith.divf %c, %s : !S
  %k = math.sqrt %r2 : !S
  %kb = linalg.broadcast ins(%k : !S) outs(%e : !W) dimensions = [0, 1]
  %u = arith.mulf %q, %kb : !W
  %w1 = muon.update %w, %u, %lr, %wd decay decoupled scale 1.0 : !W, !W -> !W
  return %w1, %m1, %v1 : !W, !W, !W
}

// QK-clip per head after the step (MHA; for GQA gamma is first reduced over the group). S = 0 or NaN gives gamma = 1.
// CHECK-LABEL: func.func @muonclip(
// CHECK: muon.momentum sum
// CHECK: muon.orthogonalize %{{.*}} table<"jordan", 5> operands bf16
// CHECK: muon.update
func.func @muonclip(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                    %m: !W {muon.arg = "state", muon.name = "momentum"}, %s: tensor<12xf32> {muon.arg = "input", muon.name = "max_logit"},
                    %tau: f64 {muon.name = "tau"}, %lr: f64 {muon.name = "lr"},
                    %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (!W, !W) {
  %one = arith.constant dense<1.0> : tensor<12xf32>
  %tf = arith.truncf %tau : f64 to f32
  %t = tensor.splat %tf : tensor<12xf32>
  %e = tensor.empty() : tensor<12x64x3072xf32>
  %x, %m1 = muon.momentum sum %g, %m, %mu nesterov : !W, !W -> !W, !W
  %o = muon.orthogonalize %x table<"jordan", 5> operands bf16 eps 1.0e-7 : !W -> !W
  %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 11.08512516844081 : !W, !W -> !W
  %r = arith.divf %t, %s : tensor<12xf32>
  %gam = arith.minnumf %one, %r : tensor<12xf32>
  %f = math.sqrt %gam : tensor<12xf32>
  %fb = linalg.broadcast ins(%f : tensor<12xf32>) outs(%e : tensor<12x64x3072xf32>) dimensions = [1, 2]
  %wh = tensor.expand_shape %w1 [[0, 1], [2]] output_shape [12, 64, 3072] : !W into tensor<12x64x3072xf32>
  %wc = arith.mulf %wh, %fb : tensor<12x64x3072xf32>
  %w2 = tensor.collapse_shape %wc [[0, 1], [2]] : tensor<12x64x3072xf32> into !W
  return %w2, %m1 : !W, !W
}

// The row-norm linear minimisation oracle, constrained (wd = 1). The spectral one is keller without Nesterov, wd = 1.
// CHECK-LABEL: func.func @scion_row(
// CHECK: muon.momentum ema
// CHECK: muon.update
func.func @scion_row(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                     %m: !W {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                     %mu: f64 {muon.name = "mu"}) -> (!W, !W) {
  %one = arith.constant 1.0 : f64
  %z1 = arith.constant dense<0.0> : !R
  %cn = arith.constant dense<3072.0> : !R
  %eps = arith.constant dense<1.0e-8> : !R
  %e = tensor.empty() : !W
  %x, %m1 = muon.momentum ema %g, %m, %mu : !W, !W -> !W, !W
  %x2 = arith.mulf %x, %x : !W
  %q = linalg.reduce { arith.addf } ins(%x2 : !W) outs(%z1 : !R) dimensions = [1]
  %qn = arith.mulf %q, %cn : !R
  %sq = math.sqrt %qn : !R
  %d = arith.addf %sq, %eps : !R
  %db = linalg.broadcast ins(%d : !R) outs(%e : !W) dimensions = [1]
  %u = arith.divf %x, %db : !W
  %w1 = muon.update %w, %u, %lr, %one decay decoupled scale 3000.0 : !W, !W -> !W
  return %w1, %m1 : !W, !W
}

// Turbo-Muon: the almost-orthogonal (AOL) scaling replaces the norm and saves the first row of the table.
// CHECK-LABEL: func.func @turbo(
// CHECK: muon.orthogonalize %{{.*}} table<"you5_tail", {{.*}}> operands bf16 norm aol eps
func.func @turbo(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                 %m: !W {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                 %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (!W, !W) {
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : !W, !W -> !W, !W
  %o = muon.orthogonalize %x table<"you5_tail", [[3.9505, -6.3029, 2.6377], [3.7418, -5.5913, 2.3037], [2.8769, -3.1427, 1.2046], [2.8366, -3.0525, 1.2012]]>
       operands bf16 norm aol eps 1.0e-8 eps_form clamp : !W -> !W
  %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 1.0 : !W, !W -> !W
  return %w1, %m1 : !W, !W
}

// The first of its four steps as Form leaves it: the scaling is read off the Gram matrix's row sums.
// CHECK-LABEL: func.func @turbo_first_step_after_form(
// CHECK: muon.gram left
// CHECK: muon.symmetric_matmul
// CHECK: muon.apply left
func.func @turbo_first_step_after_form(%xh: tensor<768x3072xbf16>) -> tensor<768x3072xbf16> {
  %z1 = arith.constant dense<0.0> : !R
  %eps = arith.constant dense<1.0e-8> : !R
  %e = tensor.empty() : !W
  %en = tensor.empty() : !N
  %b = arith.constant dense<-6.3029> : !N
  %c = arith.constant dense<2.6377> : !N
  %a = arith.constant dense<3.9505> : !W
  %r = muon.gram left %xh : tensor<768x3072xbf16> -> !N
  %ab = math.absf %r : !N
  %q = linalg.reduce { arith.addf } ins(%ab : !N) outs(%z1 : !R) dimensions = [1]
  %qc = arith.maximumf %q, %eps : !R
  %s = math.rsqrt %qc : !R
  %si = linalg.broadcast ins(%s : !R) outs(%en : !N) dimensions = [1]
  %sj = linalg.broadcast ins(%s : !R) outs(%en : !N) dimensions = [0]
  %r1 = arith.mulf %r, %si : !N
  %rs = arith.mulf %r1, %sj : !N
  %rh = arith.truncf %rs : !N to tensor<768x768xbf16>
  %sx = linalg.broadcast ins(%s : !R) outs(%e : !W) dimensions = [1]
  %xf = arith.extf %xh : tensor<768x3072xbf16> to !W
  %xs = arith.mulf %xf, %sx : !W
  %xsh = arith.truncf %xs : !W to tensor<768x3072xbf16>
  %rr = muon.symmetric_matmul %rh, %rh : tensor<768x768xbf16>, tensor<768x768xbf16> -> !N
  %br = arith.mulf %b, %rs : !N
  %p = math.fma %c, %rr, %br : !N
  %ph = arith.truncf %p : !N to tensor<768x768xbf16>
  %px = muon.apply left %ph, %xsh : tensor<768x768xbf16>, tensor<768x3072xbf16> -> !W
  %x1 = math.fma %a, %xs, %px : !W
  %x1h = arith.truncf %x1 : !W to tensor<768x3072xbf16>
  return %x1h : tensor<768x3072xbf16>
}

// Tall 3072x768: a diagonal over the long side, orthogonalised twice.
// CHECK-LABEL: func.func @aurora(
// CHECK: muon.momentum ema
// CHECK: muon.orthogonalize %{{.*}} table<"simple_quintic", 12> operands bf16
// CHECK: muon.orthogonalize %{{.*}} table<"simple_quintic", 12> operands bf16
// CHECK: muon.update
func.func @aurora(%w: !T {muon.arg = "weight"}, %g: !T {muon.arg = "gradient"},
                  %m: !T {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                  %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (!T, !T) {
  %z1 = arith.constant dense<0.0> : !L
  %eps = arith.constant dense<1.0e-14> : !L
  %tgt = arith.constant dense<0.25> : !L
  %e = tensor.empty() : !T
  %y, %m1 = muon.momentum ema %g, %m, %mu nesterov : !T, !T -> !T, !T
  %y2 = arith.mulf %y, %y : !T
  %q0 = linalg.reduce { arith.addf } ins(%y2 : !T) outs(%z1 : !L) dimensions = [1]
  %q0c = arith.maximumf %q0, %eps : !L
  %d0 = math.rsqrt %q0c : !L
  %b0 = linalg.broadcast ins(%d0 : !L) outs(%e : !T) dimensions = [1]
  %x0 = arith.mulf %y, %b0 : !T
  %o0 = muon.orthogonalize %x0 table<"simple_quintic", 12> operands bf16 : !T -> !T
  %p2 = arith.mulf %o0, %o0 : !T
  %q1 = linalg.reduce { arith.addf } ins(%p2 : !T) outs(%z1 : !L) dimensions = [1]
  %q1c = arith.maximumf %q1, %eps : !L
  %r1 = arith.divf %tgt, %q1c : !L
  %f1 = math.sqrt %r1 : !L
  %d1 = arith.mulf %d0, %f1 : !L
  %b1 = linalg.broadcast ins(%d1 : !L) outs(%e : !T) dimensions = [1]
  %x1 = arith.mulf %y, %b1 : !T
  %o1 = muon.orthogonalize %x1 table<"simple_quintic", 12> operands bf16 : !T -> !T
  %w1 = muon.update %w, %o1, %lr, %wd decay decoupled scale 2.0 : !T, !T -> !T
  return %w1, %m1 : !T, !T
}

// The 192 rows of largest L1 norm; the others keep their momentum whole.
// CHECK-LABEL: func.func @dion2(
// CHECK: muon.top_rows
// CHECK: muon.take_rows
// CHECK: muon.orthogonalize %{{.*}} table<"nanogpt_pe", 5> operands bf16
// CHECK: muon.take_rows
// CHECK: muon.update
func.func @dion2(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                 %m: !W {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                 %wd: f64 {muon.name = "wd"}, %ef: f64 {muon.name = "error_feedback"}) -> (!W, !W) {
  %z1 = arith.constant dense<0.0> : !R
  %one = arith.constant dense<1.0> : !R
  %zi = arith.constant dense<0> : tensor<768xi32>
  %e = tensor.empty() : !W
  %ff = arith.truncf %ef : f64 to f32
  %efr = tensor.splat %ff : !R
  %m1 = arith.addf %m, %g : !W
  %ab = math.absf %m1 : !W
  %l1 = linalg.reduce { arith.addf } ins(%ab : !W) outs(%z1 : !R) dimensions = [1]
  %idx, %pos = muon.top_rows %l1 count 192 : !R -> tensor<192xi32>, tensor<768xi32>
  %x = muon.take_rows %m1, %idx : !W, tensor<192xi32> -> tensor<192x3072xf32>
  %o = muon.orthogonalize %x table<"nanogpt_pe", 5> operands bf16 eps 1.0e-6 safety 1.02 : tensor<192x3072xf32> -> tensor<192x3072xf32>
  %hit = arith.cmpi sge, %pos, %zi : tensor<768xi32>
  %f = arith.select %hit, %efr, %one : tensor<768xi1>, !R
  %fb = linalg.broadcast ins(%f : !R) outs(%e : !W) dimensions = [1]
  %m2 = arith.mulf %m1, %fb : !W
  %u = muon.take_rows %o, %pos : tensor<192x3072xf32>, tensor<768xi32> -> !W
  %w1 = muon.update %w, %u, %lr, %wd decay decoupled scale 0.5 : !W, !W -> !W
  return %w1, %m2 : !W, !W
}

// G (GᵀG + εI)^(-1/2): the cubic on the Gram matrix normalised by its trace, which includes kε.
// CHECK-LABEL: func.func @inverse_root(
// CHECK: muon.orthogonalize %{{.*}} table<"cubic", 2> operands f32 norm trace damping
func.func @inverse_root(%w: !W {muon.arg = "weight"}, %g: !W {muon.arg = "gradient"},
                        %m: !W {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                        %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> (!W, !W) {
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : !W, !W -> !W, !W
  %o = muon.orthogonalize %x table<"cubic", 2> operands f32 norm trace damping 1.0e-6 : !W -> !W
  %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 1.0 : !W, !W -> !W
  return %w1, %m1 : !W, !W
}

// Its two steps as Form leaves them: P = 1.5 I + z, R ← P R P, and O = (P₂ P₁) X / √t.
// CHECK-LABEL: func.func @inverse_root_two_steps_after_form(
// CHECK: muon.gram left
// CHECK: muon.diagonal
// CHECK: muon.symmetric_matmul
// CHECK: muon.symmetric_matmul
// CHECK: muon.symmetric_matmul
// CHECK: muon.diagonal
// CHECK: muon.apply left
func.func @inverse_root_two_steps_after_form(%x: !W) -> !W {
  %eps = arith.constant 1.0e-6 : f32
  %keps = arith.constant dense<7.68e-4> : !S
  %z0 = arith.constant dense<0.0> : !S
  %en = tensor.empty() : !N
  %e = tensor.empty() : !W
  %h = arith.constant dense<-0.5> : !N
  %a = arith.constant dense<1.5> : !N
  %aa = arith.constant 2.25 : f32
  %x2 = arith.mulf %x, %x : !W
  %f2 = linalg.reduce { arith.addf } ins(%x2 : !W) outs(%z0 : !S) dimensions = [0, 1]
  %t = arith.addf %f2, %keps : !S
  %tn = linalg.broadcast ins(%t : !S) outs(%en : !N) dimensions = [0, 1]
  %g = muon.gram left %x : !W -> !N
  %i = muon.diagonal %eps : !N
  %gd = arith.addf %g, %i : !N
  %r = arith.divf %gd, %tn : !N
  %z = arith.mulf %h, %r : !N
  %zr = muon.symmetric_matmul %z, %r : !N, !N -> !N
  %y = math.fma %a, %r, %zr : !N
  %zy = muon.symmetric_matmul %z, %y : !N, !N -> !N
  %r1 = math.fma %a, %y, %zy : !N
  %zn = arith.mulf %h, %r1 : !N
  %zz = muon.symmetric_matmul %z, %zn : !N, !N -> !N
  %s = arith.addf %z, %zn : !N
  %q0 = math.fma %a, %s, %zz : !N
  %i2 = muon.diagonal %aa : !N
  %q = arith.addf %q0, %i2 : !N
  %rt = math.rsqrt %t : !S
  %rb = linalg.broadcast ins(%rt : !S) outs(%e : !W) dimensions = [0, 1]
  %qx = muon.apply left %q, %x : !N, !W -> !W
  %o = arith.mulf %qx, %rb : !W
  return %o : !W
}

// No orthogonalize: one sweep in the same program.
// CHECK-LABEL: func.func @adamw(
// CHECK: muon.update
func.func @adamw(%w: !R {muon.arg = "weight"}, %g: !R {muon.arg = "gradient"},
                 %m: !R {muon.arg = "state", muon.name = "momentum"}, %v: !R {muon.arg = "state", muon.name = "second_moment"},
                 %lr: f64 {muon.name = "lr"}, %wd: f64 {muon.name = "wd"},
                 %b1: f64 {muon.name = "beta1"}, %b2: f64 {muon.name = "beta2"},
                 %eps: f64 {muon.name = "eps"}, %t: i64 {muon.name = "step"}) -> (!R, !R, !R) {
  %one = arith.constant 1.0 : f64
  %p1 = math.fpowi %b1, %t : f64, i64
  %p2 = math.fpowi %b2, %t : f64, i64
  %c1 = arith.subf %one, %p1 : f64
  %c2 = arith.subf %one, %p2 : f64
  %k1 = arith.divf %one, %c1 : f64
  %o1 = arith.subf %one, %b1 : f64
  %o2 = arith.subf %one, %b2 : f64
  %o1f = arith.truncf %o1 : f64 to f32
  %o2f = arith.truncf %o2 : f64 to f32
  %c2f = arith.truncf %c2 : f64 to f32
  %k1f = arith.truncf %k1 : f64 to f32
  %ef = arith.truncf %eps : f64 to f32
  %o1t = tensor.splat %o1f : !R
  %o2t = tensor.splat %o2f : !R
  %c2t = tensor.splat %c2f : !R
  %k1t = tensor.splat %k1f : !R
  %et = tensor.splat %ef : !R
  %dm = arith.subf %g, %m : !R
  %m1 = math.fma %o1t, %dm, %m : !R
  %g2 = arith.mulf %g, %g : !R
  %dv = arith.subf %g2, %v : !R
  %v1 = math.fma %o2t, %dv, %v : !R
  %vh = arith.divf %v1, %c2t : !R
  %s = math.sqrt %vh : !R
  %d = arith.addf %s, %et : !R
  %q = arith.divf %m1, %d : !R
  %u = arith.mulf %q, %k1t : !R
  %w1 = muon.update %w, %u, %lr, %wd decay decoupled scale 1.0 : !R, !R -> !R
  return %w1, %m1, %v1 : !R, !R, !R
}

// CHECK: muon.program @gpt
// CHECK-NEXT: muon.use @normuon parameters ["h.0.mlp.c_fc.weight", "h.1.mlp.c_fc.weight"] set "matrices"
// CHECK-NEXT: muon.use @adamw parameters ["ln_f.weight", "ln_f.bias"] set "others"
muon.program @gpt {
  muon.use @normuon parameters ["h.0.mlp.c_fc.weight", "h.1.mlp.c_fc.weight"] set "matrices"
  muon.use @adamw parameters ["ln_f.weight", "ln_f.bias"] set "others"
}
