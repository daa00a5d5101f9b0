//===- RequestTest.cpp - What is wrong with a request is one line -----------------------------===//

#include "muon-c/Compiler.h"
#include "muon/Polynomial/Table.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <unistd.h>

namespace {

/// The compiler's line about a request, "" if it was taken. Nothing may be written.
std::string refusal(const std::string &request, const char *emit = "object") {
  std::string path = ::testing::TempDir() + "muon-refused-" + std::to_string(getpid()) + ".o";
  std::remove(path.c_str());
  bool failed = muon_compile(request.c_str(), emit, path.c_str()) != 0;
  FILE *written = std::fopen(path.c_str(), "rb");
  EXPECT_EQ(written != nullptr, !failed);
  if (written)
    std::fclose(written);
  std::remove(path.c_str());
  std::string line = muon_compiler_error();
  EXPECT_EQ(line.find('\n'), line.npos) << line;
  EXPECT_EQ(failed, !line.empty());
  return line;
}

/// A request of one group with these fields beside a shape and a parameter.
std::string group(const std::string &fields, const std::string &request = "") {
  return std::string(R"({"groups": [{"shape": [8, 4], "parameters": ["w"])") + (fields.empty() ? "" : ", ") + fields +
         "}]" + (request.empty() ? "" : ", ") + request + "}";
}

TEST(Request, TakenAsItIsDocumented) {
  EXPECT_EQ(refusal(group("")), "");
  EXPECT_EQ(refusal(group(R"("preset": "torch", "set": "matrices", "dtypes": {"weight": "bf16"},
    "options": {"nesterov": false, "momentum_form": "sum", "adjust_lr": "match_rms_adamw",
    "decay": "coupled", "table": [[3.4445, -4.775, 2.0315]], "steps": 5, "eps": 1e-7,
    "eps_form": "clamp", "safety": 1.01, "clip": 1, "stochastic_rounding": true})",
                          R"("name": "update", "target": "x86-64-v3,x86-64", "dtype": "f32",
    "form": "gram", "restarts": [3], "nonfinite": "propagate")")),
            "");
}

TEST(Request, AGroupsOwnFormAndOperandsAreTaken) {
  EXPECT_EQ(refusal(group(R"("options": {"norm": "schatten4", "operands": "f32", "form": "gram",
    "restarts": [2], "pairs": [3]})",
                          R"("dtype": "bf16", "form": "standard")")),
            "");
  EXPECT_EQ(refusal(group(R"("options": {"restarts": [2]})", R"("form": "standard")")),
            "restarts need form gram without damping, got preset 'keller' with form 'standard'");
}

TEST(Request, NotJson) {
  EXPECT_EQ(refusal("").find("expected a request as JSON text: "), 0u);
  EXPECT_EQ(refusal("{\"groups\": [").find("expected a request as JSON text: [1:12"), 0u);
  EXPECT_EQ(refusal("[]"), "expected object when parsing request, got []");
}

TEST(Request, GroupsAreNeeded) {
  EXPECT_EQ(refusal("{}"), "missing value at request.groups");
  EXPECT_EQ(refusal(R"({"groups": []})"), "request.groups: expected at least one group");
  EXPECT_EQ(refusal(R"({"groups": [{"parameters": ["w"]}]})"), "missing value at request.groups[0].shape");
  EXPECT_EQ(refusal(R"({"groups": [{"shape": [4, 4]}]})"), "missing value at request.groups[0].parameters");
  EXPECT_EQ(refusal(R"({"groups": [{"shape": [4, 4], "parameters": []}]})"),
            "a group of preset 'keller' has no parameters");
}

TEST(Request, AProgramInsteadOfGroups) {
  const std::string program =
      R"("program": "func.func @f(%w: tensor<4x4xf32> {muon.arg = \"weight\"}) -> tensor<4x4xf32> {\n  return %w : tensor<4x4xf32>\n}")";
  EXPECT_EQ(refusal("{" + program + "}"), "");
  EXPECT_EQ(refusal(group("", program)), "expected groups or a program, got both");
  EXPECT_EQ(refusal("{" + program + R"(, "dtype": "bf16"})"),
            "dtype, form, side, restarts, pairs and tuned are for presets: a program's ops have their own operands, "
            "form, side, restarts, pairs and table");
  EXPECT_EQ(refusal(R"({"program": "func.func @f() -> f32 {\n  return %x : f32\n}"})"),
            "line 2: use of undeclared SSA value name");
}

TEST(Request, UnknownFieldsNameTheKnownOnes) {
  EXPECT_EQ(refusal(group("", R"("targets": "cpu")")),
            "unknown field at request.targets, expected name, target, dtype, form, side, restarts, pairs, "
            "nonfinite, tile, parts, chain, embed_bitcode, tuned, groups, program");
  EXPECT_EQ(refusal(group(R"("lr": 1)")),
            "unknown field at request.groups[0].lr, expected shape, parameters, set, preset, "
            "dtypes, options, tuned, tuned_by, served");
  EXPECT_EQ(refusal(group(R"("dtypes": {"grad": "f32"})")),
            "unknown field at request.groups[0].dtypes.grad, expected weight, gradient, momentum");
  EXPECT_NE(refusal(group(R"("options": {"nesterow": true})"))
                .find("unknown field at request.groups[0].options.nesterow, expected matrices, nesterov, "),
            std::string::npos);
}

TEST(Request, WrongTypes) {
  EXPECT_EQ(refusal(group(R"("options": {"nesterov": 1})")),
            "expected boolean at request.groups[0].options.nesterov, got 1");
  EXPECT_EQ(refusal(group(R"("options": {"steps": "five"})")),
            "expected integer at request.groups[0].options.steps, got \"five\"");
  EXPECT_EQ(refusal(group("", R"("dtype": 16)")), "expected string at request.dtype, got 16");
  EXPECT_EQ(refusal(group(R"("tuned": {"layer": "w"})")),
            "expected model and layer together, or neither at request.groups[0].tuned, got {\"layer\":\"w\"}");
}

TEST(Request, UnknownValuesNameTheKnownOnes) {
  EXPECT_EQ(refusal(group(R"("preset": "moon")")),
            "unknown preset 'moon'; known: keller, torch, moonlight, polar_express, inverse_root, "
            "exact, rms, normuon, adamuon");
  EXPECT_EQ(refusal(group("", R"("dtype": "f8")")), "unknown dtype 'f8', expected auto, f32, bf16, f16 or tf32");
  EXPECT_EQ(refusal(group("", R"("form": "best")")), "unknown form 'best', expected auto, standard or gram");
  EXPECT_EQ(
      refusal(group("", R"("name": "a-b")")),
      "expected a C identifier as the program's name, without __, _ and a capital or muon_ in front, and no keyword, "
      "name of <stdint.h> or function of C's library, got 'a-b'");
  EXPECT_EQ(refusal(group(R"("dtypes": {"weight": "f64"})")), "unknown weight dtype 'f64'; known: f32, bf16");
  EXPECT_EQ(refusal(group(R"("options": {"momentum_form": "avg"})")), "unknown momentum form 'avg'; known: ema, sum");
  EXPECT_EQ(refusal(group(R"("options": {"decay": "l2"})")), "unknown decay 'l2'; known: none, decoupled, coupled");
  EXPECT_EQ(refusal(group(R"("options": {"eps_form": "max"})")), "unknown eps form 'max'; known: add, clamp");
  EXPECT_EQ(refusal(group(R"("options": {"adjust_lr": "rms"})")),
            "unknown adjust_lr 'rms'; known: original, match_rms_adamw, spectral, none");
  EXPECT_EQ(refusal(group("", R"("nonfinite": "ignore")")), "unknown nonfinite 'ignore', expected propagate or skip");
  EXPECT_EQ(refusal(group(""), "elf"), "unknown emission 'elf', expected object, library, header, "
                                       "asm, llvm, mlir, report, bitcode, ptx or cubin");
}

TEST(Request, TableOutsideItsDomain) {
  // 2x at the end of the interval: the next step diverges.
  EXPECT_EQ(refusal(group(R"("options": {"table": [[2, 0.5, 0.5]], "steps": 5})")),
            "table 'custom' diverges for sigma in [0.047129, 1]");
  EXPECT_EQ(refusal(group(R"("options": {"table": [[1, -3]], "steps": 1})")),
            "table 'custom' changes sign for sigma in [0.57735, 1]");
  EXPECT_EQ(refusal(group(R"("options": {"table": [[1]]})")),
            "table 'custom', row 1: expected 2 to 7 coefficients (odd degree 3 to 13), got 1");
  EXPECT_EQ(refusal(group(R"("options": {"table": []})")),
            "expected a table's name or at least one row at request.groups[0].options.table, got []");
  std::string names;
  for (const std::string &name : muon::tableNames())
    names += (names.empty() ? "" : " ") + name;
  EXPECT_EQ(refusal(group(R"("options": {"table": "none"})")), "unknown table 'none'; known tables: " + names);
  EXPECT_EQ(refusal(group(R"("options": {"table": [[1.5, -0.5], [1.5, -0.5]], "steps": 3})")),
            "table has 2 rows, but 3 steps were asked for; a table is never cycled or cut");
}

TEST(Request, NumbersOutOfRange) {
  EXPECT_EQ(refusal(group(R"("options": {"eps": -1})")), "expected eps >= 0, got -1");
  EXPECT_EQ(refusal(group(R"("options": {"clip": -1})")), "expected clip >= 0 (0 is off), got -1");
  EXPECT_EQ(refusal(group(R"("options": {"safety": 0.5})")), "expected finite safety >= 1, got 0.5");
  EXPECT_EQ(refusal(group(R"("preset": "inverse_root", "options": {"steps": 7})")),
            "preset 'inverse_root' takes 3 to 6 steps, got 7");
  EXPECT_EQ(refusal(group(R"("options": {"stochastic_rounding": true})")),
            "stochastic rounding needs weight dtype bf16, got 'f32'");
  EXPECT_EQ(refusal(R"({"groups": [{"shape": [0, 4], "parameters": ["w"]}]})"),
            "expected sizes of 1 or more, got shape [0, 4]");
  EXPECT_EQ(refusal(R"({"groups": [{"shape": [4], "parameters": ["w"]}]})"),
            "preset 'keller' needs a tensor of rank 2 or more, got shape [4]; vectors take preset "
            "'rms'");
  EXPECT_EQ(refusal(R"({"groups": [{"shape": [2, 4, 4], "preset": "rms", "parameters": ["w"]}]})"),
            "preset 'rms' takes vectors and matrices, got shape 2x4x4; a dense tensor can be bound "
            "as a vector");
}

TEST(Request, TextOfEveryTextEmission) {
  for (const char *emit : {"asm", "llvm", "mlir", "header", "report"}) {
    char *text = muon_compile_text(group("").c_str(), emit);
    ASSERT_NE(text, nullptr) << emit << ": " << muon_compiler_error();
    EXPECT_STREQ(muon_compiler_error(), "");
    EXPECT_GT(std::string(text).size(), 100u) << emit;
    muon_compiler_free(text);
  }
  EXPECT_EQ(muon_compile_text("{}", "asm"), nullptr);
  EXPECT_STRNE(muon_compiler_error(), "");
}

} // namespace
