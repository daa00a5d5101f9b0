//===- Safetensors.cpp - names and shapes from a safetensors file -----------------------------===//

#include "muon/Compiler/Safetensors.h"

#include "muon/Compiler/ParseJson.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Regex.h"

using namespace muon;
namespace json = llvm::json;
using llvm::StringRef;

static llvm::Error refuse(StringRef path, const llvm::Twine &why) { return llvm::createStringError(path + ": " + why); }

/// The JSON text of the header; `dataBytes`: how much of the file follows it.
static llvm::Expected<std::string> readHeaderText(StringRef path, uint64_t &dataBytes) {
  if (llvm::sys::fs::is_directory(path))
    return refuse(path, "expected a .safetensors file, got a directory");
  if (llvm::sys::fs::exists(path) && !llvm::sys::fs::is_regular_file(path)) // opened for reading, a pipe may wait
    return refuse(path, "expected a .safetensors file, got a pipe or a device");
  llvm::Expected<llvm::sys::fs::file_t> file = llvm::sys::fs::openNativeFileForRead(path);
  if (!file)
    return refuse(path, "cannot be read: " + llvm::toString(file.takeError()));
  auto close = llvm::scope_exit([&] { llvm::sys::fs::closeFile(*file); });
  uint64_t size = 0;
  if (llvm::sys::fs::file_size(path, size))
    return refuse(path, "cannot be read: its size is unknown");
  char length[8];
  llvm::Expected<size_t> got = llvm::sys::fs::readNativeFileSlice(*file, length, 0);
  if (!got || *got != sizeof(length)) {
    llvm::consumeError(got.takeError());
    return refuse(path,
                  "is truncated: expected 8 bytes of header length, got a file of " + llvm::Twine(size) + " bytes");
  }
  uint64_t bytes = llvm::support::endian::read64le(length);
  if (size < sizeof(length) || bytes > size - sizeof(length))
    return refuse(path, "is truncated or not a safetensors file: expected a header of " + llvm::Twine(bytes) +
                            " bytes, got a file of " + llvm::Twine(size));
  constexpr uint64_t kLongest = 100'000'000; // of the format itself
  if (bytes > kLongest)
    return refuse(path, "expected a header of at most " + llvm::Twine(kLongest) + " bytes, got " + llvm::Twine(bytes));
  std::string text(bytes, '\0');
  got = llvm::sys::fs::readNativeFileSlice(*file, llvm::MutableArrayRef<char>(text.data(), bytes), sizeof(length));
  if (!got || *got != bytes) {
    llvm::consumeError(got.takeError());
    return refuse(path, "is truncated: its header ends early");
  }
  dataBytes = size - sizeof(length) - bytes;
  return text;
}

namespace {
/// A dtype of the format.
struct Dtype {
  StringRef name;
  unsigned bits;
  bool isFloat;
};
constexpr Dtype kDtypes[] = {{"F64", 64, true},    {"F32", 32, true},    {"F16", 16, true},    {"BF16", 16, true},
                             {"F8_E5M2", 8, true}, {"F8_E4M3", 8, true}, {"F8_E8M0", 8, true}, {"F6_E2M3", 6, true},
                             {"F6_E3M2", 6, true}, {"F4", 4, true},      {"I64", 64, false},   {"I32", 32, false},
                             {"I16", 16, false},   {"I8", 8, false},     {"U64", 64, false},   {"U32", 32, false},
                             {"U16", 16, false},   {"U8", 8, false},     {"BOOL", 8, false},   {"C64", 64, false}};

struct HeaderEntry {
  TensorInfo tensor;
  std::vector<uint64_t> offsets; // of the data's begin and end, behind the header
};
} // namespace

static bool fromJSON(const json::Value &value, HeaderEntry &entry, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("dtype", entry.tensor.dtype) && map.map("shape", entry.tensor.shape) &&
         map.map("data_offsets", entry.offsets);
}

/// Null for one that the format has got since.
static const Dtype *findDtype(StringRef name) {
  const Dtype *found = llvm::find_if(kDtypes, [&](const Dtype &dtype) { return dtype.name == name; });
  return found == std::end(kDtypes) ? nullptr : found;
}

/// Bytes of a tensor; nothing where they are more than 64 bits count, or negative.
static std::optional<uint64_t> bytesOf(const TensorInfo &tensor, const Dtype &dtype) {
  uint64_t bits = dtype.bits;
  for (int64_t size : tensor.shape)
    if (size < 0 || __builtin_mul_overflow(bits, uint64_t(size), &bits))
      return std::nullopt;
  return llvm::divideCeil(bits, 8);
}

/// What does not fit together of a tensor's entry, or "".
static std::string whyInconsistent(const HeaderEntry &entry, StringRef name) {
  if (entry.offsets.size() != 2 || entry.offsets[0] > entry.offsets[1])
    return "expected a begin and an end at " + name.str() + ".data_offsets";
  const Dtype *dtype = findDtype(entry.tensor.dtype);
  if (!dtype)
    return "";
  std::optional<uint64_t> expected = bytesOf(entry.tensor, *dtype);
  if (!expected)
    return "expected sizes of 0 or more and less than 2^61 bytes at " + name.str() + ".shape";
  uint64_t got = entry.offsets[1] - entry.offsets[0];
  if (*expected == got)
    return "";
  return "expected " + std::to_string(*expected) + " bytes for the shape and dtype of " + name.str() + ", got " +
         std::to_string(got);
}

llvm::Expected<std::vector<TensorInfo>> muon::readSafetensorsHeader(StringRef path) {
  uint64_t dataBytes = 0;
  llvm::Expected<std::string> text = readHeaderText(path, dataBytes);
  if (!text)
    return text.takeError();
  llvm::Expected<json::Value> header = parseJson(*text);
  if (!header)
    return refuse(path, "has no valid header: " + llvm::toString(header.takeError()));
  const json::Object *object = header->getAsObject();
  if (!object)
    return refuse(path, "has no valid header: expected a JSON object");
  std::vector<TensorInfo> tensors;
  for (const auto &[name, value] : *object) {
    if (StringRef(name) == "__metadata__")
      continue;
    json::Path::Root root{StringRef(name)};
    HeaderEntry entry;
    if (!fromJSON(value, entry, root))
      return refuse(path, "has no valid header: " + llvm::toString(root.getError()));
    if (std::string why = whyInconsistent(entry, name); !why.empty())
      return refuse(path, "has no valid header: " + why);
    if (entry.offsets[1] > dataBytes)
      return refuse(path, "is truncated: expected " + llvm::Twine(entry.offsets[1]) + " bytes of data for " +
                              StringRef(name) + ", got " + llvm::Twine(dataBytes));
    entry.tensor.name = StringRef(name).str();
    tensors.push_back(std::move(entry.tensor));
  }
  llvm::sort(tensors, [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  return tensors;
}

/// The first backslash with a letter behind it.
static StringRef findEscapedLetter(StringRef pattern) {
  for (size_t at = pattern.find('\\'); at < pattern.size(); at = pattern.find('\\', at + 2))
    if (at + 1 < pattern.size() && llvm::isAlpha(pattern[at + 1]))
      return pattern.substr(at, 2);
  return "";
}

llvm::Expected<bool> muon::isExcluded(StringRef name, StringRef exclude) {
  if (exclude.empty())
    return false;
  std::string what = "malformed exclude '" + exclude.str() + "'";
  auto malformed = [&](const llvm::Twine &why) { return refuse(what, why); };
  if (StringRef escape = findEscapedLetter(exclude); !escape.empty())
    return malformed("expected a POSIX extended regular expression, got " + escape + " (say [0-9] for a digit)");
  llvm::Regex pattern(exclude);
  std::string error;
  if (!pattern.isValid(error))
    return malformed(error);
  return pattern.match(name);
}

llvm::Expected<std::string> muon::whyExcluded(const TensorInfo &tensor, StringRef exclude, bool anyRank) {
  if (tensor.shape.size() != 2 && !anyRank)
    return "has rank " + std::to_string(tensor.shape.size()) + ", not 2";
  const Dtype *dtype = findDtype(tensor.dtype);
  if (!dtype || !dtype->isFloat)
    return "has dtype " + tensor.dtype + ", not a float type";
  if (llvm::is_contained(tensor.shape, 0))
    return "is empty";
  auto excluded = isExcluded(tensor.name, exclude);
  if (!excluded)
    return excluded.takeError();
  return *excluded ? "its name matches " + exclude.str() : "";
}
