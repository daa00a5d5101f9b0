//===- Tuned.cpp - what the tuning database says about a group --------------------------------===//

#include "Tuned.h"

#include "CheckRequest.h"
#include "muon/Compiler/Walk.h"
#include "muon/IR/PrintNumber.h"
#include "muon/Polynomial/Emulate.h"

#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace muon;
namespace json = llvm::json;
using llvm::StringRef;

/// The table that the step function has without the database, and whether there is anything to choose. Built, because
/// presets and their options are known to Form alone.
static llvm::Expected<std::optional<std::pair<Table, double>>> ownTable(MLIRContext &context, const StepOptions &step) {
  OwningOpRef<ModuleOp> scratch = ModuleOp::create(UnknownLoc::get(&context));
  llvm::Expected<func::FuncOp> function = buildStep(*scratch, "scratch", step);
  if (!function)
    return function.takeError();
  std::optional<std::pair<Table, double>> own;
  function->walk([&](OrthogonalizeOp op) {
    bool chosen = op.getAccuracy() == Accuracy::table && op.getNorm() == Norm::frobenius;
    if (chosen)
      own.emplace(toTable(op.getTable()), op.getSafety().convertToDouble());
  });
  return own;
}

static llvm::Error checkFormIsOpen(const Request &request, const StepOptions &step) {
  if (request.form != "auto" || step.form)
    return llvm::createStringError("tuned brings the form: expected form auto, got '" +
                                   step.form.value_or(request.form) + "'");
  if (step.earlyStop)
    return llvm::createStringError("tuned brings the form, and early_stop needs form gram: expected one of the two");
  if (request.restarts || step.restarts)
    return llvm::createStringError("tuned brings the restarts: expected none in the request");
  if (request.pairs || step.pairs)
    return llvm::createStringError("tuned brings the form, and pairs are chosen for it: expected none in the request");
  return llvm::Error::success();
}

static llvm::Error checkFloor(double floor) {
  if (floor > 0 && floor < 1)
    return llvm::Error::success();
  return llvm::createStringError("tuned: expected 0 < floor < 1, got " + printNumber(floor));
}

static llvm::Error checkBounds(const Band &band) {
  if (band.lower > 0 && band.lower < band.upper && band.upper < 2)
    return llvm::Error::success();
  return llvm::createStringError("tuned: expected a band 0 < lower < upper < 2, got " + printNumber(band.lower) + ":" +
                                 printNumber(band.upper));
}

/// Also where the step function has no table to choose.
static llvm::Error checkQuery(const TuningQuery &query) {
  if (query.floor)
    if (llvm::Error error = checkFloor(*query.floor))
      return error;
  return query.band ? checkBounds(*query.band) : llvm::Error::success();
}

static llvm::Expected<TuningKey> makeKey(const Request &request, const GroupRequest &group, const TuningQuery &query,
                                         const std::optional<TuningLayer> &layer, const Table &table, double safety,
                                         StringRef target) {
  TuningKey key;
  const StepOptions &step = group.step;
  key.device = tuningDevice(target.str());
  key.dtype = step.operands.value_or(request.dtype);
  std::vector<int64_t> shape = matrixShape(step);
  key.rows = shape.end()[-2];
  key.columns = shape.back();
  key.floor = query.floor.value_or(servedFloor(key.dtype == "f32" ? OperandType::f32 : OperandType::bf16));
  if (layer) {
    key.floor = layer->floor;
    key.schatten4 = layer->schatten4;
  }
  if (llvm::Error error = checkFloor(key.floor)) // before it is searched from
    return error;
  key.band = query.band ? *query.band : computeBand(table, key.floor / safety, 1 / safety);
  if (llvm::Error error = checkBounds(key.band))
    return error;
  key.compiler = tuningCompiler();
  return key;
}

/// "degrees 3,5,9, form standard, operands bf16".
static std::string describePlan(const StepOptions &plan) {
  std::string text = "degrees ";
  for (auto [i, row] : llvm::enumerate(plan.rows))
    text += (i ? "," : "") + std::to_string(row.degree());
  text += ", form " + plan.form.value_or("auto");
  for (auto [i, restart] : llvm::enumerate(plan.restarts.value_or(std::vector<int64_t>())))
    text += (i ? "," : " restarted before rows ") + std::to_string(restart);
  text += ", operands " + plan.operands.value_or("auto");
  for (auto [i, size] : llvm::enumerate(plan.tile))
    text += (i ? "," : ", tile ") + std::to_string(size);
  if (plan.norm == "trace")
    return text + ", norm trace: finite for norms below 2^63";
  return plan.norm ? text + ", norm " + *plan.norm : text;
}

/// Reads the entry's plan and proves its table again: a file can be edited or imported.
static llvm::Error takeEntry(const TuningEntry &entry, const std::string &path, TunedGroup &answer) {
  auto refuse = [&](const std::string &why) {
    return llvm::createStringError("tuning database '" + path + "', entry " + entry.key.describe() + ": " + why);
  };
  StepOptions plan;
  if (llvm::Error error = applyPlan(entry.plan, plan))
    return refuse(llvm::toString(std::move(error)));
  double safety = plan.safety.value_or(1);
  std::string outside = checkBand({"tuned", plan.rows}, entry.key.band,
                                  entry.key.floorUnder(plan.norm.value_or("")) / safety, 1 / safety);
  if (!outside.empty())
    return refuse(outside);
  answer.plan = *cantFail(json::parse(entry.plan)).getAsObject();
  std::string operands = plan.operands.value_or(entry.key.dtype);
  bool asAsked = entry.key.dtype == "auto" || operands == entry.key.dtype;
  answer.said = "entry for " + entry.key.describe() + ": " + describePlan(plan) +
                (asAsked ? "; " : " because no program with " + entry.key.dtype + " operands was verified; ") +
                llvm::formatv("{0:f3} ms ", entry.seconds * 1e3).str() + (entry.modelled ? "modelled" : "measured") +
                ", " + entry.made;
  return llvm::Error::success();
}

/// The recorded layer that the group's floor comes from; nothing where the query names no model. `said`: why there is
/// none.
static llvm::Expected<std::optional<TuningLayer>> findLayer(TuningDatabase *database, const GroupRequest &group,
                                                            const TuningQuery &query, const std::string &path,
                                                            std::string &said) {
  if (query.model.empty())
    return std::nullopt;
  if (query.floor)
    return llvm::createStringError("tuned: expected a floor or a model, whose layers have their own, got both");
  std::string error;
  std::vector<int64_t> shape = matrixShape(group.step);
  std::optional<TuningLayer> layer;
  if (database)
    layer = database->findLayer(query.model, query.layer, shape.end()[-2], shape.back(), error);
  if (!error.empty())
    return llvm::createStringError(error);
  if (!layer)
    said = llvm::formatv("none: no layer '{0}' of {1}x{2} was recorded for model '{3}' in '{4}'", query.layer,
                         shape.end()[-2], shape.back(), query.model, path);
  return layer;
}

llvm::Expected<std::optional<TunedGroup>> muon::lookupTuned(MLIRContext &context, const Request &request,
                                                            const GroupRequest &group, StringRef target) {
  const std::optional<TuningQuery> &query = group.tuned ? group.tuned : request.tuned;
  if (!query)
    return std::nullopt;
  if (llvm::Error error = checkQuery(*query))
    return std::move(error);
  if (llvm::Error error = checkFormIsOpen(request, group.step))
    return std::move(error);
  auto own = ownTable(context, group.step);
  if (!own)
    return own.takeError();
  TunedGroup answer;
  if (!*own) {
    answer.said = "none: preset '" + group.step.preset + "' has no table to choose here";
    return answer;
  }
  answer.own = (*own)->first;
  divideArgument(answer.own.rows.front().c, (*own)->second);
  std::string path = query->database.empty() ? tuningDatabasePath() : query->database, error;
  std::unique_ptr<TuningDatabase> database;
  if (llvm::sys::fs::exists(path) && !(database = TuningDatabase::open(path, /*create=*/false, error)))
    return llvm::createStringError(error);
  auto layer = findLayer(database.get(), group, *query, path, answer.said);
  if (!layer)
    return layer.takeError();
  if (!answer.said.empty())
    return answer;
  auto key = makeKey(request, group, *query, *layer, (*own)->first, (*own)->second, target);
  if (!key)
    return key.takeError();
  answer.key = std::move(*key);
  if (!database) {
    answer.said = "none: tuning database '" + path + "' does not exist";
    return answer;
  }
  std::optional<TuningEntry> entry = database->find(*answer.key, error);
  if (!error.empty())
    return llvm::createStringError(error);
  if (!entry) {
    answer.said = "none: no entry for " + answer.key->describe() + " in '" + path + "'";
    return answer;
  }
  if (llvm::Error failure = takeEntry(*entry, path, answer))
    return std::move(failure);
  return answer;
}

std::optional<ServedBand> muon::servedBand(const TunedGroup &tuned, StringRef norm) {
  if (!tuned.key)
    return std::nullopt;
  double floor = tuned.key->floorUnder(norm.str());
  return floor < 1 ? std::optional<ServedBand>({floor, tuned.key->band}) : std::nullopt;
}

/// A group's options with the plan's in place of its own.
static void mergePlan(json::Object &group, const json::Object &plan) {
  json::Object options;
  if (const json::Object *given = group.getObject("options"))
    options = *given;
  for (StringRef name : plannedOptions())
    options.erase(name);
  for (const auto &field : plan)
    options[field.first] = field.second;
  group["options"] = std::move(options);
}

llvm::Expected<std::string> muon::resolveTuned(StringRef text) {
  llvm::Expected<Request> request = parseRequest(text);
  if (!request)
    return request.takeError();
  if (llvm::Error error = checkRequest(*request))
    return std::move(error);
  if (!request->program.empty())
    return llvm::createStringError("expected groups to resolve for, got a program");
  if (request->targets.size() != 1)
    return llvm::createStringError("expected one target to resolve for, got " +
                                   std::to_string(request->targets.size()));
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  json::Value resolved = cantFail(json::parse(text));
  json::Object &object = *resolved.getAsObject();
  object.erase("tuned");
  json::Array answers, &groups = *object.getArray("groups");
  for (auto [i, group] : llvm::enumerate(request->groups)) {
    auto answer = lookupTuned(context, *request, group, request->targets.front());
    if (!answer)
      return answer.takeError();
    json::Object &written = *groups[i].getAsObject();
    written.erase("tuned");
    if (!*answer) {
      answers.push_back(nullptr);
      continue;
    }
    TunedGroup &tuned = **answer;
    written["tuned_by"] = tuned.said;
    if (tuned.plan)
      mergePlan(written, *tuned.plan);
    std::string norm = tuned.plan ? tuned.plan->getString("norm").value_or("").str() : group.step.norm.value_or("");
    if (std::optional<ServedBand> served = servedBand(tuned, norm))
      written["served"] = json::Array{served->floor, served->band.lower, served->band.upper};
    json::Object facts{{"found", tuned.plan.has_value()}, {"tuned_by", tuned.said}};
    if (tuned.key) {
      facts["device"] = tuned.key->device;
      facts["dtype"] = tuned.key->dtype;
      facts["floor"] = tuned.key->floor;
      facts["lower"] = tuned.key->band.lower;
      facts["upper"] = tuned.key->band.upper;
      json::Array rows;
      for (const Row &row : tuned.own.rows)
        rows.push_back(json::Array(row.c));
      facts["own"] = std::move(rows);
    }
    answers.push_back(std::move(facts));
  }
  return llvm::formatv("{0}",
                       json::Value(json::Object{{"request", std::move(resolved)}, {"groups", std::move(answers)}}))
      .str();
}
