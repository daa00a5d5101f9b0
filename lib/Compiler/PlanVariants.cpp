//===- PlanVariants.cpp - a request as a planned module per target ----------------------------===//

#include "PlanVariants.h"

#include "CheckRequest.h"
#include "FirstDiagnostic.h"
#include "OwnProgram.h"
#include "StateRequest.h"
#include "StepFunctions.h"
#include "Tuned.h"

#include "muon/CPU/Targets.h"
#include "muon/Compiler/Walk.h"
#include "muon/GPU/Targets.h"
#include "muon/IR/Request.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace muon;

namespace {
class VariantPlanner {
public:
  VariantPlanner(MLIRContext &context, const Request &request)
      : context(context), request(request), program{request.name, {}} {}
  llvm::Expected<PlannedProgram> run();

private:
  llvm::Expected<OwningOpRef<ModuleOp>> parse(StringRef text);
  llvm::Expected<Variant> plan(StringRef targetName);
  llvm::Expected<Variant> goOn(StringRef text, size_t place);
  llvm::Error goOnAll(ArrayRef<StringRef> modules);
  llvm::Error finishPlan(Variant &variant);
  llvm::Error buildSteps(ModuleOp module, TargetAttr target, StringRef targetName);
  llvm::Expected<GroupRequest> tune(const GroupRequest &group, StringRef targetName);

  MLIRContext &context;
  const Request &request;
  PlannedProgram program;
};
} // namespace

llvm::Expected<TargetAttr> muon::parseTarget(MLIRContext *context, StringRef text) {
  if (namesGpu(text))
    return lookupGpuTarget(context, text);
  auto [name, machine] = text.split('@');
  llvm::Expected<TargetAttr> target = lookupTarget(context, name);
  if (!target || !text.contains('@'))
    return target;
  llvm::Expected<TargetAttr> runsOn = lookupTarget(context, machine);
  return runsOn ? scheduleOn(*target, *runsOn) : std::move(runsOn);
}

/// The group with the options that the tuning database has for it on this target.
llvm::Expected<GroupRequest> VariantPlanner::tune(const GroupRequest &group, StringRef targetName) {
  auto answer = lookupTuned(context, request, group, targetName);
  if (!answer)
    return answer.takeError();
  GroupRequest tuned = group;
  if (!*answer)
    return tuned;
  tuned.tunedBy = (*answer)->said;
  if ((*answer)->plan)
    if (llvm::Error error =
            applyPlan(llvm::formatv("{0}", llvm::json::Value(std::move(*(*answer)->plan))).str(), tuned.step))
      return std::move(error);
  tuned.served = servedBand(**answer, tuned.step.norm.value_or(""));
  return tuned;
}

llvm::Error VariantPlanner::buildSteps(ModuleOp module, TargetAttr target, StringRef targetName) {
  OpBuilder builder(&context);
  OwningOpRef<ProgramOp> program = ProgramOp::create(builder, module.getLoc(), this->program.name);
  OpBuilder uses = OpBuilder::atBlockBegin(&program->getBody().emplaceBlock());
  StepFunctions functions(module, uses);
  for (const GroupRequest &asked : request.groups) {
    llvm::Expected<GroupRequest> tuned = tune(asked, targetName);
    if (!tuned)
      return tuned.takeError();
    const GroupRequest &group = *tuned;
    StepOptions step = group.step;
    if (step.earlyStop && target.isGpu())
      return llvm::createStringError("expected a CPU target for early_stop, got " + targetName);
    // Its own restarts or pairs, or an early stop, are of a form it must name.
    if ((step.restarts || step.pairs || step.earlyStop) && !step.form && request.form != "auto")
      step.form = request.form;
    if (llvm::Error error = functions.add(group, step))
      return error;
  }
  // A group may be called what the program is.
  SymbolTable(module).insert(program.release(), module.getBody()->begin());
  return llvm::Error::success();
}

llvm::Expected<OwningOpRef<ModuleOp>> VariantPlanner::parse(StringRef text) {
  FirstDiagnostic diagnostic(&context);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context, "program");
  if (!module)
    return diagnostic.error();
  return module;
}

/// Up to the end of Plan.
llvm::Error VariantPlanner::finishPlan(Variant &variant) {
  FirstDiagnostic diagnostic(&context);
  if (failed(verify(*variant.planned)))
    return diagnostic.error();
  if (llvm::Error error = checkNames(*variant.planned))
    return error;
  return failed(walk(*variant.planned, Room::plan)) ? diagnostic.error() : llvm::Error::success();
}

/// The request's groups, or where there is one its program, for one target.
llvm::Expected<Variant> VariantPlanner::plan(StringRef targetName) {
  llvm::Expected<TargetAttr> target = parseTarget(&context, targetName);
  if (!target)
    return target.takeError();
  if (llvm::Error error = checkTarget(request, *target, targetName))
    return error;
  Variant variant{ModuleOp::create(UnknownLoc::get(&context)), *target};
  FirstDiagnostic diagnostic(&context);
  if (!request.program.empty()) {
    auto module = parse(request.program);
    if (!module)
      return module.takeError();
    variant.planned = std::move(*module);
    if (failed(takeProgram(*variant.planned, request, program.name, *target)))
      return diagnostic.error();
  } else {
    RequestAttr asked = stateRequest(request, *target);
    if (!asked)
      return diagnostic.error();
    (*variant.planned)->setAttr(kRequest, asked);
    if (llvm::Error failure = buildSteps(*variant.planned, *target, targetName))
      return failure;
  }
  if (llvm::Error error = finishPlan(variant))
    return error;
  return variant;
}

/// A module that was left for a target of its own, in whatever room: the request's `place`-th variant.
llvm::Expected<Variant> VariantPlanner::goOn(StringRef text, size_t place) {
  auto module = parse(text);
  if (!module)
    return module.takeError();
  TargetAttr target = askedTarget(**module);
  Variant variant{std::move(*module), target};
  if (!variant.target)
    return llvm::createStringError("expected a target in the muon.request of every module of the program");
  if (!request.targets.empty()) {
    llvm::Expected<TargetAttr> asked = parseTarget(&context, request.targets[place]);
    if (!asked)
      return asked.takeError();
    if (*asked != variant.target)
      return llvm::createStringError("expected the target that the program was left for, " + variant.target.getCpu() +
                                     ", got " + request.targets[place]);
  }
  if (llvm::Error error = checkTarget(request, variant.target, variant.target.getCpu()))
    return error;
  FirstDiagnostic diagnostic(&context);
  if (failed(takeProgram(*variant.planned, request, program.name, variant.target)))
    return diagnostic.error();
  if (*roomOf(*variant.planned) > Room::plan) {
    variant.lowered = std::move(variant.planned);
    variant.planned = plannedOf(*variant.lowered);
  }
  if (llvm::Error error = finishPlan(variant))
    return error;
  return variant;
}

/// Modules that were left for targets of their own: one program.
llvm::Error VariantPlanner::goOnAll(ArrayRef<StringRef> modules) {
  if (!request.targets.empty() && request.targets.size() != modules.size())
    return llvm::createStringError("expected as many targets as the program has modules, " + Twine(modules.size()) +
                                   ", got " + llvm::join(request.targets, ","));
  for (auto [place, text] : llvm::enumerate(modules)) {
    auto variant = goOn(text, place);
    if (!variant)
      return variant.takeError();
    if (place && describeInterface(*variant->planned) != describeInterface(*program.variants.front().planned))
      return llvm::createStringError("expected modules of one program: module " + Twine(place + 1) +
                                     " has other parameters or step functions than the first");
    program.variants.push_back(std::move(*variant));
  }
  return llvm::Error::success();
}

llvm::Expected<PlannedProgram> VariantPlanner::run() {
  if (!request.program.empty()) {
    std::vector<StringRef> modules = splitModules(request.program);
    auto first = parse(modules.front());
    if (!first)
      return first.takeError();
    auto name = nameProgram(**first, request);
    if (!name)
      return name.takeError();
    program.name = std::move(*name);
    if (modules.size() > 1 || askedTarget(**first)) {
      if (llvm::Error error = goOnAll(modules))
        return std::move(error);
      return std::move(program);
    }
  }
  for (const std::string &target : request.targets.empty() ? std::vector<std::string>{"cpu"} : request.targets) {
    auto variant = plan(target);
    if (!variant)
      return variant.takeError();
    program.variants.push_back(std::move(*variant));
  }
  return std::move(program);
}

llvm::Expected<PlannedProgram> muon::planVariants(MLIRContext &context, const Request &request) {
  return VariantPlanner(context, request).run();
}
