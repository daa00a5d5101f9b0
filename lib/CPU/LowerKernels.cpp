//===- LowerKernels.cpp - muon.kernel to tile functions ---------------------------------------===//

#include "Kernels.h"

#include "muon/IR/Request.h"

#include "mlir/Pass/Pass.h"

namespace muon {
#define GEN_PASS_DEF_MUONLOWERKERNELS
#include "muon/CPU/Passes.h.inc"
} // namespace muon

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

static LogicalResult checkOperand(KernelOp kernel, Body &body, const Machine &machine, unsigned i, unsigned output) {
  OperandAttr operand = kernel.operandAt(i);
  auto refuse = [&](const Twine &why) {
    return kernel.emitOpError() << "operand " << i << " " << operand << ": " << why;
  };
  Type dtype = operand.getDtype();
  bool out = operand.getDirection() == Direction::out;
  bool reduced = operand.getReduction() != Reduction::none;
  if (dtype.isF16() && operand.getLayout() == Layout::plain)
    return refuse("f16 is kept in panels only");
  if (dtype.isF16() && !machine.convertF16)
    return refuse("this processor has no conversions of f16");
  switch (operand.getSpace()) {
  case Space::element:
    if (!dtype.isF32() && !isHalf(dtype))
      return refuse("elements are f32, bf16 or f16");
    break;
  case Space::column:
    if (out)
      return refuse("results per column are not computed");
    if (!dtype.isF32() && !dtype.isBF16())
      return refuse("values per column are f32 or bf16");
    break;
  case Space::row:
    if (out && reduced && kernel.getKind() == KernelKind::product)
      return refuse("a product's block does not hold whole rows");
    if (out && !reduced && body.yieldedLevel(output) == Level::element)
      return refuse("the value differs between columns and is not reduced");
    break;
  case Space::scalar:
    if (out && !reduced && body.yieldedLevel(output) != Level::uniform)
      return refuse("the value differs between elements and is not reduced");
    break;
  }
  return success();
}

static LogicalResult checkPanels(KernelOp kernel, const Machine &machine) {
  OperandAttr a = kernel.operandAt(0), b = kernel.operandAt(1);
  bool bTiles = b.getLayout() == Layout::row_tiles || b.getLayout() == Layout::column_tiles;
  if (bTiles || a.getDtype() != b.getDtype())
    return kernel.emitOpError() << "cannot multiply " << a << " by " << b;
  if (microOf(kernel) == Micro::tiles && machine.lanes() != 32)
    return kernel.emitOpError("tiles need bf16 and panels of 32 lanes");
  if (machine.lanes() % kLanes)
    return kernel.emitOpError() << "panels of " << machine.lanes() << " lanes";
  return success();
}

LogicalResult cpu::checkOperands(KernelOp kernel, Body &body, const Machine &machine) {
  unsigned output = 0;
  for (unsigned i = 0, n = kernel.getOperands().size(); i < n; ++i) {
    if (failed(checkOperand(kernel, body, machine, i, output)))
      return failure();
    output += kernel.operandAt(i).getDirection() == Direction::out;
  }
  if (kernel.getKind() == KernelKind::product)
    return checkPanels(kernel, machine);
  return success();
}

/// Scalar results that are not reduced are the same for all elements: tile 0 stores them.
static void storeUniformResults(Emitter &e, Body &body, const Frame &frame) {
  unsigned output = 0;
  for (const Operand &operand : frame.operands) {
    if (operand.isIn())
      continue;
    if (operand.attr.getSpace() == Space::scalar && !operand.isReduction()) {
      Value number = body.yieldedScalar(output);
      e.when(e.equal(frame.tile, e.index(0)), [&] { e.storeElement(operand.attr.getDtype(), number, operand.data); });
    }
    ++output;
  }
}

static LogicalResult lowerKernel(KernelOp kernel, Routines &routines, const Machine &machine) {
  OpBuilder builder(kernel);
  Emitter e(builder, kernel.getLoc(), machine);
  Body body(e, kernel);
  if (failed(body.analyse()) || failed(checkOperands(kernel, body, machine)))
    return failure();
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()), {e.ptr, e.ptr, e.ptr, e.ptr, e.i32});
  auto function = e.make<LLVM::LLVMFuncOp>(kernel.getSymName(), type);
  setFunctionAttributes(function, machine);
  Frame frame = openFrame(e, kernel, body, function);
  storeUniformResults(e, body, frame);
  if (kernel.getKind() == KernelKind::sweep)
    emitSweep(e, routines, kernel, body, frame);
  else
    emitProduct(e, routines, kernel, body, frame);
  e.make<LLVM::ReturnOp>(ValueRange{});
  kernel.erase();
  return success();
}

namespace {
struct LowerKernels : muon::impl::MuonLowerKernelsBase<LowerKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = llvm::to_vector(module.getOps<KernelOp>());
    if (kernels.empty())
      return;
    FailureOr<TargetAttr> target = findTarget(module);
    if (failed(target))
      return signalPassFailure();
    Machine machine(*target);
    Routines routines(module, machine);
    for (KernelOp kernel : kernels)
      if (failed(lowerKernel(kernel, routines, machine)))
        return signalPassFailure();
  }
};
} // namespace
