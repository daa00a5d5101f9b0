//===- SearchTables.h - The cheapest tables for a floor and a band ------------------*- C++ -*-===//
//
// Read backwards, the generator of Minimax.h answers the tuner's first question: which lists of
// degrees, each step's row made anew, take [floor, 1] into a band? Separate from Minimax.h, which
// makes one table: here many are made, cheapest first, and only those in the band are kept.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_SEARCH_TABLES_H
#define MUON_POLYNOMIAL_SEARCH_TABLES_H

#include "muon/Polynomial/Band.h"
#include "muon/Polynomial/Minimax.h"

#include <limits>
#include <vector>

namespace muon {

/// What is asked for.
struct TableSearch {
  /// Singular values in [floor, 1] have to end in `band`, 0 < floor < 1, 0 < lower < upper.
  double floor = 1e-3;
  Band band{0.7, 1.3};
  MinimaxOptions minimax = {};
  /// Sides that flops are counted for; their ratio decides what is cheap.
  double shortSide = 1, longSide = 1;
  /// Nothing dearer than this many flops, in the cheaper of the standard form and the gram form
  /// without restarts (countProducts).
  double flops = std::numeric_limits<double>::infinity();
  /// As many tables at most.
  int most = 32;
};

/// Tables of 2 to 8 rows of degrees 3, 5, 7, 9 and 13, in every order, by ascending flops. The last
/// row is scaled where that is needed to put the image of [floor, 1] into the band. A list of
/// degrees whose beginning is in the band already is left out. Arguments outside the ranges above
/// give nothing. At most searchedTables lists are looked at.
std::vector<Table> searchTables(const TableSearch &search);

inline constexpr int searchedTables = 6000;

/// Puts the image of [floor, 1] into `band` by a factor on the last row, the one closest to 1.
/// False, and the table as it was, if the image is too wide for any.
bool scaleIntoBand(Table &table, Band band, double floor);

} // namespace muon

#endif // MUON_POLYNOMIAL_SEARCH_TABLES_H
