//===- Walk.cpp - the rooms a module walks through: the compiler's table of contents ----------===//

#include "muon/Compiler/Walk.h"

#include "muon/CPU/Passes.h"
#include "muon/Form/Passes.h"
#include "muon/GPU/Passes.h"
#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/PrintNumber.h"
#include "muon/IR/Request.h"
#include "muon/Plan/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
using namespace muon;

namespace {
struct RoomEntry {
  StringRef name;
  void (*build)(OpPassManager &manager);
};
} // namespace

/// In the order of Room.
static constexpr RoomEntry kRooms[] = {
    {"ir", [](OpPassManager &) {}},
    {"form", [](OpPassManager &manager) { buildFormPipeline(manager, FormOptions()); }},
    {"plan", [](OpPassManager &manager) { buildPlanPipeline(manager); }},
    {"cpu", [](OpPassManager &manager) { buildCpuPipeline(manager); }},
    {"gpu", [](OpPassManager &manager) { buildGpuPipeline(manager); }}};

/// "plan, cpu or gpu", from plan on.
static std::string roomsFrom(Room first) {
  return printChoices(llvm::map_to_vector(ArrayRef(kRooms).drop_front(static_cast<size_t>(first)),
                                          [](const RoomEntry &room) { return room.name; }));
}

StringRef muon::roomName(Room room) { return kRooms[static_cast<size_t>(room)].name; }

FailureOr<Room> muon::parseRoom(StringRef name) {
  const RoomEntry *found = llvm::find_if(kRooms, [&](const RoomEntry &room) { return room.name == name; });
  return found == std::end(kRooms) ? FailureOr<Room>() : static_cast<Room>(found - kRooms);
}

FailureOr<Room> muon::roomOf(ModuleOp module) {
  Attribute said = module->getAttr(kRoom);
  if (!said)
    return Room::ir;
  auto name = dyn_cast<StringAttr>(said);
  FailureOr<Room> room = name ? parseRoom(name.getValue()) : FailureOr<Room>();
  if (failed(room))
    emitError(module.getLoc()) << "expected muon.room to be " << roomsFrom(Room::ir) << ", got " << said;
  return room;
}

/// A file that says where it is shows it: the contract of its room is checked again. What CPU and GPU leave is checked
/// when it is translated.
static void buildContract(OpPassManager &manager, Room room) {
  if (room == Room::form)
    manager.addNestedPass<func::FuncOp>(createCheckFormPass());
  if (room == Room::plan)
    manager.addPass(createCheckPlanPass());
}

/// Null where there are none. Without a symbol of its own: any name may be the program's.
static OwningOpRef<ModuleOp> copyKernels(ModuleOp module) {
  auto kernels = module.getOps<KernelOp>();
  if (kernels.empty())
    return {};
  OwningOpRef<ModuleOp> copies = ModuleOp::create(module.getLoc());
  (*copies)->setAttr(kKernels, UnitAttr::get(module.getContext()));
  OpBuilder builder(copies->getBodyRegion());
  for (KernelOp kernel : kernels)
    builder.clone(*kernel);
  return copies;
}

OwningOpRef<ModuleOp> muon::plannedOf(ModuleOp lowered) {
  OwningOpRef<ModuleOp> planned(cast<ModuleOp>(lowered->clone()));
  Operation *place = nullptr;
  for (Operation &op : llvm::make_early_inc_range(*planned->getBody()))
    if (isa<LLVM::LLVMDialect>(op.getDialect())) {
      place = op.getNextNode();
      op.erase();
    }
  for (auto kernels : llvm::make_early_inc_range(planned->getOps<ModuleOp>())) {
    if (!kernels->hasAttr(kKernels))
      continue;
    for (Operation &kernel : llvm::make_early_inc_range(*kernels.getBody()))
      place ? kernel.moveBefore(place) : kernel.moveBefore(planned->getBody(), planned->getBody()->begin());
    kernels.erase();
  }
  (*planned)->setAttr(kRoom, StringAttr::get(planned->getContext(), roomName(Room::plan)));
  return planned;
}

/// `keep`: a file is to be left, and whoever goes on from it needs the kernels beside their code. What is refused is
/// said of the module's place alone: an op's error comes with the op, here the whole file, as a note.
template <typename Run> static LogicalResult walkRooms(ModuleOp module, Room last, bool keep, Run run) {
  FailureOr<Room> at = roomOf(module);
  if (failed(at))
    return failure();
  if (int64_t parts = llvm::count_if(module.getOps<ModuleOp>(), [](ModuleOp part) { return requestOf(part); }))
    return emitError(module.getLoc()) << "expected one module, got " << parts
                                      << ": --split-input-file walks each, and muon-opt --program finishes all";
  if (*at > last || (*at == Room::cpu && last == Room::gpu))
    return emitError(module.getLoc()) << "expected a module of room " << roomName(std::min(last, Room::plan))
                                      << " or earlier for stop-after=" << roomName(last) << ", got room "
                                      << roomName(*at);
  stampVersion(module);
  TargetAttr target = askedTarget(module);
  if (target && last == Room::cpu && target.isGpu())
    return emitError(module.getLoc()) << "expected stop-after=gpu for target " << target.getCpu() << ", got cpu";
  if (target && last == Room::gpu && !target.isGpu())
    return emitError(module.getLoc()) << "expected stop-after=cpu for target " << target.getCpu() << ", got gpu";
  OpPassManager contract(ModuleOp::getOperationName());
  buildContract(contract, *at);
  if (contract.size() && failed(run(contract)))
    return failure();
  for (unsigned next = static_cast<unsigned>(*at) + 1; next <= static_cast<unsigned>(last); ++next) {
    if (static_cast<Room>(next) == Room::cpu && last == Room::gpu) // a kernel goes through one of the two
      continue;
    OpPassManager manager(ModuleOp::getOperationName());
    kRooms[next].build(manager);
    OwningOpRef<ModuleOp> kernels;
    if (keep && static_cast<Room>(next) > Room::plan)
      kernels = copyKernels(module);
    if (failed(run(manager)))
      return failure();
    if (kernels)
      module.push_back(kernels.release());
    module->setAttr(kRoom, StringAttr::get(module.getContext(), kRooms[next].name));
  }
  return success();
}

LogicalResult muon::walk(ModuleOp module, Room last) {
  return walkRooms(module, last, /*keep=*/false, [&](OpPassManager &room) {
    PassManager manager(module->getName());
    static_cast<OpPassManager &>(manager) = room;
    return manager.run(module);
  });
}

namespace {
/// The walk as a pass, so that muon-opt can stop in any room and go on from a file left there.
struct WalkPass : PassWrapper<WalkPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(WalkPass)
  explicit WalkPass(Room last) : last(last) {}
  StringRef getArgument() const final { return "muon-walk-rooms"; }
  void getDependentDialects(DialectRegistry &registry) const override { registerDialects(registry); }
  void runOnOperation() override {
    auto run = [&](OpPassManager &manager) { return runPipeline(manager, getOperation()); };
    if (failed(walkRooms(getOperation(), last, /*keep=*/true, run)))
      signalPassFailure();
  }
  Room last;
};

/// Options keep a reference to what describes them.
StringRef stopAfterHelp() {
  static const std::string text = roomsFrom(Room::form);
  return text;
}

struct PipelineOptions : PassPipelineOptions<PipelineOptions> {
  Option<std::string> stopAfter{*this, "stop-after", llvm::cl::desc(stopAfterHelp()), llvm::cl::init("cpu")};
};
} // namespace

void muon::registerDialects(DialectRegistry &registry) {
  registry.insert<MuonDialect, arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, linalg::LinalgDialect,
                  LLVM::LLVMDialect, math::MathDialect, NVVM::NVVMDialect, scf::SCFDialect, tensor::TensorDialect,
                  vector::VectorDialect>();
}

void muon::registerPasses() {
  registerMuonFormPasses();
  registerMuonPlanPasses();
  registerMuonCPUPasses();
  registerMuonGPUPasses();
  // PassPipelineRegistration's builder cannot refuse.
  registerPassPipeline(
      "muon-pipeline", "Walk through the rooms, from where the module stands",
      [](OpPassManager &manager, StringRef text, function_ref<LogicalResult(const Twine &)> refuse) -> LogicalResult {
        PipelineOptions options;
        if (failed(options.parseFromString(text)))
          return failure();
        FailureOr<Room> last = parseRoom(options.stopAfter);
        if (failed(last) || *last == Room::ir)
          return refuse("expected stop-after=" + Twine(stopAfterHelp()) + ", got " + options.stopAfter);
        manager.addPass(std::make_unique<WalkPass>(*last));
        return success();
      },
      [](function_ref<void(const mlir::detail::PassOptions &)> describe) { describe(PipelineOptions()); });
}
