//===- CheckRequest.cpp -----------------------------------------------------------------------===//

#include "CheckRequest.h"
#include "StateRequest.h"

#include "muon/GPU/Targets.h"
#include "muon/IR/PrintNumber.h"
#include "muon/IR/Request.h"
#include "muon/IR/StepFunction.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace muon;
using llvm::StringRef;

static llvm::Error checkSize(const GroupRequest &group) {
  std::string shape =
      llvm::join(llvm::map_range(group.step.shape, [](int64_t size) { return std::to_string(size); }), "x");
  if (static_cast<int64_t>(group.step.shape.size()) > mostDimensions)
    return llvm::createStringError("expected a shape of at most 8 axes, got " + shape);
  // Its mean is over the tensor, a launch's over a matrix.
  if (group.step.preset == "rms" && group.step.shape.size() > 2)
    return llvm::createStringError("preset 'rms' takes vectors and matrices, got shape " + shape +
                                   "; a dense tensor can be bound as a vector");
  if (hasTooManyElements(group.step.shape, group.parameters.size()))
    return llvm::createStringError("expected a group of at most 2^40 elements, got " +
                                   std::to_string(group.parameters.size()) + " parameters of shape " + shape);
  return llvm::Error::success();
}

/// What <stddef.h> and <stdint.h>, which the header includes, have or may come to have: types as in int8_t, and macros
/// as in SIZE_MAX, INT64_C and UINT8_WIDTH.
static bool isOfStandardHeaders(StringRef name) {
  bool type = (name.starts_with("int") || name.starts_with("uint")) && name.ends_with("_t");
  bool macro = llvm::any_of(llvm::ArrayRef<StringRef>{"_MAX", "_MIN", "_WIDTH", "_C"},
                            [&](StringRef end) { return name.ends_with(end); }) &&
               llvm::any_of(llvm::ArrayRef<StringRef>{"INT", "UINT", "SIZE", "PTRDIFF", "SIG_ATOMIC", "WCHAR", "WINT"},
                            [&](StringRef begin) { return name.starts_with(begin); });
  return type || macro ||
         llvm::is_contained({"size_t", "ptrdiff_t", "max_align_t", "nullptr_t", "offsetof", "unreachable"}, name);
}

/// The symbol would stand in for a function of C's library, as LLVM knows them.
static bool isLibraryFunction(StringRef name) {
  static const llvm::TargetLibraryInfoImpl library{llvm::Triple(llvm::sys::getDefaultTargetTriple())};
  llvm::LibFunc function;
  return library.getLibFunc(name, function);
}

/// Whether the header can declare it and a C program link it: neither C, C++, their libraries nor muon_runtime.h has
/// it.
static bool isFree(StringRef name) {
  static constexpr llvm::StringLiteral keywords =
      " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t "
      "char32_t class co_await co_return co_yield compl concept const const_cast consteval constexpr "
      "constinit continue decltype default delete do double dynamic_cast else enum explicit export extern "
      "false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr "
      "operator or or_eq private protected public register reinterpret_cast requires restrict return short "
      "signed sizeof static static_assert static_cast struct switch template this thread_local throw true "
      "try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq "
      "main NULL ";
  bool reserved = name.contains("__") || (name.starts_with("_") && name.size() > 1 && llvm::isUpper(name[1])) ||
                  name.starts_with_insensitive("muon_");
  auto belongs = [](char c) { return llvm::isAlnum(c) || c == '_'; };
  return !name.empty() && !llvm::isDigit(name[0]) && llvm::all_of(name, belongs) && !reserved &&
         !keywords.contains((" " + name + " ").str()) && !isOfStandardHeaders(name) && !isLibraryFunction(name);
}

/// The first value that is none of its words.
static llvm::Error checkWords(const Request &request) {
  std::string unknown;
  auto check = [&](StringRef name, StringRef word, llvm::ArrayRef<StringRef> known) {
    if (unknown.empty() && !llvm::is_contained(known, word))
      unknown = ("unknown " + name + " '" + word + "', expected " + printChoices(known)).str();
  };
  llvm::SmallVector<StringRef> types{"auto"};
  llvm::append_range(types, kOperandTypes);
  check("dtype", request.dtype, types);
  forEachOverride(request, [&](StringRef name, const auto &value) {
    if constexpr (std::is_convertible_v<decltype(value), StringRef>)
      check(name, value, findOverride(name)->words);
    else if constexpr (std::is_convertible_v<decltype(value), std::optional<std::string>>)
      if (value)
        check(name, *value, findOverride(name)->words);
  });
  return unknown.empty() ? llvm::Error::success() : llvm::createStringError(unknown);
}

llvm::Error muon::checkName(StringRef name) {
  if (isFree(name))
    return llvm::Error::success();
  return llvm::createStringError("expected a C identifier as the program's name, without __, _ and a capital or muon_ "
                                 "in front, and no keyword, name of <stdint.h> or function of C's library, got '" +
                                 name + "'");
}

llvm::Error muon::checkRequest(const Request &request) {
  if (llvm::Error error = checkWords(request))
    return error;
  if (request.program.empty() || !request.name.empty())
    if (llvm::Error error = checkName(request.name))
      return error;
  llvm::StringSet<> targets;
  for (const std::string &target : request.targets)
    if (!targets.insert(target).second)
      return llvm::createStringError("expected different targets, got '" + target + "' twice");
  if (request.embedBitcode && !request.targets.empty() && llvm::none_of(request.targets, namesGpu))
    return llvm::createStringError("expected a GPU among the targets for embed_bitcode, got " +
                                   llvm::join(request.targets, ","));
  if (!request.program.empty() && !request.groups.empty())
    return llvm::createStringError("expected groups or a program, got both");
  if (!request.program.empty() && (request.dtype != "auto" || request.form != "auto" || request.side != "auto" ||
                                   request.restarts || request.pairs || request.tuned))
    return llvm::createStringError("dtype, form, side, restarts, pairs and tuned are for presets: a program's ops have "
                                   "their own operands, form, side, restarts, pairs and table");
  for (const GroupRequest &group : request.groups) {
    if (group.parameters.empty())
      return llvm::createStringError("a group of preset '" + group.step.preset + "' has no parameters");
    if (llvm::Error error = checkSize(group))
      return error;
  }
  return llvm::Error::success();
}

/// 'block', or 3.
static std::string show(mlir::Attribute value) {
  if (auto word = llvm::dyn_cast<mlir::StringAttr>(value))
    return ("'" + word.getValue() + "'").str();
  std::string text;
  llvm::raw_string_ostream stream(text);
  value.print(stream, /*elideType=*/true);
  return text;
}

llvm::Error muon::checkTarget(const Request &request, TargetAttr target, StringRef name) {
  bool hasProducts = request.groups.empty() ||
                     llvm::any_of(request.groups, [](const GroupRequest &group) { return group.step.preset != "rms"; });
  auto productless = [](const llvm::Twine &got) {
    return llvm::createStringError("preset 'rms' has no products, got " + got);
  };
  if (request.dtype != "auto" && !hasProducts)
    return productless("dtype '" + request.dtype + "'");
  mlir::DictionaryAttr overrides = stateOverrides(target.getContext(), request);
  for (mlir::NamedAttribute asked : overrides ? overrides.getValue() : llvm::ArrayRef<mlir::NamedAttribute>()) {
    const Override *override = findOverride(asked.getName().getValue());
    std::string shown = (override->name + " " + show(asked.getValue())).str();
    if (override->gpuOnly && !target.isGpu())
      return llvm::createStringError("expected a GPU target for " + shown + ", got " + name);
    if (override->ofProducts && !hasProducts)
      return productless(shown);
  }
  return llvm::Error::success();
}

llvm::Error muon::checkNames(mlir::ModuleOp module) {
  std::string cut;
  module.walk([&](mlir::Operation *op) {
    if (llvm::isa<mlir::func::FuncOp, UseOp>(op))
      op->getAttrDictionary().walk([&](mlir::StringAttr name) {
        if (name.getValue().contains('\0'))
          cut = name.getValue();
      });
  });
  if (cut.empty())
    return llvm::Error::success();
  std::string shown;
  llvm::raw_string_ostream stream(shown);
  llvm::printEscapedString(cut, stream);
  return llvm::createStringError("expected names without a zero byte, got '" + shown + "'");
}
