//===- ChooseForm.h - Standard or gram, and where R is rebuilt ----------------------*- C++ -*-===//
//
// The compiler's choice for one table, operand type and shape, and what it is made by. Numbers only:
// the pass muon-choose-form and the tuner's model ask here.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_CHOOSE_FORM_H
#define MUON_POLYNOMIAL_CHOOSE_FORM_H

#include "muon/Polynomial/Emulate.h"

namespace muon {

struct FormWeights {
  /// Largest relative error of an f32 gram form over the spectrum zoo.
  double gramBound = 2e-4;
  /// The same of a standard form in pairs, where it is not as accurate as row by row.
  double pairedBound = 2e-5;
  /// Flops that take as long as one byte read or written.
  double flopsPerByte = 8;
};

/// What is known before the choice.
struct FormProblem {
  Table table;
  OperandType type = OperandType::f32;
  /// Of R, and the other one; R is on the longer side only where that was asked for.
  double shortSide = 1, longSide = 1;
  /// Whether f32 products add k in the order of sumOrder, as a processor's do.
  bool sumsInRuns = false;
  /// Whether the Gram matrix before every row is needed (early stop): no pairs.
  bool needsEveryGram = false;
  /// Whether X has no singular value above 1, as triples need.
  bool isNormalised = true;
  /// What was asked for instead of choosePairs, and of a search.
  std::optional<std::vector<int>> pairs = std::nullopt, restarts = std::nullopt;
};

/// Whether emulation finds the standard form with f16 sums no less accurate than that of bf16, which is what
/// torch.optim.Muon computes: by the worst spectrum of the zoo.
bool f16SumsSuffice(const Table &table);

/// Bytes that the products of one matrix read and write, operands and f32 or narrowed results.
double countBytes(const FormProblem &problem, const FormChoice &choice);

/// Flops of the products plus flopsPerByte times their bytes.
double costOf(const FormProblem &problem, const FormChoice &choice, FormWeights weights = {});

/// The largest error over the spectrum zoo that emulation finds (emulate): on small matrices, or on large ones where
/// the choice rests on these (emulateOneShot).
double expectedError(const FormProblem &problem, const FormChoice &choice, FormWeights weights = {});

/// `choice` with its pairs. In the standard form every two quintics from the first on are a pair. In the gram form the
/// last two rows of a block are: after an earlier pair the rounding of its polynomial would stand in R, and the rows to
/// come would lift it (docs/numerics.md). Three rows are a triple instead where TripledRows.h knows them, on the same
/// condition. There are no pairs where they cost more, or where operands are not f32. Nor are there where emulation
/// finds the error above the bound and above 1.1 times the error without pairs; pairs may be accepted where triples are
/// not.
FormChoice choosePairs(const FormProblem &problem, FormChoice choice, FormWeights weights = {});

/// The cheapest gram form that keeps the bound (acceptedRestarts, and emulateOneShot for large matrices whose sums are
/// in runs); where there is none, a restart before every row: as accurate as the standard form, and as costly.
FormChoice chooseRestarts(const FormProblem &problem, FormWeights weights = {});

/// The cheaper of the standard form and of the cheapest gram form that keeps the bound; standard where there is none.
FormChoice chooseForm(const FormProblem &problem, FormWeights weights = {});

} // namespace muon

#endif // MUON_POLYNOMIAL_CHOOSE_FORM_H
