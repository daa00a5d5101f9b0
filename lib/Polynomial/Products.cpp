//===- Products.cpp - What a form costs -------------------------------------------------------===//

#include "muon/Polynomial/Emulate.h"

namespace muon {

int evaluationProducts(int degree) {
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
    flops += (next - row == 2 ? pairProducts : evaluationProducts(table.rows[row].degree())) * square;
    bool last = choice.endsBlock(next, table.steps());
    flops += fresh ? gram : square;     // form R, or Q <- Q P
    flops += last ? apply : 2 * square; // X <- Q X, or R <- P R P
    fresh = last;
  }
  return flops;
}

} // namespace muon
