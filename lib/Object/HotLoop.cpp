//===- HotLoop.cpp
//--------------------------------------------------------------------------------===//

#include "muon/Object/HotLoop.h"

muon::HotLoop muon::countHotLoop(llvm::StringRef assembly, llvm::StringRef function) { return {}; }
