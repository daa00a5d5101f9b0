//===- ExactWalk.cpp --------------------------------------------------------------------------===//

#include "ExactWalk.h"

#include <algorithm>
#include <cmath>

namespace muon::execution {
namespace {

constexpr int kF32Bits = 24, kTensorBits = 11;

constexpr int kNoUnit = 1000; ///< of zero

/// The largest power of two, as an exponent, that the value is a multiple of.
int unitOf(double value) {
  constexpr int kDigits = 53;
  int exponent;
  auto digits = int64_t(std::ldexp(std::frexp(value, &exponent), kDigits));
  return digits ? exponent - kDigits + __builtin_ctzll(uint64_t(std::abs(digits))) : kNoUnit;
}

/// The same of all values.
int unitOf(const Matrix &a) {
  int unit = kNoUnit;
  for (double value : a.values)
    unit = std::min(unit, unitOf(value));
  return unit;
}

/// The most significant bits that one of its values has.
int bitsOf(const Matrix &a) {
  int bits = 0;
  for (double value : a.values)
    if (value != 0)
      bits = std::max(bits, std::ilogb(value) - unitOf(value) + 1);
  return bits;
}

double largest(const Matrix &a) {
  double most = 0;
  for (double value : a.values)
    most = std::max(most, std::abs(value));
  return most;
}

Matrix absolute(Matrix a) {
  for (double &value : a.values)
    value = std::abs(value);
  return a;
}

int bitsOfType(const std::string &type) { return type == "bf16" ? 8 : type == "f32" ? kF32Bits : kTensorBits; }

} // namespace

void ExactWalk::complain(const std::string &what) {
  if (first.empty())
    first = "step " + std::to_string(step) + ": " + what;
}

Matrix ExactWalk::kept(Matrix a, const char *what) {
  if (bitsOf(a) > kF32Bits)
    complain(std::string(what) + " has " + std::to_string(bitsOf(a)) + " bits");
  return a;
}

Matrix ExactWalk::narrowed(Matrix a, const char *what) {
  constexpr int kLeastF16 = -24; // its subnormals' unit
  if (bitsOf(a) > bitsOfType(operands) || (operands == "f16" && (unitOf(a) < kLeastF16 || largest(a) > 65504)))
    complain(std::string(what) + " has " + std::to_string(bitsOf(a)) + " bits, unit 2^" + std::to_string(unitOf(a)) +
             ", in " + operands);
  return a;
}

/// Exact in any order: the terms' sizes add up to less than 2^24 of the unit of all of them. An f32
/// is two parts of 11 bits on tensor cores, and the product of two second parts is left out.
Matrix ExactWalk::product(const Matrix &a, const Matrix &b) {
  if (largest(absolute(a) * absolute(b)) > std::ldexp(1, kF32Bits + unitOf(a) + unitOf(b)))
    complain("a sum of products");
  int fewer = std::min(bitsOf(a), bitsOf(b)), more = std::max(bitsOf(a), bitsOf(b));
  if (fewer > kTensorBits || more > 2 * kTensorBits)
    complain("a product of " + std::to_string(fewer) + " and " + std::to_string(more) + " bits");
  return a * b;
}

bool ExactWalk::isRestart(size_t number) const {
  return std::count(restarts->begin(), restarts->end(), int(number)) > 0;
}

/// c₁ R + c₂ R².
Matrix ExactWalk::oddPart(const Matrix &r, const std::vector<double> &c) {
  Matrix p = kept(c[1] * r, "c1 R");
  return c.size() == 2 ? p : kept(p + c[2] * product(r, r), "c1 R + c2 R²");
}

Matrix ExactWalk::standard(Matrix x) {
  x = narrowed(x, "X");
  for (step = 0; step < rows.size(); ++step) {
    Matrix r = narrowed(product(x, transpose(x)), "R");
    Matrix p = narrowed(oddPart(r, rows[step]), "P");
    x = kept(product(p, x) + rows[step][0] * x, "a X + P X");
    if (step + 1 < rows.size())
      x = narrowed(x, "X");
  }
  return x;
}

/// Z = a/2 I + P(R); R becomes (a/2 + Z)² R, and Q, what X is multiplied with, (a/2 + Z) Q.
Matrix ExactWalk::gram(Matrix x) {
  x = narrowed(x, "X");
  Matrix r = narrowed(product(x, transpose(x)), "R"), q;
  double apart = 0;
  auto apply = [&] { return kept(apart * x + product(q, x), "a X + Q X"); };
  for (step = 0; step < rows.size(); ++step) {
    bool fresh = step == 0 || isRestart(step);
    if (isRestart(step)) {
      x = narrowed(apply(), "X");
      r = narrowed(product(x, transpose(x)), "R");
    }
    double half = rows[step][0] / 2;
    Matrix one = identity(r.rows);
    Matrix z = narrowed(kept(half * one + oddPart(r, rows[step]), "Z"), "Z");
    auto advance = [&](const Matrix &y) { return kept(half * y + product(z, y), "a/2 Y + Z Y"); };
    if (step + 1 < rows.size() && !isRestart(step + 1))
      r = narrowed(advance(narrowed(advance(r), "Y")), "R");
    if (fresh) {
      q = z, apart = half;
      continue;
    }
    Matrix next = advance(q);
    if (apart != 0)
      next = kept(apart * half * one + kept(apart * z + next, "Q"), "Q");
    q = narrowed(next, "Q"), apart = 0;
  }
  return apply();
}

Matrix ExactWalk::run(const Matrix &x) {
  bool wide = x.rows <= x.columns;
  Matrix mine = wide ? x : transpose(x), o = restarts ? gram(mine) : standard(mine);
  return wide ? o : transpose(o);
}

} // namespace muon::execution
