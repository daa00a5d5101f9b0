//===- Jit.h - LLVM IR to callable memory -------------------------------------------*- C++ -*-===//
#ifndef MUON_OBJECT_JIT_H
#define MUON_OBJECT_JIT_H

#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace muon {

/// Owns machine code made in this process; addresses are valid as long as it lives.
class Jit {
public:
  /// Compiles the module (already optimised) for the processor its functions' attributes name; this
  /// machine where they name none. Symbols of the host process are not visible to it: kernels are
  /// closed, and a missing symbol must fail here and not in a trainer.
  static llvm::Expected<std::unique_ptr<Jit>> create(std::unique_ptr<llvm::Module> module,
                                                     std::unique_ptr<llvm::LLVMContext> context);
  ~Jit();

  /// The address of a function or global, null where there is none.
  void *lookup(llvm::StringRef name) const;

private:
  struct State;
  explicit Jit(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace muon

#endif // MUON_OBJECT_JIT_H
