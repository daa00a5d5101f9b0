//===- Products.cpp - What a form costs -------------------------------------------------------===//

#include "muon/Polynomial/Emulate.h"

namespace muon {

int evaluationProducts(int degree, int count) {
  if (count > 1)
    return count == 2 ? 4 : 6;
  if (degree <= 5)
    return degree == 5;
  return degree <= 9 ? 2 : 3;
}

double countProducts(const Table &table, FormChoice choice, double shortSide, double longSide) {
  double square = shortSide * shortSide * shortSide; // symmetric result, n x n x n
  double gram = shortSide * shortSide * longSide;    // symmetric result, n x n x m
  double apply = 2 * gram;
  double flops = 0;
  bool fresh = true;
  for (int row = 0, next; row < table.steps(); row = next) {
    next = row + choice.rowsAt(row);
    flops += evaluationProducts(table.rows[row].degree(), next - row) * square;
    bool last = choice.endsBlock(next, table.steps());
    flops += fresh ? gram : square;     // form R, or Q <- Q P
    flops += last ? apply : 2 * square; // X <- Q X, or R <- P R P
    fresh = last;
  }
  return flops;
}

} // namespace muon
