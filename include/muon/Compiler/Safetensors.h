//===- Safetensors.h - names and shapes from a safetensors file ---------------------*- C++ -*-===//

#ifndef MUON_COMPILER_SAFETENSORS_H
#define MUON_COMPILER_SAFETENSORS_H

#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace muon {

/// One tensor of a file: its dtype as the file writes it ("F32", "BF16", ...).
struct TensorInfo {
  std::string name, dtype;
  std::vector<int64_t> shape;
};

/// Reads the header only: eight bytes of length, little endian, then that much JSON. Tensors in the file's own name
/// order. Errors name the file and what was expected: unreadable, no regular file, truncated (header or data), a header
/// longer than the format allows, not JSON, a field missing, a size that shape and dtype do not have.
llvm::Expected<std::vector<TensorInfo>> readSafetensorsHeader(llvm::StringRef path);

/// The names an optimizer for matrices leaves out by default: embeddings and output heads.
inline constexpr const char *kDefaultExclude = "embed|wte|wpe|lm_head|head";

/// Whether `exclude`, a POSIX extended regular expression that is searched anywhere in the name, leaves out a
/// parameter; an empty one leaves out none. A malformed one is an error, and so is a letter behind a backslash: \d and
/// \w mean something elsewhere, and d and w here.
llvm::Expected<bool> isExcluded(llvm::StringRef name, llvm::StringRef exclude);

/// Why a tensor is not for Muon, or "" if it is: not 2-D (with `anyRank` that is none), not a float type, without an
/// element, or its name is excluded.
llvm::Expected<std::string> whyExcluded(const TensorInfo &tensor, llvm::StringRef exclude, bool anyRank = false);

} // namespace muon

#endif // MUON_COMPILER_SAFETENSORS_H
