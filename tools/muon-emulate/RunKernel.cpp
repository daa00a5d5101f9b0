//===- RunKernel.cpp --------------------------------------------------------------------------===//
//
// The description is what muon-opt --dump-kernels writes beside the bitcode:
//
//   kernel, grid, block, shared     the symbol and how it is launched
//   buffers[]                       name, bytes, dtype; init: "random" (default), "zero", "poison"
//   launches[]                      first_tile, tiles_per_matrix, sizes[8], coefficients[], predicate, scalars[]
//     items[]                       parameter, matrix, gradient (a buffer's name)
//       views[]                     buffer, offset in bytes, strides [row, column] in elements
//
//===-----------------------------------------------------------------------------------------------===//

#include "RunKernel.h"

#include "muon/Emulator/Emulator.h"

#include "llvm/ADT/StringMap.h"

#include <cstring>

using namespace llvm;

namespace muon::emulate {

static Error failure(const Twine &text) { return createStringError(text); }

static Error check(CUresult error, const Twine &what) {
  const char *name = nullptr;
  cuGetErrorName(error, &name);
  return error ? failure(what + ": " + (name ? name : "an unknown error")) : Error::success();
}

namespace {
/// Builds what the kernel reads: buffers, then one block with launches, coefficients, scalars and items.
class KernelRun {
public:
  KernelRun(const json::Object &description, Fill fill, uint64_t dataSeed)
      : description(description), fill(fill), dataSeed(dataSeed) {}
  ~KernelRun() {
    for (CUdeviceptr address : allocations)
      cuMemFree_v2(address);
    if (module)
      cuModuleUnload(module);
  }

  Error run(StringRef bitcode);

private:
  Error makeBuffers();
  Error writeTables();
  Error writeLaunch(const json::Object &launch, muon_device_launch &made);
  Error writeItem(const json::Object &item, CUdeviceptr scalars);
  Error upload(CUdeviceptr &address, const std::vector<uint8_t> &bytes);
  Expected<CUdeviceptr> bufferOf(const json::Object &user, StringRef key);
  template <typename T> CUdeviceptr append(const T &value) {
    CUdeviceptr at = tables + image.size();
    auto *bytes = reinterpret_cast<const uint8_t *>(&value);
    image.insert(image.end(), bytes, bytes + sizeof(T));
    return at;
  }
  int64_t number(const json::Object &object, StringRef key, int64_t otherwise) {
    return object.getInteger(key).value_or(otherwise);
  }

  const json::Object &description;
  Fill fill;
  uint64_t dataSeed;
  CUmodule module = nullptr;
  std::vector<CUdeviceptr> allocations;
  StringMap<CUdeviceptr> buffers, slots; // a gradient's slot holds its buffer's address
  CUdeviceptr tables = 0;
  std::vector<uint8_t> image; // of the tables
  std::vector<muon_device_launch> launches;
};
} // namespace

Error KernelRun::upload(CUdeviceptr &address, const std::vector<uint8_t> &bytes) {
  return check(cuMemcpyHtoD_v2(address, bytes.data(), bytes.size()), "copying to the device");
}

Error KernelRun::makeBuffers() {
  const json::Array *list = description.getArray("buffers");
  if (!list)
    return failure("expected \"buffers\"");
  for (const json::Value &value : *list) {
    const json::Object *buffer = value.getAsObject();
    if (!buffer || !buffer->getString("name") || number(*buffer, "bytes", 0) <= 0)
      return failure("expected a buffer with \"name\" and \"bytes\"");
    StringRef name = *buffer->getString("name"), typeName = buffer->getString("dtype").value_or("f32");
    std::optional<muon_dtype> type = parseType(typeName);
    if (!type)
      return failure("buffer '" + name + "': dtype '" + typeName + "', expected f32, bf16, f16, f64, i32 or i64");
    auto bytes = static_cast<uint64_t>(number(*buffer, "bytes", 0));
    CUdeviceptr address = 0;
    if (Error error = check(cuMemAlloc_v2(&address, bytes), "buffer '" + name + "' of " + Twine(bytes) + " bytes"))
      return error;
    allocations.push_back(address);
    buffers[name] = address;
    muonEmulatorNameMemory(address, ("buffer '" + name + "'").str().c_str());
    StringRef init = buffer->getString("init").value_or("random");
    if (init == "poison")
      continue;
    if (init != "random" && init != "zero")
      return failure("buffer '" + name + "': init '" + init + "', expected random, zero or poison");
    std::vector<uint8_t> values =
        makeValues(init == "zero" ? Fill::zero : fill, *type, bytes / bytesOf(*type), dataSeed + allocations.size());
    if (Error error = upload(address, values))
      return error;
  }
  return Error::success();
}

Expected<CUdeviceptr> KernelRun::bufferOf(const json::Object &user, StringRef key) {
  StringRef name = user.getString(key).value_or("");
  auto found = buffers.find(name);
  if (found == buffers.end())
    return failure("\"" + key + "\" is '" + name + "', expected the name of a buffer");
  return found->second;
}

Error KernelRun::writeItem(const json::Object &item, CUdeviceptr scalars) {
  muon_device_item made = {};
  made.scalars = reinterpret_cast<const muon_scalar *>(scalars);
  made.parameter = static_cast<uint64_t>(number(item, "parameter", 0));
  made.matrix = static_cast<uint32_t>(number(item, "matrix", 0));
  StringRef gradient = item.getString("gradient").value_or("");
  const json::Array *views = item.getArray("views");
  if (!views)
    return failure("expected an item with \"views\"");
  if (!gradient.empty()) {
    if (!slots.count(gradient))
      return failure("\"gradient\" is '" + gradient + "', expected the name of a buffer");
    made.gradient = reinterpret_cast<void *const *>(slots.lookup(gradient));
  }
  append(made);
  for (const json::Value &value : *views) {
    const json::Object *view = value.getAsObject();
    const json::Array *strides = view ? view->getArray("strides") : nullptr;
    if (!strides || strides->size() != 2)
      return failure("expected a view with two \"strides\"");
    Expected<CUdeviceptr> buffer = bufferOf(*view, "buffer");
    if (!buffer)
      return buffer.takeError();
    bool isGradient = !gradient.empty() && view->getString("buffer") == gradient;
    uint64_t data = (isGradient ? 0 : *buffer) + static_cast<uint64_t>(number(*view, "offset", 0));
    append(muon_view{reinterpret_cast<void *>(data), (*strides)[0].getAsInteger().value_or(0),
                     (*strides)[1].getAsInteger().value_or(0)});
  }
  return Error::success();
}

Error KernelRun::writeLaunch(const json::Object &launch, muon_device_launch &made) {
  const json::Array *items = launch.getArray("items"), *sizes = launch.getArray("sizes");
  if (!items || items->empty() || !sizes || sizes->size() > 8)
    return failure("expected a launch with \"items\" and up to 8 \"sizes\"");
  made.first_tile = static_cast<uint32_t>(number(launch, "first_tile", 0));
  made.tiles_per_matrix = static_cast<uint32_t>(number(launch, "tiles_per_matrix", 1));
  made.predicate = static_cast<int32_t>(number(launch, "predicate", -1));
  for (size_t i = 0; i < sizes->size(); ++i)
    made.sizes[i] = (*sizes)[i].getAsInteger().value_or(0);
  made.coefficients = reinterpret_cast<const double *>(tables + image.size());
  if (const json::Array *coefficients = launch.getArray("coefficients"))
    for (const json::Value &value : *coefficients) {
      append(value.getAsNumber().value_or(0));
      ++made.num_coefficients;
    }
  CUdeviceptr scalars = tables + image.size();
  if (const json::Array *row = launch.getArray("scalars"))
    for (const json::Value &value : *row)
      append(value.getAsNumber().value_or(0));
  made.items = reinterpret_cast<const uint8_t *>(tables + image.size());
  for (const json::Value &value : *items) {
    const json::Object *item = value.getAsObject();
    const json::Array *views = item ? item->getArray("views") : nullptr;
    if (!views)
      return failure("expected an item with \"views\"");
    if (&value != &items->front() && views->size() != made.num_operands)
      return failure("expected items of " + Twine(made.num_operands) + " views like the launch's first, got one of " +
                     Twine(views->size()));
    made.num_operands = static_cast<uint32_t>(views->size());
    made.item_bytes = sizeof(muon_device_item) + views->size() * sizeof(muon_view);
    if (Error error = writeItem(*item, scalars))
      return error;
  }
  return Error::success();
}

/// Everything behind the launches; `tables` is where it will be.
Error KernelRun::writeTables() {
  const json::Array *list = description.getArray("launches");
  if (!list || list->empty())
    return failure("expected \"launches\"");
  launches.assign(list->size(), {});
  image.assign(launches.size() * sizeof(muon_device_launch), 0);
  for (auto &buffer : buffers)
    slots[buffer.getKey()] = append(buffer.getValue());
  for (auto [made, value] : zip(launches, *list)) {
    const json::Object *launch = value.getAsObject();
    if (!launch)
      return failure("expected a launch to be an object");
    if (Error error = writeLaunch(*launch, made))
      return error;
  }
  memcpy(image.data(), launches.data(), launches.size() * sizeof(muon_device_launch));
  return Error::success();
}

Error KernelRun::run(StringRef bitcode) {
  StringRef kernel = description.getString("kernel").value_or("");
  if (Error error = check(muonEmulatorModuleLoad(&module, bitcode.data(), bitcode.size()), "loading the bitcode"))
    return error;
  CUfunction function = nullptr;
  if (Error error = check(cuModuleGetFunction(&function, module, kernel.str().c_str()), "kernel '" + kernel + "'"))
    return error;
  if (Error error = makeBuffers())
    return error;
  if (Error error = writeTables()) // for its size
    return error;
  if (Error error = check(cuMemAlloc_v2(&tables, image.size()), "the tables"))
    return error;
  allocations.push_back(tables);
  if (Error error = writeTables())
    return error;
  if (Error error = upload(tables, image))
    return error;
  auto shared = static_cast<unsigned>(number(description, "shared", 0));
  if (Error error =
          check(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, static_cast<int>(shared)),
                Twine(shared) + " bytes of shared memory"))
    return error;
  auto count = static_cast<uint32_t>(launches.size());
  void *parameters[] = {&tables, &count};
  if (Error error = check(cuLaunchKernel(function, static_cast<unsigned>(number(description, "grid", 1)), 1, 1,
                                         static_cast<unsigned>(number(description, "block", 32)), 1, 1, shared, nullptr,
                                         parameters, nullptr),
                          "the launch"))
    return error;
  cuCtxSynchronize(); // what is wrong with the kernel is in the reports
  return Error::success();
}

Error runKernel(StringRef bitcode, const json::Object &description, Fill fill, uint64_t dataSeed) {
  return KernelRun(description, fill, dataSeed).run(bitcode);
}

} // namespace muon::emulate
