//===- CompileBlocks.h - LLVM IR of a GPU room to PTX and cubin ---------------------*- C++ -*-===//
#ifndef MUON_OBJECT_COMPILEBLOCKS_H
#define MUON_OBJECT_COMPILEBLOCKS_H

#include "muon/IR/Muon.h"

#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

#include <string>

namespace muon {

/// Gives a translated module the GPU's triple and data layout and cleans it up. What it leaves is exactly what
/// compilePtx hands to the backend: the bitcode image.
llvm::Error finishBlocks(llvm::Module &module, TargetAttr target);

/// The module as bitcode.
std::string writeBitcode(const llvm::Module &module);

/// PTX text. Code generation changes the module: once per module.
llvm::Expected<std::string> compilePtx(llvm::Module &module, TargetAttr target);

/// What ptxas made of PTX text: the cubin, and its messages (registers, spills, shared memory per kernel; advisories).
struct Cubin {
  std::string bytes, messages;
};

/// Assembles PTX for a chip (sm_80) with ptxas, from MUON_PTXAS, PATH or CUDA_HOME/bin. A missing or failing ptxas is
/// one line.
llvm::Expected<Cubin> assemblePtx(llvm::StringRef ptx, llvm::StringRef chip);

/// Both at once, for who needs no PTX text.
llvm::Expected<Cubin> compileCubin(llvm::Module &module, TargetAttr target);

/// Where assemblePtx would find ptxas; empty if nowhere.
std::string findPtxas();

} // namespace muon

#endif // MUON_OBJECT_COMPILEBLOCKS_H
