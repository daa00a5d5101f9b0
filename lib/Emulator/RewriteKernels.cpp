//===- RewriteKernels.cpp ---------------------------------------------------------------------===//

#include "RewriteKernels.h"

#include "Assembly.h"
#include "Block.h"
#include "Operations.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/ModuleSlotTracker.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"

#include <set>

using namespace llvm;

extern "C" void muonEmulatorAccess(const muon::emulator::Site *, void *);
extern "C" void muonEmulatorAccessRange(const muon::emulator::Site *, void *, uint64_t);

namespace muon::emulator {

static constexpr unsigned kSharedSpace = 3, kConstantSpace = 4;
/// Between shared variables, so that an access beyond one does not hit the next.
static constexpr uint64_t kSharedGap = 256;

std::string entryName(StringRef kernel) { return ("muon_enter_" + kernel).str(); }

namespace {
class Rewriter {
public:
  Rewriter(Module &module, unsigned checks, uint64_t sharedBase, uint64_t sharedBytes, const DataLayout &layout)
      : module(module), context(module.getContext()), layout(layout), checks(checks), sharedBase(sharedBase),
        sharedBytes(sharedBytes), slots(&module), word(Type::getInt64Ty(context)),
        pointer(PointerType::get(context, 0)) {}

  RewrittenModule run(const Triple &triple);

private:
  void listKernels();
  void placeShared();
  void addKernelEntry(Function &kernel);
  void rewriteFunction(Function &function);
  void rewriteCall(CallBase &call);
  void rewriteOperation(CallBase &call, const Operation &operation);
  void instrument(Instruction &instruction);
  void announce(Instruction &before, Value *address, uint64_t bytes, uint64_t alignment, bool write, bool atomic);
  void announceRange(Instruction &before, Value *address, Value *bytes, bool write);
  bool isLocal(Value *address) const { return isa<AllocaInst>(getUnderlyingObject(address)); }

  Constant *address(const void *host) {
    return ConstantExpr::getIntToPtr(ConstantInt::get(word, reinterpret_cast<uintptr_t>(host)), pointer);
  }
  template <typename Signature> FunctionCallee hostFunction(Signature *function, ArrayRef<Type *> arguments) {
    auto *type = FunctionType::get(Type::getVoidTy(context), arguments, false);
    return {type, address(reinterpret_cast<const void *>(function))};
  }
  Site &makeSite(Instruction &instruction);
  Value *loadRegister(IRBuilder<> &builder, uint64_t offset);
  Value *toSlot(IRBuilder<> &builder, Value *value);
  Value *fromSlot(IRBuilder<> &builder, Value *bits, Type *type);
  /// Whether a value of the type fits in one slot.
  bool fitsSlot(Type *type) const {
    return type->isSized() && !type->isAggregateType() && layout.getTypeSizeInBits(type) <= 64;
  }

  Module &module;
  LLVMContext &context;
  const DataLayout &layout;
  unsigned checks;
  uint64_t sharedBase, sharedBytes;
  ModuleSlotTracker slots;
  Type *word;
  PointerType *pointer;
  RewrittenModule result;
  SmallVector<Function *> kernels;
  StringMap<SetVector<Function *>> reachable; // by kernel
  std::set<std::string> unknown;
  // Of the function being rewritten:
  Value *thread = nullptr, *arguments = nullptr, *results = nullptr;
  uint64_t numArguments = 0, numResults = 0;
};
} // namespace

/// The offset of a special register in Registers; kWarpSize is a constant.
static constexpr uint64_t kNoRegister = ~uint64_t(0), kWarpSize = kNoRegister - 1, kZero = kNoRegister - 2,
                          kOne = kNoRegister - 3;
static uint64_t registerOffset(StringRef name) {
  if (!name.consume_front("read.ptx.sreg."))
    return kNoRegister;
  uint64_t axis = name.ends_with(".x") ? 0 : name.ends_with(".y") ? 4 : name.ends_with(".z") ? 8 : kNoRegister;
  StringRef base = name.drop_back(std::min<size_t>(2, name.size()));
  if (axis != kNoRegister && !name.starts_with("cluster"))
    return axis + StringSwitch<uint64_t>(base)
                      .Case("tid", offsetof(Registers, tid))
                      .Case("ntid", offsetof(Registers, ntid))
                      .Case("ctaid", offsetof(Registers, ctaid))
                      .Case("nctaid", offsetof(Registers, nctaid))
                      .Default(kNoRegister - axis);
  return StringSwitch<uint64_t>(name)
      .Case("laneid", offsetof(Registers, laneid))
      .Case("warpid", offsetof(Registers, warpid))
      .Case("dynamic_smem_size", offsetof(Registers, dynamicSharedBytes))
      .Case("warpsize", kWarpSize)
      // Every block is its own cluster.
      .Cases({"cluster.ctaid.x", "cluster.ctaid.y", "cluster.ctaid.z", "cluster.ctarank"}, kZero)
      .Cases({"cluster.nctaid.x", "cluster.nctaid.y", "cluster.nctaid.z", "cluster.nctarank"}, kOne)
      .Default(kNoRegister);
}

void Rewriter::listKernels() {
  for (Function &function : module) {
    bool isKernel = function.getCallingConv() == CallingConv::PTX_Kernel;
    if (!isKernel || function.isDeclaration())
      continue;
    kernels.push_back(&function);
    SetVector<Function *> &found = reachable[function.getName()];
    found.insert(&function);
    for (size_t i = 0; i < found.size(); ++i)
      for (Instruction &instruction : instructions(*found[i]))
        if (auto *call = dyn_cast<CallBase>(&instruction))
          if (Function *callee = call->getCalledFunction(); callee && !callee->isDeclaration())
            found.insert(callee);
    KernelInfo info;
    info.name = function.getName().str();
    for (Argument &argument : function.args())
      info.parameterBytes.push_back(
          layout.getTypeAllocSize(argument.hasByValAttr() ? argument.getParamByValType() : argument.getType()));
    for (StringRef attribute : {"nvvm.reqntid", "nvvm.maxntid"})
      if (function.hasFnAttribute(attribute)) {
        uint32_t product = 1;
        SmallVector<StringRef> sizes;
        function.getFnAttribute(attribute).getValueAsString().split(sizes, ',');
        for (StringRef size : sizes)
          product *= std::max(1, atoi(size.str().c_str()));
        info.maxThreads = product;
        break;
      }
    result.kernels.push_back(std::move(info));
    if (function.hasFnAttribute("target-cpu"))
      result.target = function.getFnAttribute("target-cpu").getValueAsString().str();
  }
}

/// Functions whose code mentions the value.
static void collectUsers(Value *value, SmallPtrSetImpl<Function *> &functions) {
  for (User *user : value->users()) {
    if (auto *instruction = dyn_cast<Instruction>(user))
      functions.insert(instruction->getFunction());
    else if (isa<Constant>(user))
      collectUsers(user, functions);
  }
}

/// Gives every shared variable its place: exactly as aligned as it says, and beyond all others of each kernel that uses
/// it. Dynamic shared memory, the external array without a size, comes last.
void Rewriter::placeShared() {
  SmallVector<GlobalVariable *> variables, dynamic;
  for (GlobalVariable &variable : module.globals())
    if (variable.getAddressSpace() == kSharedSpace)
      (layout.getTypeAllocSize(variable.getValueType()) ? variables : dynamic).push_back(&variable);
  std::vector<uint64_t> ends(kernels.size(), kSharedGap), device(kernels.size(), 0);
  auto place = [&](GlobalVariable *variable, bool isDynamic) {
    if (isDynamic && !variable->isDeclaration())
      result.error = ("shared variable '" + variable->getName() +
                      "' has no bytes but is defined here; dynamic shared memory is external")
                         .str();
    SmallPtrSet<Function *, 8> users;
    collectUsers(variable, users);
    uint64_t alignment = std::max<uint64_t>(variable->getAlign().valueOrOne().value(), 1),
             bytes = layout.getTypeAllocSize(variable->getValueType());
    uint64_t offset = 0;
    SmallVector<unsigned> usedBy;
    for (auto [k, kernel] : enumerate(kernels))
      if (any_of(reachable[kernel->getName()], [&](Function *function) { return users.contains(function); })) {
        usedBy.push_back(k);
        offset = std::max(offset, ends[k]);
      }
    offset = alignTo(offset, 2 * alignment) + alignment; // aligned to `alignment` and nothing more
    SharedVariable shared = {variable->getName().str(), offset, bytes, {}};
    for (unsigned k : usedBy) {
      device[k] = alignTo(device[k], alignment) + bytes;
      ends[k] = offset + bytes + kSharedGap;
      shared.kernels.push_back(result.kernels[k].name);
      if (isDynamic)
        result.kernels[k].dynamicOffset = offset;
      else
        result.kernels[k].staticSharedBytes = device[k];
    }
    if (offset + bytes > sharedBytes)
      result.error = "shared variables exceed the emulator's " + std::to_string(sharedBytes) + " bytes";
    if (!isDynamic)
      result.shared.push_back(std::move(shared));
    variable->replaceAllUsesWith(
        ConstantExpr::getIntToPtr(ConstantInt::get(word, sharedBase + offset), variable->getType()));
    variable->eraseFromParent();
  };
  for (GlobalVariable *variable : variables)
    place(variable, false);
  for (GlobalVariable *variable : dynamic)
    place(variable, true);
}

/// void muon_enter_K(void **parameters): each parameter is a pointer to its value.
void Rewriter::addKernelEntry(Function &kernel) {
  auto *entry = Function::Create(FunctionType::get(Type::getVoidTy(context), {pointer}, false),
                                 Function::ExternalLinkage, entryName(kernel.getName()), module);
  IRBuilder<> builder(BasicBlock::Create(context, "", entry));
  SmallVector<Value *> values;
  for (auto [i, argument] : enumerate(kernel.args())) {
    Value *at = builder.CreateLoad(pointer, builder.CreateConstGEP1_64(pointer, entry->getArg(0), i));
    values.push_back(argument.hasByValAttr() ? builder.CreateAddrSpaceCast(at, argument.getType())
                                             : builder.CreateLoad(argument.getType(), at));
  }
  builder.CreateCall(&kernel, values);
  builder.CreateRetVoid();
}

/// An instruction as reports quote it: without metadata, and without the types of many results before an operation's
/// name.
static std::string shorten(StringRef line) {
  line = line.substr(0, line.find(", !"));
  size_t call = line.find("call {"), name = std::min(line.find("asm "), line.find('@'));
  std::string text =
      call < name && name != StringRef::npos ? (line.take_front(call + 5) + line.drop_front(name)).str() : line.str();
  return text.size() > 160 ? text.substr(0, 160) + "..." : text;
}

Site &Rewriter::makeSite(Instruction &instruction) {
  auto site = std::make_unique<Site>();
  raw_string_ostream text(site->text);
  text << '\'';
  std::string printed;
  raw_string_ostream print(printed);
  instruction.print(print, slots);
  text << shorten(StringRef(printed).ltrim()) << '\'';
  // Where it was written, and if that was in another function which was inlined, where that was called.
  const char *separator = " (";
  for (const DILocation *where = instruction.getDebugLoc(); where; where = where->getInlinedAt()) {
    text << separator << where->getFilename() << ':' << where->getLine();
    separator = ", called at ";
  }
  if (*separator == ',')
    text << ')';
  site->index = static_cast<uint32_t>(machine().sites.size());
  machine().sites.push_back(site.get());
  result.sites.push_back(std::move(site));
  return *result.sites.back();
}

Value *Rewriter::loadRegister(IRBuilder<> &builder, uint64_t offset) {
  if (offset >= kOne)
    return builder.getInt32(offset == kWarpSize ? 32 : offset == kOne ? 1 : 0);
  return builder.CreateLoad(builder.getInt32Ty(), builder.CreateConstGEP1_64(builder.getInt8Ty(), thread, offset));
}

Value *Rewriter::toSlot(IRBuilder<> &builder, Value *value) {
  Type *type = value->getType();
  if (type->isPointerTy())
    return builder.CreatePtrToInt(value, word);
  if (!type->isIntegerTy())
    value = builder.CreateBitCast(value, builder.getIntNTy(layout.getTypeSizeInBits(type)));
  return builder.CreateZExtOrTrunc(value, word);
}

Value *Rewriter::fromSlot(IRBuilder<> &builder, Value *bits, Type *type) {
  if (type->isPointerTy())
    return builder.CreateIntToPtr(bits, type);
  Value *narrow = builder.CreateZExtOrTrunc(bits, builder.getIntNTy(layout.getTypeSizeInBits(type)));
  return type->isIntegerTy() ? narrow : builder.CreateBitCast(narrow, type);
}

void Rewriter::rewriteOperation(CallBase &call, const Operation &operation) {
  Site &site = makeSite(call);
  site.operation = operation;
  IRBuilder<> builder(&call);
  uint64_t count = 0;
  for (Value *argument : call.args()) {
    if (!fitsSlot(argument->getType())) // such an operation is unknown, so nobody looks
      continue;
    builder.CreateStore(toSlot(builder, argument), builder.CreateConstGEP1_64(word, arguments, count++));
  }
  numArguments = std::max(numArguments, count);
  builder.CreateCall(hostFunction(muonEmulatorOperation, {pointer, pointer, pointer}),
                     {address(&site), arguments, results});
  Type *type = call.getType();
  auto load = [&](uint64_t i, Type *of) -> Value * {
    numResults = std::max(numResults, i + 1);
    if (!fitsSlot(of))
      return PoisonValue::get(of);
    return fromSlot(builder, builder.CreateLoad(word, builder.CreateConstGEP1_64(word, results, i)), of);
  };
  if (!type->isVoidTy()) {
    Value *value = nullptr;
    if (auto *record = dyn_cast<StructType>(type)) {
      value = PoisonValue::get(type);
      for (unsigned i = 0; i < record->getNumElements(); ++i)
        value = builder.CreateInsertValue(value, load(i, record->getElementType(i)), i);
    } else {
      value = load(0, type);
    }
    call.replaceAllUsesWith(value);
  }
  call.eraseFromParent();
}

void Rewriter::rewriteCall(CallBase &call) {
  if (call.isInlineAsm()) {
    auto *assembly = cast<InlineAsm>(call.getCalledOperand());
    auto *record = dyn_cast<StructType>(call.getType());
    unsigned numResults = record ? record->getNumElements() : !call.getType()->isVoidTy();
    std::optional<Operation> operation = findAssembly(assembly->getAsmString(), numResults);
    if (!operation)
      unknown.insert("assembly: " + std::string(assembly->getAsmString()));
    rewriteOperation(call, operation.value_or(Operation()));
    return;
  }
  Function *callee = call.getCalledFunction();
  if (!callee || !callee->isDeclaration())
    return;
  Intrinsic::ID intrinsic = callee->getIntrinsicID();
  if (intrinsic == Intrinsic::trap || intrinsic == Intrinsic::debugtrap) {
    rewriteOperation(call, *findOperation("trap"));
    return;
  }
  StringRef name = callee->getName();
  if (intrinsic != Intrinsic::not_intrinsic && !name.starts_with("llvm.nvvm."))
    return; // the code generator knows it
  StringRef base = name;
  base.consume_front("llvm.nvvm.");
  uint64_t offset = registerOffset(base);
  if (offset != kNoRegister) {
    IRBuilder<> builder(&call);
    call.replaceAllUsesWith(loadRegister(builder, offset));
    call.eraseFromParent();
    return;
  }
  // Overloaded on address spaces: ".p3" and the like is not part of the operation.
  while (base.size() > 3 && base[base.size() - 3] == '.' && base[base.size() - 2] == 'p' && isDigit(base.back()))
    base = base.drop_back(3);
  std::optional<Operation> operation = findOperation(base);
  if (!operation || intrinsic == Intrinsic::not_intrinsic) {
    unknown.insert(name.str());
    operation = Operation();
  }
  rewriteOperation(call, *operation);
}

void Rewriter::announce(Instruction &before, Value *at, uint64_t bytes, uint64_t alignment, bool write, bool atomic) {
  if (isLocal(at) || !bytes)
    return;
  Site &site = makeSite(before);
  site.bytes = static_cast<uint32_t>(bytes);
  site.alignment = static_cast<uint32_t>(alignment);
  site.write = write;
  site.atomic = atomic;
  IRBuilder<> builder(&before);
  Value *generic = builder.CreateIntToPtr(builder.CreatePtrToInt(at, word), pointer);
  builder.CreateCall(hostFunction(muonEmulatorAccess, {pointer, pointer}), {address(&site), generic});
}

void Rewriter::announceRange(Instruction &before, Value *at, Value *bytes, bool write) {
  if (isLocal(at))
    return;
  Site &site = makeSite(before);
  site.write = write;
  IRBuilder<> builder(&before);
  Value *generic = builder.CreateIntToPtr(builder.CreatePtrToInt(at, word), pointer);
  builder.CreateCall(hostFunction(muonEmulatorAccessRange, {pointer, pointer, word}),
                     {address(&site), generic, builder.CreateZExtOrTrunc(bytes, word)});
}

void Rewriter::instrument(Instruction &instruction) {
  auto bytesOf = [&](Type *type) { return layout.getTypeStoreSize(type).getFixedValue(); };
  if (auto *load = dyn_cast<LoadInst>(&instruction))
    announce(instruction, load->getPointerOperand(), bytesOf(load->getType()), load->getAlign().value(), false,
             load->isAtomic());
  else if (auto *store = dyn_cast<StoreInst>(&instruction))
    announce(instruction, store->getPointerOperand(), bytesOf(store->getValueOperand()->getType()),
             store->getAlign().value(), true, store->isAtomic());
  else if (auto *update = dyn_cast<AtomicRMWInst>(&instruction))
    announce(instruction, update->getPointerOperand(), bytesOf(update->getType()), update->getAlign().value(), true,
             true);
  else if (auto *exchange = dyn_cast<AtomicCmpXchgInst>(&instruction))
    announce(instruction, exchange->getPointerOperand(), bytesOf(exchange->getNewValOperand()->getType()),
             exchange->getAlign().value(), true, true);
  else if (auto *transfer = dyn_cast<MemTransferInst>(&instruction)) {
    announceRange(instruction, transfer->getSource(), transfer->getLength(), false);
    announceRange(instruction, transfer->getDest(), transfer->getLength(), true);
  } else if (auto *fill = dyn_cast<MemSetInst>(&instruction)) {
    announceRange(instruction, fill->getDest(), fill->getLength(), true);
  }
}

void Rewriter::rewriteFunction(Function &function) {
  // The slots of operations, one pair of arrays for all; their sizes are known at the end.
  IRBuilder<> builder(&*function.getEntryBlock().getFirstInsertionPt());
  slots.incorporateFunction(function);
  auto *argumentArray = builder.CreateAlloca(word), *resultArray = builder.CreateAlloca(word);
  arguments = argumentArray;
  results = resultArray;
  thread = builder.CreateLoad(pointer, address(&current));
  numArguments = numResults = 1;
  SmallVector<Instruction *> body;
  for (Instruction &instruction : instructions(function))
    if (&instruction != argumentArray && &instruction != resultArray && &instruction != thread)
      body.push_back(&instruction);
  for (Instruction *instruction : body) {
    if (checks != MUON_EMULATOR_VALUES)
      instrument(*instruction);
    if (auto *call = dyn_cast<CallBase>(instruction))
      rewriteCall(*call);
  }
  argumentArray->setOperand(0, builder.getInt64(numArguments));
  resultArray->setOperand(0, builder.getInt64(numResults));
}

RewrittenModule Rewriter::run(const Triple &triple) {
  module.setDataLayout(layout);
  module.setTargetTriple(triple);
  listKernels();
  if (kernels.empty())
    result.error = "the module has no kernel (a function with calling convention ptx_kernel)";
  placeShared();
  for (GlobalVariable &variable : module.globals()) {
    if (variable.isDeclaration() || variable.getName().starts_with("llvm."))
      continue;
    variable.setLinkage(GlobalValue::ExternalLinkage); // so that it can be found
    if (!variable.hasName())
      variable.setName("constant");
    result.globals.push_back({variable.getName().str(), layout.getTypeAllocSize(variable.getValueType()),
                              variable.isConstant() || variable.getAddressSpace() == kConstantSpace});
  }
  for (StringRef name : {"llvm.used", "llvm.compiler.used"})
    if (GlobalVariable *list = module.getNamedGlobal(name))
      list->eraseFromParent();
  for (Function &function : module)
    if (!function.isDeclaration())
      rewriteFunction(function);
  for (Function &function : module) {
    function.setCallingConv(CallingConv::C);
    for (StringRef attribute : {"target-cpu", "target-features", "tune-cpu"})
      function.removeFnAttr(attribute);
    for (User *user : function.users())
      if (auto *call = dyn_cast<CallBase>(user))
        call->setCallingConv(CallingConv::C);
  }
  for (Function *kernel : kernels) {
    kernel->setLinkage(GlobalValue::InternalLinkage);
    addKernelEntry(*kernel);
  }
  StripDebugInfo(module);
  result.unknown.assign(unknown.begin(), unknown.end());
  std::string broken;
  raw_string_ostream out(broken);
  if (result.error.empty() && verifyModule(module, &out))
    result.error = "the rewritten module is broken: " + broken;
  return std::move(result);
}

RewrittenModule rewriteKernels(Module &module, unsigned checks, uint64_t sharedBase, uint64_t sharedBytes,
                               const DataLayout &layout, const Triple &triple) {
  return Rewriter(module, checks, sharedBase, sharedBytes, layout).run(triple);
}

} // namespace muon::emulator
