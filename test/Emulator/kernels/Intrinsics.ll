; Intrinsics that C has no builtins for, as functions that vanish when a kernel is compiled: results through a pointer.
target datalayout = "e-p6:32:32-i64:64-i128:128-i256:256-v16:16-v32:32-n16:32:64"
target triple = "nvptx64-nvidia-cuda"

declare { i32, i32, i32, i32 } @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3))
declare { i32, i32, i32, i32 } @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16.p3(ptr addrspace(3))
declare { i32, i32 } @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x2.trans.b16.p3(ptr addrspace(3))
declare void @llvm.nvvm.stmatrix.sync.aligned.m8n8.x2.b16.p3(ptr addrspace(3), i32, i32)
declare { float, float, float, float } @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32, i32, i32, i32, i32, i32, float, float, float, float)
declare { float, float, float, float } @llvm.nvvm.mma.m16n8k16.row.col.f32.f32(<2 x half>, <2 x half>, <2 x half>, <2 x half>, <2 x half>, <2 x half>, float, float, float, float)
declare { float, float, float, float } @llvm.nvvm.mma.m16n8k8.row.col.tf32(i32, i32, i32, i32, i32, i32, float, float, float, float)
declare i32 @llvm.nvvm.redux.sync.max(i32, i32)

define void @load_matrix_x4(ptr %out, ptr addrspace(3) %row) alwaysinline convergent {
  %r = call { i32, i32, i32, i32 } @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3) %row)
  store { i32, i32, i32, i32 } %r, ptr %out
  ret void
}

define void @load_matrix_x4_trans(ptr %out, ptr addrspace(3) %row) alwaysinline convergent {
  %r = call { i32, i32, i32, i32 } @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16.p3(ptr addrspace(3) %row)
  store { i32, i32, i32, i32 } %r, ptr %out
  ret void
}

define void @load_matrix_x2_trans(ptr %out, ptr addrspace(3) %row) alwaysinline convergent {
  %r = call { i32, i32 } @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x2.trans.b16.p3(ptr addrspace(3) %row)
  store { i32, i32 } %r, ptr %out
  ret void
}

define void @store_matrix_x2(ptr addrspace(3) %row, i32 %a, i32 %b) alwaysinline convergent {
  call void @llvm.nvvm.stmatrix.sync.aligned.m8n8.x2.b16.p3(ptr addrspace(3) %row, i32 %a, i32 %b)
  ret void
}

define i32 @warp_maximum(i32 %value) alwaysinline convergent {
  %r = call i32 @llvm.nvvm.redux.sync.max(i32 %value, i32 -1)
  ret i32 %r
}

define void @mma_bf16(ptr %d, ptr %a, ptr %b) alwaysinline convergent {
  %av = load { i32, i32, i32, i32 }, ptr %a
  %bv = load { i32, i32 }, ptr %b
  %cv = load { float, float, float, float }, ptr %d
  %a0 = extractvalue { i32, i32, i32, i32 } %av, 0
  %a1 = extractvalue { i32, i32, i32, i32 } %av, 1
  %a2 = extractvalue { i32, i32, i32, i32 } %av, 2
  %a3 = extractvalue { i32, i32, i32, i32 } %av, 3
  %b0 = extractvalue { i32, i32 } %bv, 0
  %b1 = extractvalue { i32, i32 } %bv, 1
  %c0 = extractvalue { float, float, float, float } %cv, 0
  %c1 = extractvalue { float, float, float, float } %cv, 1
  %c2 = extractvalue { float, float, float, float } %cv, 2
  %c3 = extractvalue { float, float, float, float } %cv, 3
  %r = call { float, float, float, float } @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32 %a0, i32 %a1, i32 %a2, i32 %a3, i32 %b0, i32 %b1, float %c0, float %c1, float %c2, float %c3)
  store { float, float, float, float } %r, ptr %d
  ret void
}

define void @mma_f16(ptr %d, ptr %a, ptr %b) alwaysinline convergent {
  %av = load { <2 x half>, <2 x half>, <2 x half>, <2 x half> }, ptr %a
  %bv = load { <2 x half>, <2 x half> }, ptr %b
  %cv = load { float, float, float, float }, ptr %d
  %a0 = extractvalue { <2 x half>, <2 x half>, <2 x half>, <2 x half> } %av, 0
  %a1 = extractvalue { <2 x half>, <2 x half>, <2 x half>, <2 x half> } %av, 1
  %a2 = extractvalue { <2 x half>, <2 x half>, <2 x half>, <2 x half> } %av, 2
  %a3 = extractvalue { <2 x half>, <2 x half>, <2 x half>, <2 x half> } %av, 3
  %b0 = extractvalue { <2 x half>, <2 x half> } %bv, 0
  %b1 = extractvalue { <2 x half>, <2 x half> } %bv, 1
  %c0 = extractvalue { float, float, float, float } %cv, 0
  %c1 = extractvalue { float, float, float, float } %cv, 1
  %c2 = extractvalue { float, float, float, float } %cv, 2
  %c3 = extractvalue { float, float, float, float } %cv, 3
  %r = call { float, float, float, float } @llvm.nvvm.mma.m16n8k16.row.col.f32.f32(<2 x half> %a0, <2 x half> %a1, <2 x half> %a2, <2 x half> %a3, <2 x half> %b0, <2 x half> %b1, float %c0, float %c1, float %c2, float %c3)
  store { float, float, float, float } %r, ptr %d
  ret void
}

define void @mma_tf32(ptr %d, ptr %a, ptr %b) alwaysinline convergent {
  %av = load { i32, i32, i32, i32 }, ptr %a
  %bv = load { i32, i32 }, ptr %b
  %cv = load { float, float, float, float }, ptr %d
  %a0 = extractvalue { i32, i32, i32, i32 } %av, 0
  %a1 = extractvalue { i32, i32, i32, i32 } %av, 1
  %a2 = extractvalue { i32, i32, i32, i32 } %av, 2
  %a3 = extractvalue { i32, i32, i32, i32 } %av, 3
  %b0 = extractvalue { i32, i32 } %bv, 0
  %b1 = extractvalue { i32, i32 } %bv, 1
  %c0 = extractvalue { float, float, float, float } %cv, 0
  %c1 = extractvalue { float, float, float, float } %cv, 1
  %c2 = extractvalue { float, float, float, float } %cv, 2
  %c3 = extractvalue { float, float, float, float } %cv, 3
  %r = call { float, float, float, float } @llvm.nvvm.mma.m16n8k8.row.col.tf32(i32 %a0, i32 %a1, i32 %a2, i32 %a3, i32 %b0, i32 %b1, float %c0, float %c1, float %c2, float %c3)
  store { float, float, float, float } %r, ptr %d
  ret void
}
