//===- Program.cpp ----------------------------------------------------------------------------===//

#include "Program.h"

#include "Device.h"

#include "muon-c/Compiler.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <unistd.h>

namespace muon::execution {
namespace {

/// As a JSON string.
std::string quoted(const std::string &text) {
  std::string json = "\"";
  for (char c : text)
    json += c == '"' || c == '\\' ? std::string{'\\', c} : c == '\n' ? "\\n" : std::string{c};
  return json + '"';
}

/// The fields of one JSON object.
class Fields {
public:
  Fields() { text.precision(17); }
  void add(const char *name, const std::string &json) {
    text << (first ? "" : ", ") << '"' << name << "\": " << json;
    first = false;
  }
  void addText(const char *name, const std::optional<std::string> &value) {
    if (value)
      add(name, '"' + *value + '"');
  }
  template <typename T> void addNumber(const char *name, const std::optional<T> &value) {
    std::ostringstream number;
    number.precision(17);
    if (value)
      number << *value, add(name, number.str());
  }
  void addFlag(const char *name, const std::optional<bool> &value) {
    if (value)
      add(name, *value ? "true" : "false");
  }
  std::string object() const { return "{" + text.str() + "}"; }

private:
  std::ostringstream text;
  bool first = true;
};

std::string toJson(const std::vector<std::vector<double>> &rows) {
  std::ostringstream text;
  text.precision(17);
  for (size_t i = 0; i < rows.size(); ++i) {
    text << (i ? ", [" : "[[");
    for (size_t j = 0; j < rows[i].size(); ++j)
      text << (j ? ", " : "") << rows[i][j];
    text << "]";
  }
  return text.str() + "]";
}

std::string optionsOf(const Group &group) {
  Fields options;
  options.addFlag("nesterov", group.nesterov);
  options.addText("momentum_form", group.momentumForm);
  options.addText("adjust_lr", group.adjustLr);
  options.addText("decay", group.decay);
  options.addText("table", group.table);
  if (!group.rows.empty())
    options.add("table", toJson(group.rows));
  options.addNumber("steps", group.steps);
  options.addNumber("eps", group.eps);
  options.addText("eps_form", group.epsForm);
  options.addNumber("safety", group.safety);
  options.addNumber("damping", group.damping);
  options.addNumber("clip", group.clip);
  options.addNumber("early_stop", group.earlyStop);
  if (group.stochasticRounding)
    options.addFlag("stochastic_rounding", true);
  return options.object();
}

std::string toJson(const Group &group, int &serial) {
  Fields fields, dtypes;
  std::string shape, parameters;
  for (int64_t size : group.shape)
    shape += (shape.empty() ? "" : ", ") + std::to_string(size);
  for (int i = 0; i < group.parameters; ++i)
    parameters += (i ? ", \"p" : "\"p") + std::to_string(serial++) + '"';
  fields.add("shape", "[" + shape + "]");
  fields.add("parameters", "[" + parameters + "]");
  fields.addText("preset", group.preset);
  dtypes.addText("weight", group.weight);
  dtypes.addText("gradient", group.gradient);
  dtypes.addText("momentum", group.momentum);
  fields.add("dtypes", dtypes.object());
  fields.add("options", optionsOf(group));
  return fields.object();
}

} // namespace

std::string toJson(const Request &request) {
  Fields fields;
  std::string groups;
  int serial = 0;
  for (const Group &group : request.groups)
    groups += (groups.empty() ? "" : ", ") + toJson(group, serial);
  fields.addText("target", request.target);
  if (request.program.empty()) {
    fields.addText("dtype", request.dtype);
    fields.addText("form", request.form);
    fields.addText("side", request.side);
  } else {
    fields.add("program", quoted(request.program));
  }
  if (!request.restarts.empty())
    fields.add("restarts", request.restarts);
  if (!request.pairs.empty())
    fields.add("pairs", request.pairs);
  if (request.nonfinite != "propagate")
    fields.addText("nonfinite", request.nonfinite);
  if (request.parts)
    fields.add("parts", std::to_string(request.parts));
  if (request.chain != "auto")
    fields.addText("chain", request.chain);
  if (isGpu(request.target)) // what the emulator runs
    fields.add("embed_bitcode", "true");
  if (request.program.empty())
    fields.add("groups", "[" + groups + "]");
  return fields.object();
}

Program::Program(const Request &request) : request(request) {
  std::string place = ::testing::TempDir() + "muon-execution-XXXXXX";
  int file = mkstemp(place.data());
  if (file < 0) {
    ADD_FAILURE() << "no temporary file in " << ::testing::TempDir();
    return;
  }
  close(file);
  path = place;
  std::string json = toJson(request);
  EXPECT_EQ(muon_compile(json.c_str(), "library", path.c_str()), 0) << muon_compiler_error() << "\n" << json;
}

Program::~Program() { unlink(path.c_str()); }

muon_handle *Program::load(const muon_options &options, std::string *why) const {
  muon_handle *handle = nullptr;
  muon_status status = muon_load_library(path.c_str(), "step", &options, &handle);
  if (status == MUON_ERROR_TARGET && why)
    *why = muon_error_text();
  else
    EXPECT_EQ(status, MUON_OK) << muon_error_text();
  return handle;
}

std::string Program::whyNotHere() const {
  std::string why;
  muon_unload(load({}, &why));
  return why;
}

bool heavyTests() { return std::getenv("MUON_HEAVY_TESTS") != nullptr; }

} // namespace muon::execution
