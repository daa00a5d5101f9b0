//===- CheckProgram.h - is a program's data consistent with itself ----------------------------===//

#ifndef MUON_RUNTIME_CHECKPROGRAM_H
#define MUON_RUNTIME_CHECKPROGRAM_H

#include "Error.h"

namespace muon::runtime {

/// Everything bind and run later rely on: indices, axes, offsets within the tables. A damaged file
/// or a compiler error is refused at load, in one line, and costs a step nothing.
muon_status checkProgram(const muon_program &program);
muon_status checkVariant(const muon_program &program, const muon_variant &variant);

inline uint64_t matricesOf(const muon_group &group) { return group.num_parameters * group.matrices_per_parameter; }

} // namespace muon::runtime

#endif // MUON_RUNTIME_CHECKPROGRAM_H
