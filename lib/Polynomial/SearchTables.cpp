//===- SearchTables.cpp -----------------------------------------------------------------------===//

#include "muon/Polynomial/SearchTables.h"

#include "muon/Polynomial/Emulate.h"

#include <algorithm>
#include <queue>

namespace muon {
namespace {

constexpr int searchedDegrees[] = {3, 5, 7, 9, 13};
constexpr size_t mostSteps = 8, fewestSteps = 2;

struct Prefix {
  double flops;
  std::vector<int> degrees;

  /// Cheapest first; among equals fewer rows, then lower degrees first, so that the order is fixed.
  bool operator<(const Prefix &other) const {
    if (flops != other.flops)
      return flops > other.flops;
    if (degrees.size() != other.degrees.size())
      return degrees.size() > other.degrees.size();
    return degrees > other.degrees;
  }
};

double countFlops(const std::vector<int> &degrees, const TableSearch &search) {
  Table table;
  for (int degree : degrees)
    table.rows.push_back({std::vector<double>((degree + 1) / 2, 1)});
  return std::min(countProducts(table, {FormChoice::standard, {}}, search.shortSide, search.longSide),
                  countProducts(table, {FormChoice::gram, {}}, search.shortSide, search.longSide));
}

} // namespace

bool scaleIntoBand(Table &table, Band band, double floor) {
  Band image = computeBand(table, floor);
  double least = band.lower / image.lower, most = band.upper / image.upper;
  if (!(image.lower > 0) || least > most)
    return false;
  // Strictly inside where there is room: the scaled coefficients round. Without room the ends may cross by rounding.
  double inset = std::min(1e-9, (most - least) / 2);
  double factor = std::min(std::max(1.0, least + inset), most - inset);
  if (factor != 1)
    for (double &c : table.rows.back().c)
      c *= factor;
  return true;
}

std::vector<Table> searchTables(const TableSearch &search) {
  std::vector<Table> found;
  bool sound = search.floor > 0 && search.floor < 1 && search.band.lower > 0 && search.band.lower < search.band.upper &&
               search.shortSide >= 1 && search.longSide >= search.shortSide;
  if (!sound)
    return found;
  std::priority_queue<Prefix> queue;
  queue.push({0, {}});
  for (int looked = 0; !queue.empty() && looked < searchedTables; ++looked) {
    Prefix prefix = queue.top();
    queue.pop();
    if (prefix.degrees.size() >= fewestSteps) {
      Table table = generateMinimax(search.floor, prefix.degrees, search.minimax);
      if (!table.rows.empty() && scaleIntoBand(table, search.band, search.floor)) {
        found.push_back(std::move(table));
        if (static_cast<int>(found.size()) >= search.most)
          break;
        continue;
      }
    }
    if (prefix.degrees.size() == mostSteps)
      continue;
    for (int degree : searchedDegrees) {
      Prefix longer = prefix;
      longer.degrees.push_back(degree);
      longer.flops = countFlops(longer.degrees, search);
      if (longer.flops <= search.flops)
        queue.push(std::move(longer));
    }
  }
  return found;
}

} // namespace muon
