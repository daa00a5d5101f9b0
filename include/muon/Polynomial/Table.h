//===- Table.h - Coefficient tables of the spectral map -----------------------------*- C++ -*-===//
//
// A table is what a Muon variant does to singular values: one odd polynomial per
// step, applied one after the other to sigma in (0, 1]. Every published table is
// here as data, each with its source beside it in lib/Polynomial/PublishedTables.cpp.
//
// Rule: a step count and a table are one thing. A table is never cycled and its tail
// is never cut - both leave the singular values outside the band the table was made
// for (You5 cycled to six steps maps everything to 0.06..0.17). For fewer steps,
// generate a table of that length (Minimax.h).
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_TABLE_H
#define MUON_POLYNOMIAL_TABLE_H

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muon {

/// One step: the odd polynomial p(x) = sum_i c[i] x^(2i+1). On a matrix X it is
/// c[0] X + c[1] (X X^T) X + c[2] (X X^T)^2 X + ...; the usual quintic (a, b, c) has
/// three coefficients. Trailing zeros are not stored, so that `degree` is the true one
/// and a cubic costs what a cubic costs.
struct Row {
  std::vector<double> c;

  /// Odd, 3 to 13 for a valid row.
  int degree() const { return 2 * static_cast<int>(c.size()) - 1; }
  /// p(x).
  double evaluate(double x) const;

  bool operator==(const Row &) const = default;
};

/// Turns the coefficients of an odd p(x) into those of p(x / s): what a safety factor s does to a row.
template <typename Real> void divideArgument(std::vector<Real> &c, Real s) {
  Real power = s;
  for (Real &coefficient : c) {
    coefficient /= power;
    power *= s * s;
  }
}

/// One row per step, in the order of application.
struct Table {
  std::string name;
  std::vector<Row> rows;

  int steps() const { return static_cast<int>(rows.size()); }
  bool operator==(const Table &) const = default;
};

/// Exactly one of the two is set: a table, or one line saying what was wrong.
struct TableOrError {
  std::optional<Table> table;
  std::string error;

  explicit operator bool() const { return table.has_value(); }
};

/// More than anyone takes; a limit, so that a slip of the pen does not fill the memory.
inline constexpr int longestTable = 1000;

/// The published table `name` with `steps` rows.
///  - A single triple (keller = jordan, simple_quintic, pade, cubic, modula) takes any
///    `steps` >= 1; without `steps` it has the number its authors use.
///  - A multi-row table takes its own number of rows only. polar_express (8 rows, the last
///    one being the limit) takes more: its published generator repeats row 8.
/// Errors: unknown name (the message lists the known ones), wrong number of steps (the
/// message names both numbers), more than longestTable.
TableOrError lookupTable(std::string_view name, std::optional<int> steps = {});

/// Names `lookupTable` knows, sorted.
std::vector<std::string> tableNames();

/// Checks that a table written by a user is well formed: at least one row, each of odd
/// degree 3..13 (two to seven coefficients), all finite, positive slope at zero. Empty
/// string if so, else one line naming the row (counted from 1).
std::string checkRows(const Table &table);

/// The composed polynomial p_T(...p_1(x)).
double evaluate(const Table &table, double x);

/// Product of the first coefficients: what the table multiplies tiny singular values by.
double slopeAtZero(const Table &table);

} // namespace muon

#endif // MUON_POLYNOMIAL_TABLE_H
