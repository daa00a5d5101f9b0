//===- Request.cpp - a request from JSON text -------------------------------------------------===//

#include "ParseJson.h"
#include "Tuned.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <utility>

using namespace muon;
namespace json = llvm::json;
using llvm::StringRef;

/// What json::Path cannot carry: the names an unknown field was compared with.
static thread_local std::string expectedFields;

/// Refuses fields that nothing would read: a misspelt option must not be ignored.
static bool onlyKnown(const json::Value &value, llvm::ArrayRef<StringRef> known, json::Path path) {
  const json::Object *object = value.getAsObject();
  if (!object)
    return true; // the mapper reports it
  for (const auto &field : *object)
    if (!llvm::is_contained(known, StringRef(field.first))) {
      expectedFields = ", expected " + llvm::join(known, ", ");
      path.field(field.first).report("unknown field");
      return false;
    }
  return true;
}

/// The value that a path like request.groups[0].options.eps leads to from the document's root; null where it leads
/// nowhere.
static const json::Value *valueAt(const json::Value &document, StringRef path) {
  const json::Value *value = &document;
  path = path.substr(path.find_first_of(".["));
  while (value && !path.empty()) {
    bool isIndex = path.consume_front("[");
    path.consume_front(".");
    size_t length = std::min(path.find_first_of(isIndex ? "]" : ".["), path.size());
    StringRef step = path.take_front(length);
    path = path.drop_front(length);
    size_t index = 0;
    if (const json::Array *array = value->getAsArray(); isIndex)
      value = array && path.consume_front("]") && !step.getAsInteger(10, index) && index < array->size()
                  ? &(*array)[index]
                  : nullptr;
    else
      value = value->getAsObject() ? value->getAsObject()->get(step) : nullptr;
  }
  return value;
}

/// What the path reports, and what it found there or the names it knows.
static llvm::Error refuse(const json::Path::Root &root, const json::Value &document) {
  std::string text = llvm::toString(root.getError()), fields = std::exchange(expectedFields, "");
  auto [expected, path] = StringRef(text).rsplit(" at ");
  const json::Value *found = fields.empty() && expected.starts_with("expected ") ? valueAt(document, path) : nullptr;
  std::string got = found ? llvm::formatv(", got {0}", *found).str() : "";
  constexpr size_t kLongest = 80;
  if (got.size() > kLongest)
    got.replace(kLongest, got.size(), "...");
  return llvm::createStringError(text + fields + got);
}

namespace muon {
static bool readDtypes(const json::Value &value, StepOptions &step, json::Path path) {
  json::ObjectMapper map(value, path);
  return onlyKnown(value, {"weight", "gradient", "momentum"}, path) && map && map.mapOptional("weight", step.weight) &&
         map.mapOptional("gradient", step.gradient) && map.mapOptional("momentum", step.momentum);
}

/// A table is a published name, or rows of coefficients.
static bool readTable(const json::Value &value, StepOptions &step, json::Path path) {
  if (auto name = value.getAsString()) {
    step.table = name->str();
    return true;
  }
  std::vector<std::vector<double>> rows;
  if (!fromJSON(value, rows, path))
    return false;
  if (rows.empty()) {
    path.report("expected a table's name or at least one row");
    return false;
  }
  for (std::vector<double> &row : rows)
    step.rows.push_back(Row{std::move(row)});
  return true;
}

static bool readOptions(const json::Value &value, StepOptions &step, json::Path path) {
  json::ObjectMapper map(value, path);
  if (!onlyKnown(value,
                 {"nesterov", "momentum_form", "adjust_lr", "decay", "table", "steps", "eps", "eps_form", "safety",
                  "damping", "clip", "stochastic_rounding", "norm", "operands", "form", "restarts", "pairs", "tile",
                  "early_stop"},
                 path) ||
      !map)
    return false;
  std::optional<int64_t> steps;
  if (!map.map("steps", steps))
    return false;
  if (steps && !llvm::isInt<32>(*steps)) { // which is all that step.steps holds
    path.field("steps").report("expected steps in 32 bits");
    return false;
  }
  step.steps = steps;
  const json::Value *table = value.getAsObject()->get("table");
  if (table && !readTable(*table, step, path.field("table")))
    return false;
  return map.mapOptional("clip", step.clip) && map.mapOptional("stochastic_rounding", step.stochasticRounding) &&
         map.map("nesterov", step.nesterov) && map.map("momentum_form", step.momentumForm) &&
         map.map("adjust_lr", step.adjustLr) && map.map("decay", step.decay) && map.map("eps", step.eps) &&
         map.map("eps_form", step.epsForm) && map.map("safety", step.safety) && map.map("damping", step.damping) &&
         map.map("norm", step.norm) && map.map("operands", step.operands) && map.map("form", step.form) &&
         map.map("restarts", step.restarts) && map.map("pairs", step.pairs) && map.mapOptional("tile", step.tile) &&
         map.map("early_stop", step.earlyStop);
}

/// true, false, or {"floor": 0.01, "band": [0.7, 1.3], "database": "file"}, or with "model" and "layer" in place of a
/// floor.
static bool readTuned(const json::Value &value, std::optional<TuningQuery> &tuned, json::Path path) {
  if (auto wanted = value.getAsBoolean()) {
    if (*wanted)
      tuned.emplace();
    return true;
  }
  json::ObjectMapper map(value, path);
  TuningQuery query;
  std::optional<std::vector<double>> band;
  if (!onlyKnown(value, {"floor", "band", "database", "model", "layer"}, path) || !map ||
      !map.map("floor", query.floor) || !map.map("band", band) || !map.mapOptional("database", query.database) ||
      !map.mapOptional("model", query.model) || !map.mapOptional("layer", query.layer))
    return false;
  if (band && band->size() != 2) {
    path.field("band").report("expected two numbers");
    return false;
  }
  if (band)
    query.band = Band{band->front(), band->back()};
  if (query.model.empty() != query.layer.empty()) {
    path.report("expected model and layer together, or neither");
    return false;
  }
  tuned = query;
  return true;
}

/// What resolveTuned writes: [floor, lower, upper].
static bool readServed(json::ObjectMapper &map, GroupRequest &group, json::Path path) {
  std::optional<std::vector<double>> served;
  if (!map.map("served", served))
    return false;
  if (!served)
    return true;
  const std::vector<double> &numbers = *served;
  bool known = numbers.size() == 3 && numbers[0] > 0 && numbers[0] < 1 && numbers[1] > 0 && numbers[1] < numbers[2] &&
               numbers[2] < 2;
  if (!known) {
    path.field("served").report("expected a floor below 1 and a band 0 < lower < upper < 2");
    return false;
  }
  group.served = ServedBand{numbers[0], {numbers[1], numbers[2]}};
  return true;
}

static bool fromJSON(const json::Value &value, GroupRequest &group, json::Path path) {
  json::ObjectMapper map(value, path);
  if (!onlyKnown(value, {"shape", "parameters", "set", "preset", "dtypes", "options", "tuned", "tuned_by", "served"},
                 path) ||
      !map || !map.map("shape", group.step.shape) || !map.map("parameters", group.parameters) ||
      !map.mapOptional("set", group.set) || !map.mapOptional("preset", group.step.preset) ||
      !map.mapOptional("tuned_by", group.tunedBy) || !readServed(map, group, path))
    return false;
  const json::Object &object = *value.getAsObject();
  if (const json::Value *tuned = object.get("tuned"); tuned && !readTuned(*tuned, group.tuned, path.field("tuned")))
    return false;
  if (const json::Value *dtypes = object.get("dtypes");
      dtypes && !readDtypes(*dtypes, group.step, path.field("dtypes")))
    return false;
  const json::Value *options = object.get("options");
  return !options || readOptions(*options, group.step, path.field("options"));
}

static bool fromJSON(const json::Value &value, Request &request, json::Path path) {
  json::ObjectMapper map(value, path);
  std::string targets = "cpu";
  if (!onlyKnown(value,
                 {"name", "target", "dtype", "form", "restarts", "pairs", "nonfinite", "embed_bitcode", "tile", "parts",
                  "chain", "tuned", "groups", "program"},
                 path) ||
      !map || !map.mapOptional("name", request.name) || !map.mapOptional("target", targets) ||
      !map.mapOptional("dtype", request.dtype) || !map.mapOptional("form", request.form) ||
      !map.map("restarts", request.restarts) || !map.map("pairs", request.pairs) ||
      !map.mapOptional("nonfinite", request.nonfinite) || !map.mapOptional("embed_bitcode", request.embedBitcode) ||
      !map.mapOptional("tile", request.tile) || !map.mapOptional("parts", request.parts) ||
      !map.mapOptional("chain", request.chain) || !map.mapOptional("program", request.program) ||
      !(request.program.empty() ? map.map("groups", request.groups) : map.mapOptional("groups", request.groups)))
    return false;
  if (const json::Value *tuned = value.getAsObject()->get("tuned");
      tuned && !readTuned(*tuned, request.tuned, path.field("tuned")))
    return false;
  request.targets = splitTargets(targets);
  return true;
}
} // namespace muon

std::vector<std::string> muon::splitTargets(StringRef text) {
  llvm::SmallVector<StringRef> names;
  if (!text.empty())
    text.split(names, ',');
  return {names.begin(), names.end()};
}

llvm::Expected<Request> muon::parseRequest(StringRef text) {
  llvm::Expected<json::Value> value = parseJson(text);
  if (!value)
    return llvm::createStringError("expected a request as JSON text: " + llvm::toString(value.takeError()));
  json::Path::Root root("request");
  Request request;
  if (!fromJSON(*value, request, root))
    return refuse(root, *value);
  if (request.groups.empty() && request.program.empty())
    return llvm::createStringError("request.groups: expected at least one group");
  return request;
}

llvm::Error muon::applyPlan(StringRef text, StepOptions &step) {
  llvm::Expected<json::Value> plan = parseJson(text);
  if (!plan)
    return llvm::createStringError("expected a plan as JSON text: " + llvm::toString(plan.takeError()));
  step.table.reset();
  step.rows.clear();
  step.steps.reset();
  step.safety.reset();
  step.norm.reset();
  step.operands.reset();
  step.form.reset();
  step.restarts.reset();
  step.pairs.reset();
  step.tile.clear();
  json::Path::Root root("plan");
  if (!onlyKnown(*plan, kPlanOptions, root) || !readOptions(*plan, step, root))
    return refuse(root, *plan);
  if (step.rows.empty())
    return llvm::createStringError("expected a plan with the rows of a table");
  return llvm::Error::success();
}

llvm::Error muon::readStepOptions(StringRef text, StepOptions &step) {
  llvm::Expected<json::Value> options = parseJson(text);
  if (!options)
    return llvm::createStringError("expected options as JSON text: " + llvm::toString(options.takeError()));
  json::Path::Root root("options");
  if (!readOptions(*options, step, root))
    return refuse(root, *options);
  return llvm::Error::success();
}

llvm::Expected<Emit> muon::parseEmit(StringRef name) {
  static constexpr std::pair<StringRef, Emit> kKinds[] = {
      {"object", Emit::object}, {"library", Emit::library}, {"header", Emit::header}, {"asm", Emit::assembly},
      {"llvm", Emit::llvm},     {"mlir", Emit::mlir},       {"report", Emit::report}, {"bitcode", Emit::bitcode},
      {"ptx", Emit::ptx},       {"cubin", Emit::cubin}};
  for (auto [known, kind] : kKinds)
    if (name == known)
      return kind;
  return llvm::createStringError("unknown emission '" + name +
                                 "', expected object, library, header, asm, llvm, mlir, report, bitcode, ptx or cubin");
}
