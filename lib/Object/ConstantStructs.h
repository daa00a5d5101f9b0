//===- ConstantStructs.h - C structs as LLVM constants ------------------------------*- C++ -*-===//

#ifndef MUON_OBJECT_CONSTANT_STRUCTS_H
#define MUON_OBJECT_CONSTANT_STRUCTS_H

#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"

namespace muon {

/// Writes constants in the C layout of a 64-bit target: a struct's fields in order, with natural alignment.
class ConstantStructs {
public:
  explicit ConstantStructs(llvm::Module &module) : module(module), context(module.getContext()) {}

  llvm::Constant *i32(int64_t value) { return llvm::ConstantInt::getSigned(llvm::Type::getInt32Ty(context), value); }
  llvm::Constant *i64(int64_t value) { return llvm::ConstantInt::getSigned(llvm::Type::getInt64Ty(context), value); }
  llvm::Constant *f64(double value) { return llvm::ConstantFP::get(llvm::Type::getDoubleTy(context), value); }
  llvm::Constant *null() { return llvm::ConstantPointerNull::get(llvm::PointerType::get(context, 0)); }
  llvm::Constant *record(llvm::ArrayRef<llvm::Constant *> fields) {
    return llvm::ConstantStruct::getAnon(context, fields);
  }

  /// A private array in memory; null if it is empty.
  llvm::Constant *array(llvm::ArrayRef<llvm::Constant *> elements) {
    return elements.empty() ? null() : global(inlineArray(elements));
  }
  llvm::Constant *inlineArray(llvm::ArrayRef<llvm::Constant *> elements) {
    return llvm::ConstantArray::get(llvm::ArrayType::get(elements.front()->getType(), elements.size()), elements);
  }
  llvm::Constant *string(llvm::StringRef text) { return global(llvm::ConstantDataArray::getString(context, text)); }
  /// Binary data as it is.
  llvm::Constant *bytes(llvm::StringRef data) {
    return global(llvm::ConstantDataArray::getString(context, data, false));
  }
  llvm::GlobalVariable *global(llvm::Constant *value) {
    auto *variable =
        new llvm::GlobalVariable(module, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value, "muon");
    variable->setAlignment(llvm::Align(8));
    return variable;
  }

private:
  llvm::Module &module;
  llvm::LLVMContext &context;
};

} // namespace muon

#endif // MUON_OBJECT_CONSTANT_STRUCTS_H
