//===- Emulate.h - What rounding makes of a table -----------------------------------*- C++ -*-===//
//
// A band says what a table does in exact arithmetic. What it does with bf16 operands, or
// when the iteration runs on the Gram matrix, depends on the table in ways no closed form
// predicts (docs/numerics.md), so the recurrence the compiler emits is run here on small
// matrices of known spectrum and compared with float64.
//
// The recurrence, k = short side, operands narrowed to the operand type wherever a matrix is
// stored, products accumulated in f32, coefficients applied in f32 before narrowing:
//   X   <- G / |G|_F in f32, narrowed
//   P(R) = p(X) without its first coefficient, by Paterson-Stockmeyer:
//          degree 3     c1 R
//          degree 5     c1 R + c2 RR
//          degree 7, 9  c1 R + c2 R2 + R2 (c3 R + c4 R2)
//          degree 11,13 c1 R + c2 R2 + c3 R3 + R3 (c4 R + c5 R2 + c6 R3)
//   standard:  R = X X^T,  X <- a X + P X           (the last X stays f32)
//   centred:   the standard form, degrees 7 and 9 with u the largest sigma the rows before leave, T1 = 2/u^2 R - I:
//              T2 = 2 T1 T1 - I,  P = g2 T2 + (g1 - g3) T1 + T2 (2 g3 T1 + 2 g4 T2),  a = g0 - g4
//              Powers of an R that reaches 4 have coefficients whose terms reach 150 and cancel: that rounding, not the
//              degree, is what makes tables of degree 9 five times less accurate than quintics in f32.
//   paired:    two quintic rows as one step of either form: P(R) = h(R) - a I with a the product of their first
//              coefficients (PairedRows.h), or three (TripledRows.h). The standard form too takes Z = a/2 I + P(R)
//              then, X <- a/2 X + Z X: h reaches from 0 to a.
//   gram:      R = X X^T once, then per step, Z = a/2 I + P(R) narrowed, and
//              Q <- a/2 Q + Z Q              (first step of a block: Q = a/2 I + Z, kept apart)
//              S = a/2 R + Z R,  R <- a/2 S + Z S        (not after the last step of a block)
//              X <- Q X at the end of a block; a restart begins a new block.
// Half of a I is narrowed with P(R), half stays in the epilogue: P(R) reaches from 0 to almost -a
// where sigma is 1, so Z lies in +-a/2 and has half the rounding error of P(R); and from a block's
// second step on Q holds its identity part, which otherwise grows to a^s and cancels. Restarted at
// 2 and 3, Keller in bf16 is then as close to float64 as the standard form on every spectrum of the
// zoo (test SearchRestarts); with a I kept apart it was farther on well-conditioned ones.
// f32 operands: nothing is narrowed. Processors sum products of f16 in f16 (f16Sums, f16Run). No fused multiply-add is
// used and the order of every sum is fixed, so the figures, and what is decided from them, are the same on every
// machine.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_EMULATE_H
#define MUON_POLYNOMIAL_EMULATE_H

#include "muon/Polynomial/Band.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace muon {

/// f16Sums: f16 operands of a processor, whose sums are f16 for a run (f16Run). f16: of a GPU, whose sums are f32.
enum class OperandType { f32, bf16, f16, tf32, f16Sums };

/// How one orthogonalisation is evaluated. `restarts`, ascending, each in 1..T-1: R is rebuilt
/// from X once that many steps are done ({3} with T = 5 is "3+2"). Empty for the standard form.
struct FormChoice {
  enum Form { standard, gram };
  Form form = standard;
  std::vector<int> restarts;
  /// Standard form only: rows of degree 7 and 9 are evaluated in Chebyshev polynomials of R (chebyshevCoefficients).
  bool centred = false;
  /// Ascending rows, each evaluated as one with the row after it, which is no restart: {0, 2} are two pairs
  /// (PairedRows.h), {0, 1} is a triple (TripledRows.h).
  std::vector<int> pairs = {};

  /// How many rows the step that begins with `row` takes: 2 for a pair, 3 for a triple.
  int rowsAt(int row) const {
    int rows = 1;
    while (std::find(pairs.begin(), pairs.end(), row + rows - 1) != pairs.end())
      ++rows;
    return rows;
  }
  bool isRestart(int row) const { return std::find(restarts.begin(), restarts.end(), row) != restarts.end(); }
  /// Whether X is formed before `row`, 1..steps, or after the last one: R of the next row is then X's own.
  bool endsBlock(int row, int steps) const { return form == standard || row == steps || isRestart(row); }
  bool operator==(const FormChoice &) const = default;
};

/// Outcome over the spectrum zoo: linear, logarithmic to 1e-2, 1e-4 and 1e-9, low rank plus noise,
/// gamma, power law, heavy tail, near rank one, Gauss.
struct EmulationError {
  /// Largest |O - p(X)|_F / |p(X)|_F against float64; infinity if anything became non-finite.
  double worst;
  /// The spectrum that gave it.
  std::string spectrum;
  /// Extreme singular values of O over the zoo. `lower` counts, per spectrum, only as many (the
  /// largest) singular values as the input has above the floor that was emulated for: smaller ones
  /// are not promised.
  Band singular;
  /// The error on every spectrum, in the order of `spectrumNames()`.
  std::vector<double> errors;
};

/// Emulates `table` on shortSide x longSide matrices, 1 <= shortSide <= longSide. Results are kept
/// per process; thread safe. Default size of the compiler: emulationShortSide x emulationLongSide.
/// floor: smallest normalised singular value served, in (0, 1); by default servedFloor(type).
EmulationError emulate(const Table &table, FormChoice choice, OperandType type, int shortSide, int longSide,
                       std::optional<double> floor = std::nullopt);

inline constexpr int emulationShortSide = 64, emulationLongSide = 128;

/// How a product adds up its terms: `part` of them from zero, the parts of a run of `run` terms to each other, runs to
/// those before. In f32, or as f16Run says.
struct SumOrder {
  int part, run;
  bool inF16 = false;
};

/// A processor's sums. A long sum rounds each of k terms of one sign at the size of the whole, about sqrt(k) units of
/// its last place; runs of r round sqrt(k) r/k and sqrt(k/r) of them. Symmetric products of less than narrowSide rows
/// add a run up in parts: a gram form of such a matrix has fewer directions to spread its roundings over.
inline constexpr int sumRun = 64, narrowPart = 16, narrowSide = 256;
constexpr SumOrder sumOrder(int rows) { return {rows < narrowSide ? narrowPart : sumRun, sumRun}; }

/// Products with f16 sums. A word of two terms adjacent along k adds to two f16 sums, the even terms' and the odd
/// terms'; after f16Run words these are added to each other and, in f32, to what is there. A run's rounding grows with
/// sqrt(f16Run): at 64 it is as large as what bf16 loses in its operands where the terms have both signs. Operands are
/// stored as f16Scale times their value, an exact factor that sums lose again: products of a large matrix's elements
/// would be below f16's range otherwise. What leaves 2^16 / f16Scale as an operand, or 2^16 / f16Scale^2 as a sum, is
/// infinite.
inline constexpr int f16Run = 32;
inline constexpr float f16Scale = 16;

/// The largest error over the zoo of the gram form without restarts, for f32 matrices too large to emulate whole zoos
/// of. Sums are in the order of sumOrder.
///  - A spectrum is emulated on a matrix of emulationShortSide x emulationLongSide first.
///  - One that misses `bound` there is emulated again on a large matrix. Its short side is narrowSide where `shortSide`
///    is at least that, else oneShotShortSide; its long side is oneShotAspect times as long.
///  - The emulation ends at the first spectrum that misses `bound` on both.
/// The error falls with the size, because the rounding of R's small singular values spreads over as many directions as
/// R has. The figure so holds for larger matrices of the same order of sums, up to oneShotAspect times as long as wide.
/// It is a statement about the zoo: a heavy tail drawn anew can lie a tenth above it (docs/numerics.md).
/// Results are kept per process; thread safe. shortSide: at least oneShotShortSide.
double emulateOneShot(const Table &table, double bound, int shortSide, const std::vector<int> &pairs = {});

inline constexpr int oneShotShortSide = 128, oneShotAspect = 4;

/// Names of the zoo, in order.
std::vector<std::string> spectrumNames();

/// Smallest normalised singular value the operand type carries: 1e-3 (f32), 1e-2 (the others).
constexpr double servedFloor(OperandType type) { return type == OperandType::f32 ? 1e-3 : 1e-2; }

/// The rounding term: [lower (1 - w), upper (1 + w)], w = c 2^-p sqrt(T), p the significand bits of
/// the operand type (24; 8; 11 for the others), c = 5: the smallest whole number that holds, at both ends and for
/// all three types, for every published table that is sound up to sigma = 1.003 (test
/// RoundingTerm).
Band widenBand(Band band, OperandType type, int steps);

/// The cheapest restart set for the gram form: fewest restarts, among equals the smallest error.
///  - f32: largest error over the zoo within `bound`;
///  - 16 bits: on no spectrum above the error of the plain standard sequence at the same precision, or for f16Sums of
///    bf16 (10 % is taken as equal: the sample is small), or `bound`, whichever is larger; and no singular value above
///    the table's widened band, or above what the standard sequence gives where that leaves the band.
/// Of each count the six sets that `conditionMetric` likes best are emulated (with five steps:
/// all); beyond ten steps only evenly spaced ones. Kept per process; thread safe. Empty optional if
/// the standard form itself (equal to T-1 restarts) misses the bound or diverges.
std::optional<std::vector<int>> searchRestarts(const Table &table, OperandType type, double bound,
                                               int shortSide = emulationShortSide, int longSide = emulationLongSide);

/// The published restart metric (Gram Newton-Schulz, restart_autotune.py): 10^4 scalars from 1 to
/// 1e-10, R perturbed by -4e-4 whenever it is formed; the worst condition number max|Q|/min|Q| over
/// the blocks. Its authors reject 1e8 and above. A prefilter only: it knows neither the operand
/// type nor the spectrum (Keller: 74 at {2}, 62 at {3}; emulation: 2+3 leaves the band, 3+2 does
/// not). Infinity if anything became non-finite.
double conditionMetric(const Table &table, const std::vector<int> &restarts);

/// Flops of one orthogonalisation in this form: a full n x n x n product is 2 n^3, one with a
/// symmetric result n^3 (half the tiles). Side lengths as doubles because results exceed integers.
///  standard: sum over steps of (3 alpha + e) n^3, alpha = long/short;
///  gram, per block: 3 alpha + sum e + (s - 1) + 2 (s - 1), s its steps;
///  e = products for P(R): 0 (degree 3), 1 (5), 2 (7, 9), 3 (11, 13); a pair is one step with e = 4, a triple with 6.
double countProducts(const Table &table, FormChoice choice, double shortSide, double longSide);

/// The row as x sum_i g[i] T_i(2 x^2/ceiling^2 - 1): on [0, ceiling] no term is larger than its g.
std::vector<double> chebyshevCoefficients(const Row &row, double ceiling);

/// The degrees that the centred standard form writes in them.
inline bool isCentred(const Row &row) { return row.degree() == 7 || row.degree() == 9; }

/// e above: symmetric products that P(R) of `count` rows of this degree, evaluated as one, takes.
int evaluationProducts(int degree, int count = 1);

} // namespace muon

#endif // MUON_POLYNOMIAL_EMULATE_H
