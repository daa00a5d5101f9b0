//===- Band.cpp -------------------------------------------------------------------------------===//

#include "muon/Polynomial/Band.h"
#include "RealRoots.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace muon {

/// Values are saturated here: the degree-13 power of it is still far from overflow, and no
/// table comes back from it.
static constexpr double saturation = 1e15;

static double saturate(double value) { return std::clamp(value, -saturation, saturation); }

/// Image of an interval of either sign under one odd row.
static Band mapInterval(const Row &row, Band in) {
  double first = saturate(row.evaluate(in.lower)), second = saturate(row.evaluate(in.upper));
  Band out{std::min(first, second), std::max(first, second)};
  auto include = [&](double x) {
    if (!in.contains(x))
      return;
    double value = saturate(row.evaluate(x));
    out.lower = std::min(out.lower, value);
    out.upper = std::max(out.upper, value);
  };
  std::vector<long double> c(row.c.begin(), row.c.end());
  double magnitude = std::max(std::abs(in.lower), std::abs(in.upper));
  for (long double point : criticalPoints(c, 0, magnitude)) {
    include(static_cast<double>(point));
    include(-static_cast<double>(point));
  }
  return out;
}

Band computeBand(const Table &table, double floor, double ceiling) {
  Band band{floor, ceiling};
  for (const Row &row : table.rows)
    band = mapInterval(row, band);
  return band;
}

/// The largest x in [lower, upper] for which `holds`, true at lower and monotone, is still true.
template <typename Predicate> static double lastTrue(double lower, double upper, Predicate holds) {
  if (holds(upper))
    return upper;
  for (;;) {
    double middle = lower + (upper - lower) / 2;
    if (middle <= lower || middle >= upper)
      return lower;
    (holds(middle) ? lower : upper) = middle;
  }
}

double largestSigma(const Table &table, double bound, double limit) {
  return lastTrue(0, limit, [&](double x) {
    Band band = computeBand(table, 0, x);
    return band.lower > -bound && band.upper < bound;
  });
}

std::string checkDomain(const Table &table, double ceiling) {
  std::string malformed = checkRows(table);
  if (!malformed.empty())
    return malformed;
  // Zero maps to zero, so "positive" on (0, x] reads "not below zero" on [0, x].
  auto good = [](Band band) { return band.lower >= 0 && band.upper < 2; };
  double begin = lastTrue(0, ceiling, [&](double x) { return good(computeBand(table, 0, x)); });
  if (begin >= ceiling)
    return {};
  begin = std::nextafter(begin, ceiling);
  bool flips = evaluate(table, begin) < 1;
  // The sub-interval ends where the first good value lies. A good value is one between the two
  // bounds; an interval without any maps wholly below zero or wholly above 2.
  double end = lastTrue(begin, ceiling, [&](double x) {
    Band band = computeBand(table, begin, x);
    return band.upper < 0 || band.lower >= 2;
  });
  char text[128];
  std::snprintf(text, sizeof text, "' %s for sigma in [%.5g, %.5g]", flips ? "changes sign" : "diverges", begin, end);
  return "table '" + table.name + text;
}

std::string checkBand(const Table &table, Band band, double floor, double ceiling) {
  std::string malformed = checkRows(table);
  if (!malformed.empty())
    return malformed;
  // The band is often the table's own, printed and read again.
  constexpr double printed = 1e-9;
  Band wide{band.lower - printed, band.upper + printed};
  auto holds = [&](Band image) { return image.lower >= wide.lower && image.upper <= wide.upper; };
  double begin = floor;
  if (wide.contains(evaluate(table, floor)))
    begin = lastTrue(floor, ceiling, [&](double x) { return holds(computeBand(table, floor, x)); });
  if (begin >= ceiling)
    return {};
  if (begin > floor)
    begin = std::nextafter(begin, ceiling);
  double end = lastTrue(begin, ceiling, [&](double x) {
    Band image = computeBand(table, begin, x);
    return image.upper < wide.lower || image.lower > wide.upper;
  });
  Band image = computeBand(table, begin, end);
  char text[192];
  std::snprintf(text, sizeof text, "' maps sigma in [%.4g, %.4g] to [%.4g, %.4g], outside [%.4g, %.4g]", begin, end,
                image.lower, image.upper, band.lower, band.upper);
  return "table '" + table.name + text;
}

} // namespace muon
