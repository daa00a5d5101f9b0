//===- Abi.h - the public header, exported ----------------------------------------------------===//
//
// Everything in this library is compiled with hidden visibility; only what muon_runtime.h declares
// leaves the shared library.

#ifndef MUON_RUNTIME_ABI_H
#define MUON_RUNTIME_ABI_H

#pragma GCC visibility push(default)
#include "muon_runtime.h"
#pragma GCC visibility pop

#endif // MUON_RUNTIME_ABI_H
