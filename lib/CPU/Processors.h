//===- Processors.h - which processors there are ------------------------------------*- C++ -*-===//
//
// LLVM knows their names and what each has; this is the one place that asks it. Private to the room: what products are
// computed with there is Targets.cpp's.
//
//===-------------------------------------------------------------------------------------------===//
#ifndef MUON_LIB_CPU_PROCESSORS_H
#define MUON_LIB_CPU_PROCESSORS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muon::cpu {

/// As LLVM is told.
struct Processor {
  std::string cpu, features, triple;
};

/// Bytes, of one core or its share.
struct Caches {
  uint64_t l1, l2;
};

/// What LLVM calls `feature`, /proc/cpuinfo calls `word`.
struct FeatureName {
  llvm::StringRef feature, word;
};

/// An instruction set that code is made for.
struct Architecture {
  llvm::StringRef name; ///< as a target; the processor is then `cpu` with `features`
  llvm::StringRef cpu, features, triple;
  llvm::ArrayRef<FeatureName> checked; ///< extensions that the runtime asks a machine for
  /// Extensions that LLVM would use and the runtime cannot ask for: code does without them.
  llvm::ArrayRef<llvm::StringRef> avoided;
};

/// Of a triple; null of a GPU's.
const Architecture *architectureOf(llvm::StringRef triple);

std::unique_ptr<llvm::MCSubtargetInfo> subtarget(const Processor &processor);

/// False also where the architecture has no feature of that name, which LLVM refuses to be asked for.
bool hasFeature(const llvm::MCSubtargetInfo *info, llvm::StringRef feature);

/// Every name that findProcessor takes without extensions.
std::vector<std::string> processorNames();

/// The processor called `name`, which may end in extensions: "neoverse-n1", "aarch64+sve2". Otherwise one line that
/// says what there is.
llvm::Expected<Processor> findProcessor(llvm::StringRef name);

/// What is known of the caches of the processor called `name`.
std::optional<Caches> cachesOf(llvm::StringRef name);

} // namespace muon::cpu

#endif // MUON_LIB_CPU_PROCESSORS_H
