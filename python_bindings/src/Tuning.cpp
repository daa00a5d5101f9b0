//===- Tuning.cpp - the extension muonc._tuning: tables and the tuning database. No LLVM ------===//
//
// Separate from _compiler because a tuned answer has to come without loading LLVM. A table is a
// list of rows of coefficients, lowest degree first; a form is "standard" or "gram".
//
//===----------------------------------------------------------------------===//

#include "muon/Compiler/TuningDatabase.h"
#include "muon/Polynomial/ChooseForm.h"
#include "muon/Polynomial/SearchTables.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>

namespace nb = nanobind;
using namespace nb::literals;
using namespace muon;

using Rows = std::vector<std::vector<double>>;
using NamedRows = std::pair<std::string, Rows>;

static Table makeTable(const Rows &rows, const std::string &name = "custom") {
  Table table{name, {}};
  for (const std::vector<double> &row : rows)
    table.rows.push_back({row});
  std::string malformed = checkRows(table);
  if (!malformed.empty())
    throw nb::value_error(malformed.c_str());
  return table;
}

static NamedRows describeTable(const Table &table) {
  Rows rows;
  for (const Row &row : table.rows)
    rows.push_back(row.c);
  return {table.name, rows};
}

static OperandType operandType(const std::string &name) {
  if (name == "f32")
    return OperandType::f32;
  if (name == "bf16")
    return OperandType::bf16;
  if (name == "f16")
    return OperandType::f16;
  if (name == "tf32")
    return OperandType::tf32;
  if (name == "f16 sums")
    return OperandType::f16Sums;
  throw nb::value_error(("unknown operands '" + name + "', expected f32, bf16, f16, f16 sums or tf32").c_str());
}

static std::string printed(double value) { return nb::repr(nb::float_(value)).c_str(); }

static std::string listOf(const std::vector<int> &values) { return nb::repr(nb::cast(values)).c_str(); }

static FormChoice formChoice(const Table &table, const std::string &form, const std::vector<int> &restarts) {
  if (form != "standard" && form != "gram")
    throw nb::value_error(("unknown form '" + form + "', expected standard or gram").c_str());
  for (int previous = 0; int restart : restarts) {
    if (restart <= previous || restart >= table.steps())
      throw nb::value_error(("expected increasing restarts between 1 and " + std::to_string(table.steps() - 1) +
                             ", got " + listOf(restarts))
                                .c_str());
    previous = restart;
  }
  return {form == "gram" ? FormChoice::gram : FormChoice::standard, restarts};
}

static NamedRows publishedTable(const std::string &name, std::optional<int> steps) {
  TableOrError found = lookupTable(name, steps);
  if (!found)
    throw nb::value_error(found.error.c_str());
  return describeTable(*found.table);
}

static std::pair<double, double> bandOf(const Rows &rows, double floor, double ceiling) {
  Band band = computeBand(makeTable(rows), floor, ceiling);
  return {band.lower, band.upper};
}

static std::vector<NamedRows> search(double floor, double lower, double upper, double shortSide, double longSide,
                                     double flops, double safety, double cushion, int most) {
  TableSearch asked{floor, {lower, upper}, {safety, cushion}, shortSide, longSide, flops, most};
  std::vector<NamedRows> found;
  for (const Table &table : searchTables(asked))
    found.push_back(describeTable(table));
  return found;
}

static NamedRows scaled(const Rows &rows, double floor, double lower, double upper) {
  Table table = makeTable(rows);
  if (!scaleIntoBand(table, {lower, upper}, floor))
    return {"", {}};
  return describeTable(table);
}

static NamedRows minimax(double floor, const std::vector<int> &degrees, double safety, double cushion) {
  Table table = generateMinimax(floor, degrees, {safety, cushion});
  if (table.rows.empty())
    throw nb::value_error(("expected 0 < floor < 1 and odd degrees of 3 to 13, got floor " + printed(floor) +
                           " and degrees " + listOf(degrees))
                              .c_str());
  return describeTable(table);
}

static nb::dict emulated(const Rows &rows, const std::string &form, const std::vector<int> &restarts,
                         const std::string &operands, int shortSide, int longSide, std::optional<double> floor) {
  Table table = makeTable(rows);
  FormChoice choice = formChoice(table, form, restarts);
  if (shortSide < 1 || shortSide > longSide)
    throw nb::value_error(
        ("expected 1 <= short_side <= long_side, got " + std::to_string(shortSide) + " and " + std::to_string(longSide))
            .c_str());
  OperandType type = operandType(operands);
  EmulationError error;
  {
    nb::gil_scoped_release release;
    error = emulate(table, choice, type, shortSide, longSide, floor);
  }
  nb::dict figures;
  figures["error"] = error.worst;
  figures["spectrum"] = error.spectrum;
  figures["lower"] = error.singular.lower;
  figures["upper"] = error.singular.upper;
  return figures;
}

static std::optional<std::vector<int>> restartsOf(const Rows &rows, const std::string &operands, double bound) {
  Table table = makeTable(rows);
  OperandType type = operandType(operands);
  nb::gil_scoped_release release;
  return searchRestarts(table, type, bound);
}

/// A database's own trouble is an OSError with its line.
static void raise(const std::string &error) {
  if (error.empty())
    return;
  PyErr_SetString(PyExc_OSError, error.c_str());
  throw nb::python_error();
}

/// The fields of each record under their names in Python, once for both ways: `visit` gets a name and the field.
template <typename Key, typename Visit> static void visitPlace(Key &key, Visit visit) {
  visit("device", key.device), visit("dtype", key.dtype), visit("rows", key.rows), visit("columns", key.columns);
  visit("compiler", key.compiler);
}
template <typename Key, typename Visit> static void visitBand(Key &key, Visit visit) {
  visit("floor", key.floor), visit("lower", key.band.lower), visit("upper", key.band.upper);
}
template <typename Entry, typename Visit> static void visitAnswer(Entry &entry, Visit visit) {
  visit("asked", entry.asked), visit("plan", entry.plan), visit("facts", entry.facts), visit("text", entry.text);
  visit("made", entry.made), visit("seconds", entry.seconds), visit("modelled", entry.modelled);
}
template <typename Layer, typename Visit> static void visitLayer(Layer &layer, Visit visit) {
  visit("model", layer.model), visit("layer", layer.layer), visit("rows", layer.rows), visit("columns", layer.columns);
  visit("floor", layer.floor), visit("schatten4", layer.schatten4), visit("quantile", layer.quantile),
      visit("made", layer.made);
}

static auto readFrom(const nb::dict &from) {
  return [&from](const char *name, auto &field) {
    bool known = from.contains(name);
    if (known && nb::try_cast(from[name], field))
      return;
    std::string got = known ? nb::repr(from[name]).c_str() : "nothing";
    throw nb::value_error(
        ("field '" + std::string(name) + "': expected what muon-tune writes there, got " + got).c_str());
  };
}

static auto writeTo(nb::dict &to) {
  return [&to](const char *name, const auto &field) { to[name] = field; };
}

/// A key that is only looked up may lack its band and its norm.
static TuningKey keyOf(const nb::dict &from) {
  TuningKey key;
  visitPlace(key, readFrom(from));
  if (from.contains("floor"))
    visitBand(key, readFrom(from));
  if (from.contains("schatten4"))
    readFrom(from)("schatten4", key.schatten4);
  return key;
}

static TuningEntry entryOf(const nb::dict &from) {
  TuningEntry entry;
  entry.key = keyOf(from);
  visitAnswer(entry, readFrom(from));
  return entry;
}

static nb::dict describeEntry(const TuningEntry &entry) {
  nb::dict to;
  visitPlace(entry.key, writeTo(to));
  visitBand(entry.key, writeTo(to));
  to["schatten4"] = entry.key.schatten4;
  visitAnswer(entry, writeTo(to));
  return to;
}

static std::unique_ptr<TuningDatabase> openDatabase(const std::string &path, bool create) {
  std::string error;
  std::unique_ptr<TuningDatabase> database = TuningDatabase::open(path, create, error);
  raise(error);
  return database;
}

static std::optional<nb::dict> described(const std::optional<TuningEntry> &entry, const std::string &error) {
  raise(error);
  return entry ? std::optional(describeEntry(*entry)) : std::nullopt;
}

static TuningLayer layerOf(const nb::dict &from) {
  TuningLayer layer;
  visitLayer(layer, readFrom(from));
  return layer;
}

static nb::dict describeLayer(const TuningLayer &layer) {
  nb::dict to;
  visitLayer(layer, writeTo(to));
  return to;
}

static nb::list layersOf(TuningDatabase &database) {
  std::string error;
  nb::list all;
  for (const TuningLayer &layer : database.layers(error))
    all.append(describeLayer(layer));
  raise(error);
  return all;
}

static void bindDatabase(nb::module_ &m) {
  nb::class_<TuningDatabase>(m, "Database", "An open tuning database; entries are dicts.")
      .def("find",
           [](TuningDatabase &self, const nb::dict &key) {
             std::string error;
             std::optional<TuningEntry> entry = self.find(keyOf(key), error);
             return described(entry, error);
           })
      .def("find_asked",
           [](TuningDatabase &self, const nb::dict &key, const std::string &asked) {
             std::string error;
             std::optional<TuningEntry> entry = self.findAsked(keyOf(key), asked, error);
             return described(entry, error);
           })
      .def("record",
           [](TuningDatabase &self, const nb::dict &entry) {
             std::string error;
             self.record(entryOf(entry), error);
             raise(error);
           })
      .def("record_layer",
           [](TuningDatabase &self, const nb::dict &layer) {
             std::string error;
             self.recordLayer(layerOf(layer), error);
             raise(error);
           })
      .def("record_all",
           [](TuningDatabase &self, const std::vector<nb::dict> &entries, const std::vector<nb::dict> &layers) {
             std::vector<TuningEntry> allEntries;
             std::vector<TuningLayer> allLayers;
             std::transform(entries.begin(), entries.end(), std::back_inserter(allEntries), entryOf);
             std::transform(layers.begin(), layers.end(), std::back_inserter(allLayers), layerOf);
             std::string error;
             self.recordAll(allEntries, allLayers, error);
             raise(error);
           })
      .def("layers", &layersOf)
      .def("entries", [](TuningDatabase &self) {
        std::string error;
        nb::list all;
        for (const TuningEntry &entry : self.entries(error))
          all.append(describeEntry(entry));
        raise(error);
        return all;
      });
  m.def("open_database", &openDatabase, "path"_a, "create"_a = false,
        "OSError with one line for a file that is absent, damaged or not a tuning database.");
  m.def("database_path", &tuningDatabasePath);
  m.def("device", &tuningDevice, "target"_a);
  m.def("compiler", &tuningCompiler);
  m.def("layer_kind", &layerKind, "name"_a);
  m.def(
      "floor_under", [](const nb::dict &key, const std::string &norm) { return keyOf(key).floorUnder(norm); }, "key"_a,
      "norm"_a, "Where a table with this norm has to begin to serve a key's floor.");
}

NB_MODULE(_tuning, m) {
  nb::set_leak_warnings(false); // an optimizer that a hook of its own parameters holds lives as long as the process
  m.doc() = "Tables of the spectral map, their bands and rounding, and the tuning database.";
  m.def("published_table", &publishedTable, "name"_a, "steps"_a = nb::none(),
        "(name, rows) of a published table; ValueError names the known ones.");
  m.def("table_names", &tableNames);
  m.def("minimax", &minimax, "floor"_a, "degrees"_a, "safety"_a = 1.0, "cushion"_a = 0.0);
  m.def("search_tables", &search, "floor"_a, "lower"_a, "upper"_a, "short_side"_a, "long_side"_a, "flops"_a,
        "safety"_a = 1.0, "cushion"_a = 0.0, "most"_a = 32);
  m.def("scale_into_band", &scaled, "rows"_a, "floor"_a, "lower"_a, "upper"_a,
        "No rows where the image of [floor, 1] is too wide for the band.");
  m.def("compute_band", &bandOf, "rows"_a, "floor"_a, "ceiling"_a = 1.0);
  m.def(
      "check_domain",
      [](const Rows &rows, double ceiling, const std::string &name) {
        return checkDomain(makeTable(rows, name), ceiling);
      },
      "rows"_a, "ceiling"_a = 1.0, "name"_a = "custom");
  m.def(
      "check_band",
      [](const Rows &rows, double lower, double upper, double floor, const std::string &name) {
        return checkBand(makeTable(rows, name), {lower, upper}, floor);
      },
      "rows"_a, "lower"_a, "upper"_a, "floor"_a, "name"_a = "custom");
  m.def(
      "widen_band",
      [](double lower, double upper, const std::string &operands, int steps) {
        Band band = widenBand({lower, upper}, operandType(operands), steps);
        return std::pair(band.lower, band.upper);
      },
      "lower"_a, "upper"_a, "operands"_a, "steps"_a);
  m.def("emulate", &emulated, "rows"_a, "form"_a, "restarts"_a, "operands"_a, "short_side"_a = 64, "long_side"_a = 128,
        "floor"_a = nb::none(),
        "floor: smallest singular value that \"lower\" counts; by default served_floor(operands).");
  m.def("search_restarts", &restartsOf, "rows"_a, "operands"_a, "bound"_a);
  m.def(
      "count_products",
      [](const Rows &rows, const std::string &form, const std::vector<int> &restarts, const std::string &operands,
         double shortSide, double longSide) {
        FormProblem problem{makeTable(rows), operandType(operands), shortSide, longSide};
        return countProducts(problem.table, choosePairs(problem, formChoice(problem.table, form, restarts)), shortSide,
                             longSide);
      },
      "rows"_a, "form"_a, "restarts"_a, "operands"_a, "short_side"_a, "long_side"_a,
      "Flops, in the pairs that the compiler chooses.");
  m.def(
      "choose_form",
      [](const Rows &rows, const std::string &operands, double shortSide, double longSide) {
        FormProblem problem{makeTable(rows), operandType(operands), shortSide, longSide};
        FormChoice choice;
        {
          nb::gil_scoped_release release;
          choice = chooseForm(problem);
        }
        return std::pair(choice.form == FormChoice::gram ? "gram" : "standard", choice.restarts);
      },
      "rows"_a, "operands"_a, "short_side"_a, "long_side"_a, "(form, restarts) as the compiler chooses them.");
  m.def("served_floor", [](const std::string &operands) { return servedFloor(operandType(operands)); });
  bindDatabase(m);
}
