//===- GramPolynomials.h - One step's polynomial of the Gram matrix -----------------*- C++ -*-===//
//
// The evaluation of P(R) that Emulate.h describes, for whatever computes with matrices: the emulation with numbers,
// muon-expand-orthogonalize with operations of the IR. What is emulated is what is compiled.
//
// An algebra derives from GramPolynomials<algebra, matrix> and gives
//   identity(s)    s I                          narrowed(A)   A as it is stored
//   multiply(A, B) A B, symmetric               ceilingBefore(row), as below
// and a matrix has c A, A + B and fma(c, A, B) = c A + B, each f32.
//
//===----------------------------------------------------------------------===//
#ifndef MUON_POLYNOMIAL_GRAM_POLYNOMIALS_H
#define MUON_POLYNOMIAL_GRAM_POLYNOMIALS_H

#include "muon/Polynomial/Emulate.h"
#include "muon/Polynomial/PairedRows.h"
#include "muon/Polynomial/TripledRows.h"

#include <utility>

namespace muon {

template <typename Algebra, typename Matrix> class GramPolynomials {
public:
  GramPolynomials(const Table &table, FormChoice choice) : rows(table.rows), choice(std::move(choice)) {}

protected:
  /// The first coefficient of the step that begins with `row`: the product of its rows'.
  double slopeAt(int row) const {
    double slope = 1;
    for (int i = 0; i < choice.rowsAt(row); ++i)
      slope *= rows[row + i].c[0];
    return slope;
  }
  /// Z = a/2 I + P(R), narrowed.
  Matrix factor(Matrix r, int row) {
    int count = choice.rowsAt(row);
    Matrix unit = self().identity();
    Matrix part = count == 3 ? tripledPart(r, row) : count == 2 ? pairedPart(r, row) : oddPart(r, rows[row].c);
    return self().narrowed(fma(slopeAt(row) / 2, unit, part));
  }
  /// What X <- a X + P X of the standard form takes: a, and P, not yet narrowed.
  std::pair<double, Matrix> standardStep(Matrix r, int row) {
    if (choice.rowsAt(row) > 1)
      return {slopeAt(row) / 2, factor(r, row)};
    if (choice.centred && isCentred(rows[row]))
      return centredStep(r, row);
    return {slopeAt(row), oddPart(r, rows[row].c)};
  }

  std::vector<Row> rows;
  FormChoice choice;

private:
  /// `ceilingBefore(row)`: the largest singular value that the rows before `row` leave.
  Algebra &self() { return static_cast<Algebra &>(*this); }
  Matrix oddPart(Matrix r, const std::vector<double> &c);
  Matrix oddPartByCubes(Matrix r, const std::vector<double> &c);
  std::pair<double, Matrix> centredStep(Matrix r, int row);
  Matrix pairedPart(Matrix r, int row);
  Matrix tripledPart(Matrix r, int row);
};

/// P(R) of degree 3 to 9. The epilogue of R R leaves both R2 and c3 R + c4 R2.
template <typename Algebra, typename Matrix>
Matrix GramPolynomials<Algebra, Matrix>::oddPart(Matrix r, const std::vector<double> &c) {
  if (c.size() > 5)
    return oddPartByCubes(r, c);
  Matrix p = c[1] * r;
  if (c.size() == 2)
    return p;
  Matrix square = self().multiply(r, r);
  if (c.size() == 3)
    return fma(c[2], square, p);
  Matrix inner = c[3] * r;
  if (c.size() == 5)
    inner = fma(c[4], square, inner);
  square = self().narrowed(square);
  Matrix outer = self().multiply(square, self().narrowed(inner));
  return fma(c[2], square, p) + outer;
}

/// P(R) of degree 11 and 13.
template <typename Algebra, typename Matrix>
Matrix GramPolynomials<Algebra, Matrix>::oddPartByCubes(Matrix r, const std::vector<double> &c) {
  Matrix square = self().narrowed(self().multiply(r, r));
  Matrix cube = self().multiply(square, r);
  Matrix inner = fma(c[5], square, c[4] * r);
  if (c.size() == 7)
    inner = fma(c[6], cube, inner);
  cube = self().narrowed(cube);
  Matrix outer = self().multiply(cube, self().narrowed(inner));
  return fma(c[3], cube, fma(c[2], square, c[1] * r)) + outer;
}

/// Degree 7 and 9 in Chebyshev polynomials of R.
template <typename Algebra, typename Matrix>
std::pair<double, Matrix> GramPolynomials<Algebra, Matrix>::centredStep(Matrix r, int row) {
  double ceiling = self().ceilingBefore(row);
  std::vector<double> g = chebyshevCoefficients(rows[row], ceiling);
  g.resize(5);
  Matrix first = self().narrowed(fma(2 / (ceiling * ceiling), r, self().identity(-1)));
  Matrix second = self().narrowed(fma(2, self().multiply(first, first), self().identity(-1)));
  Matrix inner = self().narrowed(fma(2 * g[4], second, 2 * g[3] * first));
  return {g[0] - g[4], fma(g[2], second, (g[1] - g[3]) * first) + self().multiply(second, inner)};
}

/// P(R) of this row and the next, as PairedRows.h says.
template <typename Algebra, typename Matrix> Matrix GramPolynomials<Algebra, Matrix>::pairedPart(Matrix r, int row) {
  PairedRows pair = pairRows(rows[row], rows[row + 1], self().ceilingBefore(row));
  Matrix first = pair.shift == 0 ? r : self().narrowed(fma(-pair.shift, self().identity(), r));
  Matrix second = self().narrowed(self().multiply(first, first));
  auto plus = [&](Matrix sum, double constant, double onFirst, double onSecond) {
    return fma(constant, self().identity(), fma(onFirst, first, fma(onSecond, second, sum)));
  };
  Matrix cubic = self().narrowed(plus(pair.n[3] * self().multiply(second, first), pair.n[0], pair.n[1], pair.n[2]));
  auto withCubic = [&](Matrix sum, const PairedRows::Combination &c) {
    return plus(fma(c[3], cubic, sum), c[0], c[1], c[2]);
  };
  Matrix square = self().multiply(cubic, cubic);
  Matrix product =
      self().multiply(self().narrowed(withCubic(square, pair.a)), self().narrowed(withCubic(square, pair.b)));
  return withCubic(product, pair.rest);
}

/// P(R) of this row and the next two, as TripledRows.h says.
template <typename Algebra, typename Matrix> Matrix GramPolynomials<Algebra, Matrix>::tripledPart(Matrix r, int row) {
  const TripledRows &triple = *findTriple(rows, row);
  Matrix left = r, right = r;
  auto combine = [&](const Matrix &product, const TripledRows::Combination &c) {
    Matrix sum = fma(c[1], r, c[4] * product);
    if (c[2] != 0 || c[3] != 0)
      sum = fma(c[2], left, fma(c[3], right, sum));
    return fma(c[0], self().identity(), sum);
  };
  for (auto [onLeft, onRight] : triple.steps) {
    Matrix product = self().multiply(left, right);
    Matrix next = self().narrowed(combine(product, onLeft));
    right = self().narrowed(combine(product, onRight));
    left = next;
  }
  TripledRows::Combination result = triple.result;
  result[0] -= slopeAt(row);
  return combine(self().multiply(left, right), result);
}

} // namespace muon

#endif // MUON_POLYNOMIAL_GRAM_POLYNOMIALS_H
