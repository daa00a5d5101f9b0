//===- StateRequest.h - a request as the module's muon.request ----------------------*- C++ -*-===//

#ifndef MUON_LIB_COMPILER_STATE_REQUEST_H
#define MUON_LIB_COMPILER_STATE_REQUEST_H

#include "muon/Compiler/Compiler.h"

namespace muon {

/// What the request asks for in place of choices of the compiler. Null: nothing.
mlir::DictionaryAttr stateOverrides(mlir::MLIRContext *context, const Request &request);

/// What holds for every group, planned for `target`. Null after a diagnostic: the target cannot do what was asked.
RequestAttr stateRequest(const Request &request, TargetAttr target);

/// What holds for one group alone and is not said by its ops: its tile, and the band it was tuned for. Null: nothing.
RequestAttr stateRequest(mlir::MLIRContext *context, const GroupRequest &group);

} // namespace muon

#endif // MUON_LIB_COMPILER_STATE_REQUEST_H
