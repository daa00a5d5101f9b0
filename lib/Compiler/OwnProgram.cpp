//===- OwnProgram.cpp -------------------------------------------------------------------------===//

#include "OwnProgram.h"

#include "CheckRequest.h"
#include "StateRequest.h"

#include "muon/Compiler/Walk.h"
#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/Request.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace muon;

std::vector<StringRef> muon::splitModules(StringRef text) {
  constexpr StringRef kMarker = "// -----"; // as muon-opt --split-input-file has it
  std::vector<StringRef> modules;
  const char *begin = text.begin();
  for (StringRef rest = text; !rest.empty();) {
    StringRef line;
    std::tie(line, rest) = rest.split('\n');
    if (line.rtrim() != kMarker)
      continue;
    modules.emplace_back(begin, line.begin() - begin);
    begin = rest.begin();
  }
  modules.emplace_back(begin, text.end() - begin);
  return modules;
}

static ProgramOp programOf(ModuleOp module) {
  auto programs = module.getOps<ProgramOp>();
  return programs.empty() ? ProgramOp() : *programs.begin();
}

llvm::Expected<std::string> muon::nameProgram(ModuleOp module, const Request &request) {
  ProgramOp program = programOf(module);
  std::string own = program ? program.getSymName().str() : "";
  if (program && askedTarget(module) && !request.name.empty() && request.name != own)
    return llvm::createStringError("expected the name that the program was left with, '" + own + "', got '" +
                                   request.name + "'");
  std::string name = !request.name.empty() ? request.name : own.empty() ? "step" : own;
  if (llvm::Error error = checkName(name))
    return error;
  return name;
}

static void addParameters(ModuleOp module, StringRef name) {
  auto functions = llvm::to_vector(module.getOps<func::FuncOp>());
  if (programOf(module))
    return;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  SymbolTable symbols(module);
  auto program = ProgramOp::create(builder, module.getLoc(), name);
  OpBuilder uses = OpBuilder::atBlockBegin(&program.getBody().emplaceBlock());
  for (func::FuncOp function : functions) {
    StringAttr parameter = function.getNameAttr();
    if (parameter == name)
      (void)symbols.renameToUnique(function, {});
    UseOp::create(uses, function.getLoc(), function.getName(), builder.getArrayAttr({parameter}), "default");
  }
}

static LogicalResult refuseOverride(ModuleOp module, Room room, NamedAttribute asked, Attribute said) {
  InFlightDiagnostic refusal = module.emitOpError() << "was left in room " << roomName(room) << " with "
                                                    << (said ? "" : "no ") << asked.getName().getValue();
  if (said)
    refusal << " " << said;
  return refusal << ", got " << asked.getValue();
}

/// The module's overrides and the request's.
static FailureOr<DictionaryAttr> mergeOverrides(ModuleOp module, const Request &request, Room room) {
  MLIRContext *context = module.getContext();
  RequestAttr own = requestOf(module);
  NamedAttrList merged(own ? own.getOverrides() : DictionaryAttr());
  NamedAttrList asked(stateOverrides(context, request));
  if (request.nonfinite) // its default asks for something too
    asked.set("nonfinite", StringAttr::get(context, *request.nonfinite));
  for (NamedAttribute one : asked) {
    Attribute said = merged.get(one.getName());
    bool open = room < Room::plan && !said;
    if (!open && said != one.getValue() &&
        !(one.getName() == "nonfinite" && !said && *request.nonfinite == "propagate"))
      return refuseOverride(module, room, one, said);
    merged.set(one.getName(), one.getValue());
  }
  return merged.empty() ? DictionaryAttr() : merged.getDictionary(context);
}

LogicalResult muon::takeProgram(ModuleOp module, const Request &request, StringRef name, TargetAttr target) {
  FailureOr<Room> room = roomOf(module);
  if (failed(room))
    return failure();
  if (module.getOps<func::FuncOp>().empty())
    return module.emitOpError("expected a program of at least one step function, a func.func");
  FailureOr<DictionaryAttr> overrides = mergeOverrides(module, request, *room);
  if (failed(overrides))
    return failure();
  RequestAttr own = requestOf(module);
  RequestAttr whole = RequestAttr::getChecked([&] { return module.emitError(); }, module.getContext(), target,
                                              own ? own.getDtype() : Type(), own ? own.getBand() : BandAttr(),
                                              *overrides, kDialectVersion);
  if (!whole)
    return failure();
  module->setAttr(kRequest, whole);
  addParameters(module, name);
  return success();
}

std::string muon::describeInterface(ModuleOp planned) {
  std::string text;
  llvm::raw_string_ostream out(text);
  if (ProgramOp program = programOf(planned))
    program.print(out);
  for (auto function : planned.getOps<func::FuncOp>())
    out << function.getName() << function.getFunctionType() << function.getArgAttrsAttr() << function.getResAttrsAttr();
  out << planned->getAttr(kScalars) << planned->getAttr(kIntegerScalars);
  return text;
}
