//===- Table.cpp ------------------------------------------------------------------------------===//

#include "muon/Polynomial/Table.h"

#include <cmath>

namespace muon {

double Row::evaluate(double x) const {
  double t = x * x, value = 0;
  for (size_t i = c.size(); i-- > 0;)
    value = value * t + c[i];
  return value * x;
}

double evaluate(const Table &table, double x) {
  for (const Row &row : table.rows)
    x = row.evaluate(x);
  return x;
}

double slopeAtZero(const Table &table) {
  double slope = 1;
  for (const Row &row : table.rows)
    slope *= row.c.front();
  return slope;
}

std::string checkRows(const Table &table) {
  if (table.rows.empty())
    return "table '" + table.name + "' has no rows";
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const std::vector<double> &c = table.rows[i].c;
    std::string where = "table '" + table.name + "', row " + std::to_string(i + 1) + ": ";
    if (c.size() < 2 || c.size() > 7)
      return where + "expected 2 to 7 coefficients (odd degree 3 to 13), got " + std::to_string(c.size());
    for (double value : c)
      if (!std::isfinite(value))
        return where + "coefficients must be finite";
    if (!(c.front() > 0))
      return where + "the first coefficient must be positive, or small singular values change sign";
  }
  return {};
}

} // namespace muon
