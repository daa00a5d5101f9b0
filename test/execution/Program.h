//===- Program.h - A request, compiled ----------------------------------------------*- C++ -*-===//
#ifndef MUON_TEST_EXECUTION_PROGRAM_H
#define MUON_TEST_EXECUTION_PROGRAM_H

#include "muon_runtime.h"

#include <optional>
#include <string>
#include <vector>

namespace muon::execution {

/// Parameters of one step function, as the C API takes them. What is absent is the preset's own.
struct Group {
  std::vector<int64_t> shape;
  std::string preset = "keller";
  int parameters = 1;
  std::string weight = "f32", gradient = "f32", momentum = "f32";
  std::optional<bool> nesterov = {};
  std::optional<std::string> momentumForm = {}, adjustLr = {}, decay = {}, table = {};
  /// Of a table of one's own, instead of its name.
  std::vector<std::vector<double>> rows = {};
  std::optional<int> steps = {};
  std::optional<double> eps = {};
  std::optional<std::string> epsForm = {};
  std::optional<double> safety = {}, damping = {}, clip = {};
  bool stochasticRounding = false;
  std::optional<double> earlyStop = {};
};

struct Request {
  std::vector<Group> groups = {};
  std::string dtype = "f32", form = "auto", side = "auto", target = "cpu";
  /// As JSON, "[2, 4]"; empty: chosen.
  std::string restarts = "", pairs = "";
  std::string nonfinite = "propagate";
  /// GPU targets: of every product's k; 0: the model's choice.
  int parts = 0;
  /// On GPUs: auto, block or launches.
  std::string chain = "auto";
  /// Step functions in the muon dialect, instead of groups; each has one parameter.
  std::string program = "";
};

std::string toJson(const Request &request);

/// A compiled program, as a library in a temporary file that is gone once it is loaded.
class Program {
public:
  /// Fails the test, and leaves no program, if the request is refused.
  explicit Program(const Request &request);
  ~Program();
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  /// Loads it; null with the runtime's text in `why` if no variant, or not the one asked for, runs on this machine. All
  /// else that the runtime refuses fails the test.
  muon_handle *load(const muon_options &options, std::string *why = nullptr) const;

  /// "" if it can run on this machine, else why not.
  std::string whyNotHere() const;

  const std::string &library() const { return path; }

  const Request request;

private:
  std::string path;
};

/// Whether to run what takes minutes: MUON_HEAVY_TESTS is in the environment, where ./check --heavy puts it.
bool heavyTests();

} // namespace muon::execution

#endif // MUON_TEST_EXECUTION_PROGRAM_H
