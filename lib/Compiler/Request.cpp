//===- Request.cpp - a request from JSON text -------------------------------------------------===//

#include "Tuned.h"

#include "muon/Compiler/ParseJson.h"

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

static std::vector<StringRef> optionNames(bool plannedOnly = false) {
  std::vector<StringRef> names;
  StepOptions step;
  forEachOption(step, [&](StringRef name, auto &&, bool planned) {
    if (planned || !plannedOnly)
      names.push_back(name);
  });
  return names;
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

template <typename T> static bool readOption(const json::Value &value, T &option, json::Path path) {
  return fromJSON(value, option, path);
}

static bool readOption(const json::Value &value, std::optional<int> &steps, json::Path path) {
  std::optional<int64_t> number;
  if (!fromJSON(value, number, path))
    return false;
  if (number && !llvm::isInt<32>(*number)) { // which is all that it holds
    path.report("expected steps in 32 bits");
    return false;
  }
  steps = number;
  return true;
}

using TableOption = std::tuple<std::optional<std::string> &, std::vector<Row> &>;

/// A table is a published name, or rows of coefficients.
static bool readOption(const json::Value &value, TableOption table, json::Path path) {
  if (auto name = value.getAsString()) {
    std::get<0>(table) = name->str();
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
    std::get<1>(table).push_back(Row{std::move(row)});
  return true;
}

static bool readOptions(const json::Value &value, llvm::ArrayRef<StringRef> known, StepOptions &step, json::Path path) {
  const json::Object *given = value.getAsObject();
  if (!given)
    path.report("expected object");
  bool good = given && onlyKnown(value, known, path);
  forEachOption(step, [&](StringRef name, auto &&option, bool) {
    if (const json::Value *one = good ? given->get(name) : nullptr)
      good = readOption(*one, option, path.field(name));
  });
  return good;
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
  return !options || readOptions(*options, optionNames(), group.step, path.field("options"));
}

static bool fromJSON(const json::Value &value, Request &request, json::Path path) {
  json::ObjectMapper map(value, path);
  std::optional<std::string> targets;
  std::vector<StringRef> known{"name", "target", "dtype"};
  bool good = map;
  forEachOverride(request, [&](StringRef name, auto &override) {
    known.push_back(name);
    if (const json::Value *given = good ? value.getAsObject()->get(name) : nullptr)
      good = fromJSON(*given, override, path.field(name));
  });
  known.insert(known.end(), {"embed_bitcode", "tuned", "groups", "program"});
  if (!good || !onlyKnown(value, known, path) || !map.mapOptional("name", request.name) ||
      !map.map("target", targets) || !map.mapOptional("dtype", request.dtype) ||
      !map.mapOptional("embed_bitcode", request.embedBitcode) || !map.mapOptional("program", request.program) ||
      !(request.program.empty() ? map.map("groups", request.groups) : map.mapOptional("groups", request.groups)))
    return false;
  if (const json::Value *tuned = value.getAsObject()->get("tuned");
      tuned && !readTuned(*tuned, request.tuned, path.field("tuned")))
    return false;
  if (targets || !request.program.empty()) // which may have its own
    request.targets = targets ? splitTargets(*targets) : std::vector<std::string>();
  return true;
}
} // namespace muon

std::vector<std::string> muon::splitTargets(StringRef text) {
  llvm::SmallVector<StringRef> names;
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

std::vector<StringRef> muon::plannedOptions() { return optionNames(/*plannedOnly=*/true); }

template <typename T> static void reset(T &option) { option = T(); }
static void reset(TableOption table) { table = std::tuple<std::optional<std::string>, std::vector<Row>>(); }

llvm::Error muon::applyPlan(StringRef text, StepOptions &step) {
  llvm::Expected<json::Value> plan = parseJson(text);
  if (!plan)
    return llvm::createStringError("expected a plan as JSON text: " + llvm::toString(plan.takeError()));
  forEachOption(step, [](StringRef, auto &&option, bool planned) {
    if (planned)
      reset(option);
  });
  json::Path::Root root("plan");
  if (!readOptions(*plan, plannedOptions(), step, root))
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
  if (!readOptions(*options, optionNames(), step, root))
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
