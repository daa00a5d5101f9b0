//===- StepText.cpp ---------------------------------------------------------------------------===//

#include "StepText.h"

#include <algorithm>

namespace muon::execution {

std::string tensorType(const std::vector<int64_t> &shape, const std::string &element) {
  std::string type = "tensor<";
  for (int64_t size : shape)
    type += std::to_string(size) + "x";
  return type + element + ">";
}

std::string replaced(std::string text, const Replacements &names) {
  for (const auto &[name, value] : names)
    for (size_t at = 0; (at = text.find("$" + name, at)) != text.npos; at += value.size())
      text.replace(at, name.size() + 1, value);
  return text;
}

std::string normuonText(const std::string &name, const std::vector<int64_t> &shape, bool perColumn) {
  size_t rank = shape.size(), kept = perColumn ? rank - 1 : rank - 2, summed = perColumn ? rank - 2 : rank - 1;
  std::vector<int64_t> batch(shape.begin(), shape.end() - 2), vector = batch;
  vector.push_back(shape[kept]);
  return replaced(R"(
func.func @$NAME(%w: $W {muon.arg = "weight"}, %g: $W {muon.arg = "gradient"},
                 %m: $W {muon.arg = "state", muon.name = "momentum"},
                 %v: $V {muon.arg = "state", muon.name = "second_moment"},
                 %lr: f64 {muon.name = "lr"}, %wd: f64 {muon.name = "wd"},
                 %mu: f64 {muon.name = "mu"}, %beta2: f64 {muon.name = "beta2"}) -> ($W, $W, $V) {
  %z1 = arith.constant dense<0.0> : $V
  %z0 = arith.constant dense<0.0> : $S
  %eps = arith.constant dense<1.0e-10> : $V
  %count = arith.constant dense<$COUNT.0> : $V
  %e = tensor.empty() : $W
  %one = arith.constant 1.0 : f64
  %ob2 = arith.subf %one, %beta2 : f64
  %obf = arith.truncf %ob2 : f64 to f32
  %ob = tensor.splat %obf : $V
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : $W, $W -> $W, $W
  %o = muon.orthogonalize %x table<"jordan", 5> operands f32 eps 1.0e-7 : $W -> $W
  %o2 = arith.mulf %o, %o : $W
  %q = linalg.reduce { arith.addf } ins(%o2 : $W) outs(%z1 : $V) dimensions = [$SUMMED]
  %mean = arith.divf %q, %count : $V
  %dv = arith.subf %mean, %v : $V
  %v1 = math.fma %ob, %dv, %v : $V
  %sd = math.sqrt %v1 : $V
  %d = arith.addf %sd, %eps : $V
  %d2 = arith.mulf %d, %d : $V
  %qd = arith.divf %q, %d2 : $V
  %s0 = linalg.reduce { arith.addf } ins(%q : $V) outs(%z0 : $S) dimensions = [$LAST]
  %s1 = linalg.reduce { arith.addf } ins(%qd : $V) outs(%z0 : $S) dimensions = [$LAST]
  %r2 = arith.divf %s0, %s1 : $S
  %k = math.sqrt %r2 : $S
  %db = linalg.broadcast ins(%d : $V) outs(%e : $W) dimensions = [$SUMMED]
  %kb = linalg.broadcast ins(%k : $S) outs(%e : $W) dimensions = [$LAST, $INNER]
  %n = arith.divf %o, %db : $W
  %u = arith.mulf %n, %kb : $W
  %w1 = muon.update %w, %u, %lr, %wd decay decoupled scale 1.0 : $W, $W -> $W
  return %w1, %m1, %v1 : $W, $W, $V
}
)",
                  {{"NAME", name},
                   {"W", tensorType(shape)},
                   {"V", tensorType(vector)},
                   {"SUMMED", std::to_string(summed)},
                   {"S", tensorType(batch)},
                   {"COUNT", std::to_string(shape[summed])},
                   {"LAST", std::to_string(rank - 2)},
                   {"INNER", std::to_string(rank - 1)}});
}

/// Momentum, what `directions` makes of %x (as %o), and the update.
static std::string kellerText(const std::string &name, const std::vector<int64_t> &shape,
                              const std::string &directions) {
  return replaced(R"(
func.func @$NAME(%w: $W {muon.arg = "weight"}, %g: $W {muon.arg = "gradient"},
                 %m: $W {muon.arg = "state", muon.name = "momentum"}, %lr: f64 {muon.name = "lr"},
                 %wd: f64 {muon.name = "wd"}, %mu: f64 {muon.name = "mu"}) -> ($W, $W) {
  %x, %m1 = muon.momentum ema %g, %m, %mu nesterov : $W, $W -> $W, $W
$DIRECTIONS
  %w1 = muon.update %w, %o, %lr, %wd decay decoupled scale 1.0 : $W, $W -> $W
  return %w1, %m1 : $W, $W
}
)",
                  {{"NAME", name}, {"DIRECTIONS", directions}, {"W", tensorType(shape)}});
}

static std::string orthogonalized(const std::string &result, const std::string &of, const std::string &type,
                                  const std::string &operands) {
  return replaced("  %$O = muon.orthogonalize %$X table<\"jordan\", 5> operands $F eps 1.0e-7 : $T -> $T\n",
                  {{"O", result}, {"X", of}, {"F", operands}, {"T", type}});
}

std::string fusedText(const std::string &name, const std::vector<int64_t> &shape, const std::vector<Box> &parts,
                      const std::string &operands) {
  if (parts.empty())
    return kellerText(name, shape, orthogonalized("o", "x", "$W", operands));
  bool batched = shape.size() > 2;
  std::string text, inputs, types;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Box &part = parts[i];
    std::string number = std::to_string(i);
    std::vector<int64_t> own(shape.begin(), shape.end() - 2);
    own.insert(own.end(), {part.rows, part.columns});
    std::string lead = batched ? "0, " : "", leadSize = batched ? std::to_string(shape[0]) + ", " : "",
                leadOne = batched ? "1, " : "";
    text += replaced("  %p$I = tensor.extract_slice %x[$A$R, $C] [$B$H, $K] [$E1, 1] : $W to $T\n",
                     {{"I", number},
                      {"A", lead},
                      {"B", leadSize},
                      {"E", leadOne},
                      {"R", std::to_string(part.row)},
                      {"C", std::to_string(part.column)},
                      {"H", std::to_string(part.rows)},
                      {"K", std::to_string(part.columns)},
                      {"T", tensorType(own)}});
    text += orthogonalized("o" + number, "p" + number, tensorType(own), operands);
    inputs += (i ? ", %o" : "%o") + number;
    types += (i ? ", " : "") + tensorType(own);
  }
  bool down = parts.size() > 1 && parts[1].row > 0;
  text += "  %o = tensor.concat dim(" + std::to_string(shape.size() - (down ? 2 : 1)) + ") " + inputs + " : (" + types +
          ") -> $W\n";
  return kellerText(name, shape, text);
}

std::string expertsText(const std::string &name, int64_t experts, int64_t rows, int64_t columns) {
  std::string type = tensorType({experts, rows, columns});
  return kellerText(
      name, {experts * rows, columns},
      replaced(
          R"(  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [$E, $M, $N] : $W into $T
)",
          {{"E", std::to_string(experts)}, {"M", std::to_string(rows)}, {"N", std::to_string(columns)}, {"T", type}}) +
          orthogonalized("oe", "e", type, "f32") + "  %o = tensor.collapse_shape %oe [[0, 1], [2]] : " + type +
          " into $W\n");
}

std::string stepText(const std::string &name, const std::vector<int64_t> &shape, const std::vector<std::string> &states,
                     const std::string &body) {
  std::string arguments, results = tensorType(shape);
  for (size_t i = 0; i < states.size(); ++i) {
    std::string number = std::to_string(i);
    arguments += ", %s" + number + ": " + states[i] + " {muon.arg = \"state\", muon.name = \"s" + number + "\"}";
    results += ", " + states[i];
  }
  return replaced(
      R"(
func.func @$NAME(%w: $W {muon.arg = "weight"}, %g: $W {muon.arg = "gradient"}$ARGUMENTS) -> ($RESULTS) {
$BODY
}
)",
      {{"NAME", name}, {"BODY", body}, {"ARGUMENTS", arguments}, {"RESULTS", results}, {"W", tensorType(shape)}});
}

} // namespace muon::execution
