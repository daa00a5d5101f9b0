//===- StepText.h - Programs of one's own, in the muon dialect ----------------------*- C++ -*-===//
#ifndef MUON_TEST_EXECUTION_STEPTEXT_H
#define MUON_TEST_EXECUTION_STEPTEXT_H

#include <cstdint>
#include <string>
#include <vector>

namespace muon::execution {

/// tensor<37x53xf32>
std::string tensorType(const std::vector<int64_t> &shape, const std::string &element = "f32");

/// `text` with every $NAME replaced.
using Replacements = std::vector<std::pair<std::string, std::string>>;
std::string replaced(std::string text, const Replacements &names);

/// NorMuon as test/IR/programs.mlir has it, for weights of this shape, with a second moment per row, or per column: of
/// the longer axis, as modded-nanogpt has it for tall matrices. In f32.
std::string normuonText(const std::string &name, const std::vector<int64_t> &shape, bool perColumn);

/// A box of a matrix.
struct Box {
  int64_t row, column, rows, columns;
};

/// Keller's step with a fused weight of this shape (batched or not): each of `parts`, which follow each other down or
/// across, is orthogonalised by itself. No parts: all of it as one.
std::string fusedText(const std::string &name, const std::vector<int64_t> &shape, const std::vector<Box> &parts,
                      const std::string &operands = "f32");
/// The same with experts above each other, weight [experts * rows, columns], seen as [experts, rows, columns].
std::string expertsText(const std::string &name, int64_t experts, int64_t rows, int64_t columns);

/// A step function of that name with the states that `results` (types) says; its body is `body`, with %w, %g, and the
/// states as %s0, %s1, ...
std::string stepText(const std::string &name, const std::vector<int64_t> &shape, const std::vector<std::string> &states,
                     const std::string &body);

} // namespace muon::execution

#endif // MUON_TEST_EXECUTION_STEPTEXT_H
