//===- Safetensors.cpp - names and shapes from a safetensors file -----------------------------===//

#include "muon/Compiler/Safetensors.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Regex.h"

using namespace muon;
namespace json = llvm::json;
using llvm::StringRef;

static llvm::Error refuse(StringRef path, const llvm::Twine &why) { return llvm::createStringError(path + ": " + why); }

/// The JSON text of the header; `dataBytes`: how much of the file follows it.
static llvm::Expected<std::string> readHeaderText(StringRef path, uint64_t &dataBytes) {
  if (llvm::sys::fs::is_directory(path))
    return refuse(path, "expected a .safetensors file, got a directory");
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

llvm::Expected<std::vector<TensorInfo>> muon::readSafetensorsHeader(StringRef path) {
  uint64_t dataBytes = 0;
  llvm::Expected<std::string> text = readHeaderText(path, dataBytes);
  if (!text)
    return text.takeError();
  llvm::Expected<json::Value> header = json::parse(*text);
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
    if (entry.offsets.size() != 2 || entry.offsets[0] > entry.offsets[1])
      return refuse(path, "has no valid header: expected a begin and an end at " + StringRef(name) + ".data_offsets");
    if (entry.offsets[1] > dataBytes)
      return refuse(path, "is truncated: expected " + llvm::Twine(entry.offsets[1]) + " bytes of data for " +
                              StringRef(name) + ", got " + llvm::Twine(dataBytes));
    entry.tensor.name = StringRef(name).str();
    tensors.push_back(std::move(entry.tensor));
  }
  llvm::sort(tensors, [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  return tensors;
}

std::string muon::whyExcluded(const TensorInfo &tensor, StringRef exclude) {
  if (tensor.shape.size() != 2)
    return "has rank " + std::to_string(tensor.shape.size()) + ", not 2";
  if (!StringRef(tensor.dtype).starts_with("F") && tensor.dtype != "BF16")
    return "has dtype " + tensor.dtype + ", not a float type";
  if (!exclude.empty() && llvm::Regex(exclude).match(tensor.name))
    return "its name matches " + exclude.str();
  return "";
}
