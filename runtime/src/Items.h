//===- Items.h - the table of resolved operands -----------------------------------------------===//

#ifndef MUON_RUNTIME_ITEMS_H
#define MUON_RUNTIME_ITEMS_H

#include "Binding.h"

namespace muon::runtime {

/// How many leading axes of the argument walk the matrices of a parameter: those before the first
/// axis the operand walks itself, until their product is the number of matrices. 0: one matrix, or
/// the argument is shared by all of them.
uint32_t batchAxes(const muon_operand &operand, const muon_argument &argument, uint64_t matrices);

/// Fills every item and view, gradients as absent, and the list of views each gradient goes to.
/// `tensors` are in the order of muon_bind.
void resolveItems(Binding &binding, const muon_tensor *tensors);

} // namespace muon::runtime

#endif // MUON_RUNTIME_ITEMS_H
