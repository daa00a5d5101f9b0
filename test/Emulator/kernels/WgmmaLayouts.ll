; D (64 x 8, f32) = A (64 x 16) B (16 x 8) in f16 by one warpgroup of sm_90a, operands in shared memory without a swizzle as they come: 64 x 16
; and 16 x 8 elements, with the strides of their descriptors.
@a = internal addrspace(3) global [512 x i32] undef, align 128
@b = internal addrspace(3) global [64 x i32] undef, align 128

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare void @llvm.nvvm.fence.proxy.async.shared_cta()
declare void @llvm.nvvm.wgmma.fence.sync.aligned()
declare void @llvm.nvvm.wgmma.commit_group.sync.aligned()
declare void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64)

define internal void @fill(i32 %thread, ptr %from, ptr addrspace(3) %to, i32 %count) alwaysinline {
entry:
  %some = icmp ult i32 %thread, %count
  br i1 %some, label %next, label %done
next:
  %i = phi i32 [ %thread, %entry ], [ %following, %next ]
  %source = getelementptr i32, ptr %from, i32 %i
  %target = getelementptr i32, ptr addrspace(3) %to, i32 %i
  %word = load i32, ptr %source, align 4
  store i32 %word, ptr addrspace(3) %target, align 4
  %following = add i32 %i, 128
  %more = icmp ult i32 %following, %count
  br i1 %more, label %next, label %done
done:
  ret void
}

; Both operands in shared memory, visible to wgmma.
define internal i32 @prepare(ptr %from_a, ptr %from_b) alwaysinline convergent {
  %thread = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  call void @fill(i32 %thread, ptr %from_a, ptr addrspace(3) @a, i32 512)
  call void @fill(i32 %thread, ptr %from_b, ptr addrspace(3) @b, i32 64)
  call void @llvm.nvvm.fence.proxy.async.shared_cta()
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  call void @llvm.nvvm.wgmma.fence.sync.aligned()
  ret i32 %thread
}

define internal i64 @descriptor(ptr addrspace(3) %tile, i64 %strides) alwaysinline {
  %address = ptrtoint ptr addrspace(3) %tile to i64
  %kept = and i64 %address, 262143
  %start = lshr i64 %kept, 4
  %bits = or i64 %start, %strides
  ret i64 %bits
}

define internal void @finish(i32 %thread, { float, float, float, float } %d, ptr %to) alwaysinline convergent {
  call void @llvm.nvvm.wgmma.commit_group.sync.aligned()
  call void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64 0)
  %at = getelementptr { float, float, float, float }, ptr %to, i32 %thread
  store { float, float, float, float } %d, ptr %at, align 4
  ret void
}

; Contiguous along k.
define ptx_kernel void @along_k(ptr %from_a, ptr %from_b, ptr %to, i64 %strides_a, i64 %strides_b) {
  %thread = call i32 @prepare(ptr %from_a, ptr %from_b)
  %da = call i64 @descriptor(ptr addrspace(3) @a, i64 %strides_a)
  %db = call i64 @descriptor(ptr addrspace(3) @b, i64 %strides_b)
  %d = call { float, float, float, float } asm sideeffect "{\0A.reg .pred p;\0Asetp.ne.b32 p, $10, 0;\0Awgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {$0, $1, $2, $3}, $8, $9, p, $11,  $12, $13,  $14;\0A}\0A", "=f,=f,=f,=f,0,1,2,3,l,l,n,n,n,n,n"(float 0.0, float 0.0, float 0.0, float 0.0, i64 %da, i64 %db, i32 0, i32 1, i32 1, i32 0, i32 0)
  call void @finish(i32 %thread, { float, float, float, float } %d, ptr %to)
  ret void
}

; Contiguous along M and N.
define ptx_kernel void @along_lines(ptr %from_a, ptr %from_b, ptr %to, i64 %strides_a, i64 %strides_b) {
  %thread = call i32 @prepare(ptr %from_a, ptr %from_b)
  %da = call i64 @descriptor(ptr addrspace(3) @a, i64 %strides_a)
  %db = call i64 @descriptor(ptr addrspace(3) @b, i64 %strides_b)
  %d = call { float, float, float, float } asm sideeffect "{\0A.reg .pred p;\0Asetp.ne.b32 p, $10, 0;\0Awgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {$0, $1, $2, $3}, $8, $9, p, $11,  $12, $13,  $14;\0A}\0A", "=f,=f,=f,=f,0,1,2,3,l,l,n,n,n,n,n"(float 0.0, float 0.0, float 0.0, float 0.0, i64 %da, i64 %db, i32 0, i32 1, i32 1, i32 1, i32 1)
  call void @finish(i32 %thread, { float, float, float, float } %d, ptr %to)
  ret void
}
