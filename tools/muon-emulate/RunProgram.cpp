//===- RunProgram.cpp -------------------------------------------------------------------------===//

#include "RunProgram.h"

#include "muon/Emulator/Emulator.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <deque>
#include <map>

using namespace llvm;

namespace muon::emulate {

static Error failure(const Twine &text) { return createStringError(text); }

namespace {
/// A tensor argument of one parameter: initial values and description.
struct Tensor {
  const muon_argument *argument;
  std::vector<uint8_t> initial;
  std::vector<int64_t> strides;
};

/// A program with a trainer's memory, on the device or the host.
class Trainer {
public:
  explicit Trainer(bool cuda) : cuda(cuda) {}
  ~Trainer();
  Error load(const std::string &library, const std::string &symbol);
  Error run(const ProgramOptions &options);

  std::deque<Tensor> tensors;
  std::vector<std::vector<uint8_t>> results; // of every tensor

private:
  void makeTensors(const ProgramOptions &options);
  Expected<void *> allocate(uint64_t bytes, const std::vector<uint8_t> *values);

  bool cuda;
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
  std::vector<CUdeviceptr> allocations;
  std::deque<std::vector<uint8_t>> host;
};
} // namespace

Trainer::~Trainer() {
  muon_release(binding);
  muon_unload(handle);
  for (CUdeviceptr address : allocations)
    cuMemFree_v2(address);
}

/// The first variant with images, or the first without.
Error Trainer::load(const std::string &library, const std::string &symbol) {
  muon_options options = {};
  for (options.variant = 1;; ++options.variant) {
    muon_status status = muon_load_library(library.c_str(), symbol.c_str(), &options, &handle);
    if (status == MUON_ERROR_ARGUMENT) // no more variants
      return failure("'" + Twine(library) + "' has no variant for " + (cuda ? "CUDA" : "this processor"));
    if (status == MUON_ERROR_TARGET)
      continue;
    if (status)
      return failure(muon_error_text());
    if ((muon_variant_in_use(handle)->num_images != 0) == cuda)
      return Error::success();
    muon_unload(handle);
    handle = nullptr;
  }
}

void Trainer::makeTensors(const ProgramOptions &options) {
  const muon_program &program = *muon_describe(handle);
  for (uint32_t g = 0; g < program.num_groups; ++g)
    for (uint32_t p = 0; p < program.groups[g].num_parameters; ++p)
      for (uint32_t a = 0; a < program.groups[g].num_arguments; ++a) {
        const muon_argument &argument = program.groups[g].arguments[a];
        Tensor tensor = {&argument, {}, std::vector<int64_t>(argument.rank)};
        int64_t elements = 1;
        for (uint32_t axis = argument.rank; axis-- > 0;) {
          tensor.strides[axis] = elements;
          elements *= argument.sizes[axis];
        }
        Fill fill = argument.role == MUON_STATE || argument.role == MUON_METRIC ? Fill::zero : options.fill;
        tensor.initial =
            makeValues(fill, argument.dtype, static_cast<uint64_t>(elements), options.dataSeed + tensors.size());
        tensors.push_back(std::move(tensor));
      }
}

Expected<void *> Trainer::allocate(uint64_t bytes, const std::vector<uint8_t> *values) {
  if (!cuda) {
    host.emplace_back(bytes + 64);
    auto address = (reinterpret_cast<uintptr_t>(host.back().data()) + 63) & ~uintptr_t(63);
    if (values)
      std::copy(values->begin(), values->end(), reinterpret_cast<uint8_t *>(address));
    return reinterpret_cast<void *>(address);
  }
  CUdeviceptr address = 0;
  if (cuMemAlloc_v2(&address, bytes ? bytes : 1))
    return failure("no device memory for " + Twine(bytes) + " bytes");
  allocations.push_back(address);
  if (values && cuMemcpyHtoD_v2(address, values->data(), values->size()))
    return failure("cannot copy to the device");
  return reinterpret_cast<void *>(address);
}

Error Trainer::run(const ProgramOptions &options) {
  const muon_program &program = *muon_describe(handle);
  makeTensors(options);
  std::vector<muon_tensor> bound;
  std::vector<void *> gradients;
  for (const Tensor &tensor : tensors) {
    Expected<void *> data = allocate(tensor.initial.size(), &tensor.initial);
    if (!data)
      return data.takeError();
    if (cuda)
      muonEmulatorNameMemory(reinterpret_cast<CUdeviceptr>(*data), tensor.argument->name);
    bound.push_back(
        {*data, tensor.argument->dtype, tensor.argument->rank, tensor.argument->sizes, tensor.strides.data()});
    if (tensor.argument->role == MUON_GRADIENT)
      gradients.push_back(*data);
  }
  if (gradients.size() != program.num_parameters)
    return failure("a program with one gradient per parameter is expected");
  auto isKnown = [&](StringRef asked) {
    return llvm::any_of(ArrayRef(program.scalars, program.num_scalars),
                        [&](const muon_scalar_name &scalar) { return asked == scalar.name; });
  };
  for (const auto &[name, value] : options.scalars)
    if (!isKnown(name))
      return failure("--scalar '" + Twine(name) + "': expected a scalar of the program, " +
                     llvm::join(llvm::map_range(ArrayRef(program.scalars, program.num_scalars),
                                                [](const muon_scalar_name &scalar) { return StringRef(scalar.name); }),
                                ", "));
  std::vector<muon_scalar> scalars;
  for (uint32_t set = 0; set < program.num_scalar_sets; ++set)
    for (uint32_t s = 0; s < program.num_scalars; ++s) {
      const muon_scalar_name &name = program.scalars[s];
      auto given = options.scalars.find(name.name);
      double value = given != options.scalars.end() ? given->second : name.is_integer ? 1 : 0.1;
      muon_scalar scalar;
      if (name.is_integer)
        scalar.i64 = static_cast<int64_t>(value);
      else
        scalar.f64 = value;
      scalars.push_back(scalar);
    }
  Expected<void *> workspace = allocate(muon_workspace_size(handle), nullptr);
  if (!workspace)
    return workspace.takeError();
  if (cuda)
    muonEmulatorNameMemory(reinterpret_cast<CUdeviceptr>(*workspace), "the workspace");
  if (muon_bind(handle, bound.data(), bound.size(), *workspace, muon_workspace_size(handle), nullptr, &binding))
    return failure(muon_error_text());
  for (unsigned step = 0; step < options.steps; ++step)
    if (muon_run(binding, gradients.data(), scalars.data(), nullptr)) {
      if (cuda && cuCtxSynchronize()) // a kernel of an earlier step
        return Error::success();
      return failure(muon_error_text());
    }
  if (cuda && cuCtxSynchronize())
    return Error::success(); // the reports say why
  for (auto [i, tensor] : enumerate(tensors)) {
    results.emplace_back(tensor.initial.size());
    if (cuda)
      cuMemcpyDtoH_v2(results.back().data(), reinterpret_cast<CUdeviceptr>(bound[i].data), results.back().size());
    else
      memcpy(results.back().data(), bound[i].data, results.back().size());
  }
  return Error::success();
}

/// || a - b || / || b - initial ||.
static double difference(const Tensor &tensor, const std::vector<uint8_t> &a, const std::vector<uint8_t> &b) {
  uint32_t type = tensor.argument->dtype;
  std::vector<double> got = toDoubles(a, type), expected = toDoubles(b, type),
                      initial = toDoubles(tensor.initial, type);
  double error = 0, change = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += (got[i] - expected[i]) * (got[i] - expected[i]);
    change += (expected[i] - initial[i]) * (expected[i] - initial[i]);
  }
  return error == 0 ? 0 : std::sqrt(error / change);
}

static void printDifferences(const Trainer &device, const Trainer &host) {
  constexpr const char *roles[] = {"weights", "gradients", "states", "inputs", "metrics"};
  std::map<uint32_t, double> worst;
  for (size_t i = 0; i < device.results.size(); ++i) {
    const Tensor &tensor = device.tensors[i];
    double &most = worst[tensor.argument->role];
    double found = difference(tensor, device.results[i], host.results[i]);
    most = found <= most ? most : found; // a NaN is the worst
  }
  for (auto &[role, value] : worst)
    if (role != MUON_GRADIENT && role != MUON_INPUT)
      outs() << "largest difference of " << roles[role] << ": " << format("%.3g", value) << "\n";
}

Error runProgram(const ProgramOptions &options) {
  Trainer device(/*cuda=*/true);
  if (Error error = device.load(options.library, options.symbol))
    return error;
  if (Error error = device.run(options))
    return error;
  if (options.referenceLibrary.empty() || device.results.empty())
    return Error::success();
  Trainer host(/*cuda=*/false);
  if (Error error = host.load(options.referenceLibrary, options.symbol))
    return error;
  if (Error error = host.run(options))
    return error;
  if (host.results.size() != device.results.size())
    return failure("the reference has " + Twine(host.results.size()) + " tensors, the program " +
                   Twine(device.results.size()));
  printDifferences(device, host);
  return Error::success();
}

} // namespace muon::emulate
