//===- GpuCode.cpp - a GPU variant's kernels as images ----------------------------------------===//

#include "GpuCode.h"
#include "FirstDiagnostic.h"

#include "muon/Compiler/Walk.h"
#include "muon/GPU/Passes.h"
#include "muon/Object/TranslateModule.h"
#include "muon_runtime.h"

#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace muon;

static TargetAttr targetOf(ModuleOp planned) { return (*planned.getOps<VariantOp>().begin()).getTarget(); }

llvm::Expected<std::unique_ptr<llvm::Module>> muon::generateBlocks(ModuleOp planned, llvm::LLVMContext &context) {
  FirstDiagnostic diagnostic(planned.getContext());
  OwningOpRef<ModuleOp> lowered(cast<ModuleOp>(planned->clone()));
  if (failed(walk(*lowered, Room::gpu)))
    return diagnostic.error();
  std::unique_ptr<llvm::Module> code = translate(*lowered, context);
  if (!code)
    return diagnostic.error();
  if (llvm::Error error = finishBlocks(*code, targetOf(planned)))
    return std::move(error);
  return code;
}

llvm::Error muon::addImages(llvm::Module &finished, ModuleOp planned, bool embedBitcode, DescribedVariant &variant) {
  TargetAttr target = targetOf(planned);
  std::string bitcode = embedBitcode ? writeBitcode(finished) : "";
  auto ptx = compilePtx(finished, target);
  if (!ptx)
    return ptx.takeError();
  auto cubin = assemblePtx(*ptx, target.getCpu());
  if (!cubin)
    return cubin.takeError();
  variant.images.push_back({MUON_IMAGE_CUBIN, target.getCpu().str(), cubin->bytes});
  variant.images.push_back({MUON_IMAGE_PTX, target.getCpu().str(), *ptx + '\0'});
  if (embedBitcode)
    variant.images.push_back({MUON_IMAGE_BITCODE, target.getCpu().str(), std::move(bitcode)});
  for (auto kernel : planned.getOps<KernelOp>()) {
    KernelBlock block = blockOf(kernel);
    variant.blocks[kernel.getSymName()] = {block.threads, block.sharedBytes};
  }
  return llvm::Error::success();
}

llvm::StringMap<KernelResources> muon::parseResources(StringRef messages) {
  llvm::StringMap<KernelResources> resources;
  llvm::Regex name("Function properties for ([A-Za-z0-9_]+)"),
      stack("([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads"),
      used("Used ([0-9]+) registers"), shared("([0-9]+) bytes smem");
  KernelResources *current = nullptr;
  SmallVector<StringRef> lines, match;
  messages.split(lines, '\n', -1, false);
  auto number = [](StringRef text) {
    int64_t value = 0;
    text.getAsInteger(10, value);
    return value;
  };
  for (StringRef line : lines) {
    if (name.match(line, &match))
      current = &resources[match[1]];
    if (!current)
      continue;
    if (stack.match(line, &match))
      current->stack = number(match[1]), current->spillStores = number(match[2]),
      current->spillLoads = number(match[3]);
    if (used.match(line, &match))
      current->registers = number(match[1]);
    if (shared.match(line, &match))
      current->staticShared = number(match[1]);
  }
  return resources;
}
