//===- LoadedModule.cpp -----------------------------------------------------------------------===//

#include "LoadedModule.h"

#include "Block.h"
#include "Floats.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

// What the code generator calls where the processor has no instruction; the C library may not have them. Half precision
// values are in the low 16 bits of a vector register: declared as floats, of which only those bits count.
static float inRegister(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits)); }
static float truncateToBf16(float value) { return inRegister(muon::emulator::floatToBf16(value)); }
static float truncateDoubleToBf16(double value) {
  // Through f32 rounded to odd, so that the second rounding is right.
  auto narrow = static_cast<float>(value);
  auto bits = std::bit_cast<uint32_t>(narrow);
  if (static_cast<double>(narrow) != value && !std::isnan(value) && !std::isinf(narrow)) {
    if (std::fabs(static_cast<double>(narrow)) > std::fabs(value) && !(bits & 1))
      --bits;
    bits |= 1;
  }
  return truncateToBf16(std::bit_cast<float>(bits));
}
static float truncateToF16(float value) { return inRegister(muon::emulator::floatToF16(value)); }
static float extendF16(float bits) {
  return muon::emulator::f16ToFloat(static_cast<uint16_t>(std::bit_cast<uint32_t>(bits)));
}

namespace muon::emulator {

static Expected<std::unique_ptr<orc::LLJIT>> makeJit() {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  auto builder = orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  // x86's own conversion to bf16 flushes subnormals, a GPU's does not.
  builder->addFeatures({"-avx512bf16", "-avxneconvert", "-avx512fp16", "-amx-bf16", "-amx-tile", "-amx-int8"});
  builder->setCodeGenOptLevel(CodeGenOptLevel::Less);
  auto jit = orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(*builder)).create();
  if (!jit)
    return jit.takeError();
  auto process = orc::DynamicLibrarySearchGenerator::GetForCurrentProcess((*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  orc::SymbolMap ours;
  auto define = [&](const char *name, auto *function) {
    ours[(*jit)->mangleAndIntern(name)] = {orc::ExecutorAddr::fromPtr(function),
                                           JITSymbolFlags::Exported | JITSymbolFlags::Callable};
  };
  define("__truncsfbf2", truncateToBf16);
  define("__truncdfbf2", truncateDoubleToBf16);
  define("__truncsfhf2", truncateToF16);
  define("__extendhfsf2", extendF16);
  if (auto failed = (*jit)->getMainJITDylib().define(orc::absoluteSymbols(std::move(ours))))
    return std::move(failed);
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  return jit;
}

/// Compiles everything and finds kernels and variables.
static Error link(LoadedModule &loaded) {
  for (const KernelInfo &info : loaded.rewritten.kernels) {
    auto entry = loaded.jit->lookup(entryName(info.name));
    if (!entry)
      return entry.takeError();
    loaded.functions[info.name] = {&loaded, info, entry->toPtr<void (*)(void **)>()};
  }
  for (const GlobalVariableInfo &variable : loaded.rewritten.globals) {
    auto address = loaded.jit->lookup(variable.name);
    if (!address)
      return address.takeError();
    void *at = address->toPtr<void *>();
    if (variable.bytes)
      machine().memory.add(at, variable.bytes, "variable '" + variable.name + "'", Byte::defined)->readOnly =
          variable.constant;
    loaded.globals[variable.name] = {at, variable.bytes};
  }
  return Error::success();
}

LoadedModule::~LoadedModule() {
  for (auto &[name, place] : globals)
    if (place.second)
      machine().memory.remove(place.first);
  for (const std::unique_ptr<Site> &site : rewritten.sites)
    machine().sites[site->index] = nullptr;
}

std::unique_ptr<LoadedModule> loadModule(StringRef bitcode, unsigned checks, std::string &error) {
  auto context = std::make_unique<LLVMContext>();
  auto parsed = parseBitcodeFile(MemoryBufferRef(bitcode, "module"), *context);
  if (!parsed) {
    error = "not LLVM bitcode: " + toString(parsed.takeError());
    return nullptr;
  }
  auto jit = makeJit();
  if (!jit) {
    error = toString(jit.takeError());
    return nullptr;
  }
  auto loaded = std::make_unique<LoadedModule>();
  loaded->jit = std::move(*jit);
  loaded->checks = checks;
  Region &shared = machine().memory.sharedRegion();
  loaded->rewritten = rewriteKernels(**parsed, checks, reinterpret_cast<uintptr_t>(shared.begin), shared.bytes,
                                     loaded->jit->getDataLayout(), loaded->jit->getTargetTriple());
  error = loaded->rewritten.error;
  if (!error.empty())
    return nullptr;
  Error failed = loaded->jit->addIRModule(orc::ThreadSafeModule(std::move(*parsed), std::move(context)));
  if (!failed)
    failed = link(*loaded);
  if (failed) {
    error = toString(std::move(failed));
    return nullptr;
  }
  for (const std::string &name : loaded->rewritten.unknown)
    if (!machine().quiet)
      fprintf(stderr, "muon emulator: unknown operation, an error if reached: %s\n", name.c_str());
  return loaded;
}

} // namespace muon::emulator
