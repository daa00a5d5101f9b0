//===- Normaliser.cpp -------------------------------------------------------------------------===//

#include "muon/Polynomial/Normaliser.h"

#include <cmath>
#include <iterator>

namespace muon {

std::optional<Normaliser> lookupNormaliser(std::string_view name) {
  constexpr std::string_view names[] = {"frobenius", "trace", "schatten4", "aol"};
  for (size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name)
      return static_cast<Normaliser>(i);
  return std::nullopt;
}

double reachableFloor(Normaliser normaliser, double floor, double shortSide) {
  switch (normaliser) {
  case Normaliser::frobenius:
  case Normaliser::trace:
    return floor;
  case Normaliser::schatten4: {
    if (shortSide == 1)
      return 1;
    double square = floor * floor, rest = 1 - square;
    return floor / std::pow(rest * rest + square * square, 0.25);
  }
  case Normaliser::aol:
    return floor * std::sqrt(2 / (1 + std::sqrt(shortSide)));
  }
  return floor;
}

} // namespace muon
