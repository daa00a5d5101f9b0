//===- LowerBlocks.cpp - muon.kernel to functions of one thread block -------------------------===//

#include "Blocks.h"
#include "LaunchAbi.h"

#include "muon/IR/Request.h"
#include "muon/Plan/GpuTiles.h"

#include "mlir/Pass/Pass.h"

namespace muon {
#define GEN_PASS_DEF_MUONLOWERBLOCKS
#include "muon/GPU/Passes.h.inc"
} // namespace muon

using namespace mlir;
using namespace muon;
using namespace muon::gpu;

static LogicalResult checkOperand(KernelOp kernel, Body &body, unsigned i, unsigned output) {
  OperandAttr operand = kernel.operandAt(i);
  auto refuse = [&](const Twine &why) {
    return kernel.emitOpError() << "operand " << i << " " << operand << ": " << why;
  };
  Type dtype = operand.getDtype();
  bool out = operand.getDirection() == Direction::out, reduced = operand.getReduction() != Reduction::none;
  bool product = kernel.getKind() == KernelKind::product;
  if (operand.getSpace() == Space::element && !dtype.isF32() && !dtype.isBF16() && !dtype.isF16())
    return refuse("elements are f32, bf16 or f16");
  if (operand.getLayout() != Layout::plain && operand.getLayout() != Layout::padded && i >= kernel.numPanels())
    return refuse("a block reads and writes plain and padded matrices");
  if (!out)
    return success();
  if (product && ((reduced && !operand.isInParts()) || operand.getSpace() != Space::element))
    return refuse("a product's block holds neither whole rows nor columns");
  if (operand.getSpace() == Space::column)
    return refuse("results per column are not computed");
  if (operand.getSpace() == Space::row && !reduced && body.yieldedLevel(output) == Level::element)
    return refuse("the value differs between columns and is not reduced");
  if (operand.getSpace() == Space::scalar && !reduced && body.yieldedLevel(output) != Level::uniform)
    return refuse("the value differs between elements and is not reduced");
  return success();
}

static LogicalResult checkProduct(KernelOp kernel, TargetAttr target) {
  OperandAttr a = kernel.operandAt(0), b = kernel.operandAt(1);
  auto padded = [](OperandAttr operand) {
    return operand.getLayout() == Layout::padded || operand.getLayout() == Layout::turned;
  };
  if (!padded(a) || !padded(b) || a.getDtype() != b.getDtype())
    return kernel.emitOpError() << "expected padded or turned operands of one type, f32, bf16 or f16, got " << a
                                << " and " << b;
  if (!kernel.getTile())
    return kernel.emitOpError("expected a tile");
  ProductTile tile = ProductTile::of(*kernel.getTile());
  constexpr int64_t kLines = 32, kWarpLines = 16, kStepBytes = 64, kAccess = 16, kMostThreads = 1024;
  int64_t bytes = a.getDtype().getIntOrFloatBitWidth() / 8;
  auto fits = [&](int64_t lines, int64_t warps) {
    return lines % kLines == 0 && lines % (kWarpLines * warps) == 0 &&
           lines * kStepBytes / kAccess % tile.threads() == 0;
  };
  if (!fits(tile.rows, tile.warpsDown) || !fits(tile.columns, tile.warpsAcross) || tile.depth * bytes != kStepBytes ||
      tile.stages < 2 || tile.threads() > kMostThreads || (kernel.getSymmetric() && tile.rows != tile.columns))
    return kernel.emitOpError()
           << "tile [" << tile.numbers()
           << "]: expected blocks of whole 32 rows and columns (equal for symmetric products), 16 per warp, "
           << "as many 16-byte pieces for each thread, " << kStepBytes / bytes << " of k and at least 2 stages";
  ChipAttr chip = target.getChip();
  if (tile.sharedBytes(bytes) > chip.getBlockShared())
    return kernel.emitOpError() << "tile [" << tile.numbers() << "]: expected at most " << chip.getBlockShared()
                                << " bytes of shared memory on " << chip.getName() << ", got "
                                << tile.sharedBytes(bytes);
  return success();
}

LogicalResult muon::gpu::checkOperands(KernelOp kernel, Body &body, TargetAttr target) {
  unsigned output = 0;
  for (unsigned i = 0, n = kernel.getOperands().size(); i < n; ++i) {
    if (failed(checkOperand(kernel, body, i, output)))
      return failure();
    output += kernel.operandAt(i).getDirection() == Direction::out;
  }
  if (kernel.getKind() == KernelKind::chain)
    return checkChain(kernel, target);
  return kernel.getKind() == KernelKind::product ? checkProduct(kernel, target) : success();
}

KernelBlock muon::blockOf(KernelOp kernel) {
  if (kernel.getKind() == KernelKind::sweep)
    return {kSweepThreads, sweepSharedBytes(kernel)};
  if (kernel.getKind() == KernelKind::chain)
    return {static_cast<unsigned>(chainThreads(kernel.getTile()->front())), chainSharedBytes(kernel)};
  ProductTile tile = ProductTile::of(*kernel.getTile());
  unsigned bytes = kernel.operandAt(0).getDtype().getIntOrFloatBitWidth() / 8;
  return {static_cast<unsigned>(tile.threads()), static_cast<unsigned>(tile.sharedBytes(bytes))};
}

static void setBlockAttributes(LLVM::LLVMFuncOp function, KernelOp kernel, TargetAttr target) {
  Builder b(function.getContext());
  KernelBlock block = blockOf(kernel);
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                    b.getDenseI32ArrayAttr({static_cast<int32_t>(block.threads)}));
  constexpr int32_t kBlocksOfSums = 3; // of their own accord ptxas makes room for five on sm_120, and spills
  auto addsParts = [](OperandAttr operand) { return operand.isInParts() && operand.getDirection() == Direction::in; };
  if (llvm::any_of(kernel.getOperands().getAsRange<OperandAttr>(), addsParts))
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(kBlocksOfSums));
  if (kernel.getKind() != KernelKind::product)
    return;
  // Registers are limited for as many blocks as the model counts on.
  int64_t bytes = kernel.operandAt(0).getDtype().getIntOrFloatBitWidth() / 8;
  int64_t resident = std::max<int64_t>(1, residentBlocks(target.getChip(), ProductTile::of(*kernel.getTile()), bytes));
  function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(resident));
}

static LogicalResult lowerKernel(KernelOp kernel, TargetAttr target) {
  OpBuilder builder(kernel);
  Emitter e(builder, kernel.getLoc());
  Body body(e, kernel);
  if (failed(body.analyse()) || failed(checkOperands(kernel, body, target)))
    return failure();
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()), {e.generic, e.i32});
  auto function = e.make<LLVM::LLVMFuncOp>(kernel.getSymName(), type);
  setBlockAttributes(function, kernel, target);
  emitFrame(e, kernel, body, function, [&](const Frame &frame) {
    if (kernel.getKind() == KernelKind::sweep)
      emitSweep(e, kernel, body, frame);
    else if (kernel.getKind() == KernelKind::chain)
      emitChain(e, kernel, body, frame);
    else
      emitProduct(e, kernel, body, frame);
  });
  kernel.erase();
  return success();
}

/// The block's dynamic shared memory: external, or the backend would make it one static byte.
static void declareSharedMemory(ModuleOp module) {
  constexpr unsigned kAlignment = 128;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
  LLVM::GlobalOp::create(builder, module.getLoc(), type, /*isConstant=*/false, LLVM::Linkage::External, kSharedMemory,
                         Attribute(), kAlignment, static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
}

static FailureOr<TargetAttr> findGpu(ModuleOp module) {
  FailureOr<TargetAttr> target = findTarget(module);
  if (succeeded(target) && !target->isGpu())
    return module.emitError() << "expected a GPU target, got isa " << target->getIsa();
  return target;
}

namespace {
struct LowerBlocks : muon::impl::MuonLowerBlocksBase<LowerBlocks> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = llvm::to_vector(module.getOps<KernelOp>());
    if (kernels.empty())
      return;
    FailureOr<TargetAttr> target = findGpu(module);
    if (failed(target))
      return signalPassFailure();
    declareSharedMemory(module);
    for (KernelOp kernel : kernels)
      if (failed(lowerKernel(kernel, *target)))
        return signalPassFailure();
  }
};
} // namespace
