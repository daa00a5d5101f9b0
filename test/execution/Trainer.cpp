//===- Trainer.cpp ----------------------------------------------------------------------------===//

#include "Trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace muon::execution {

static constexpr uint8_t kUntouched = 0xa5;

static size_t widthOf(uint32_t dtype) { return dtype == MUON_BF16 ? 2 : 4; }

Tensor::Tensor(const muon_argument &argument, Layout layout)
    : argumentName(argument.name), argumentRole(argument.role), dtype(argument.dtype),
      sizes(argument.sizes, argument.sizes + argument.rank), strides(argument.rank), width(widthOf(dtype)) {
  EXPECT_TRUE(dtype == MUON_F32 || dtype == MUON_BF16) << "a test for dtype " << dtype;
  if (sizes.size() < 2)
    layout = Layout::rows; // vectors are dense
  bool view = layout == Layout::viewOfRows || layout == Layout::viewOfColumns;
  bool byColumns = layout == Layout::columns || layout == Layout::viewOfColumns;
  int64_t inner = byColumns ? rows() : columns(), outer = byColumns ? columns() : rows();
  int64_t pitch = inner + (view ? 3 : 0);
  int64_t next = pitch * outer + (view ? 5 : 0);
  for (size_t i = sizes.size(); i-- > 0;) {
    size_t fromEnd = sizes.size() - 1 - i;
    if (fromEnd < 2)
      strides[i] = (fromEnd == 0) == byColumns ? pitch : 1;
    else
      strides[i] = next, next *= sizes[i];
  }
  first = view ? 7 : 0;
  memory.assign((size_t(next) + 2 * first) * width, kUntouched);
  start = memory.data();
  set(Matrix(rows(), columns()));
  for (int64_t k = 0; k < matrices(); ++k)
    set(Matrix(rows(), columns()), k);
}

muon_tensor Tensor::describe() { return {data(), dtype, uint32_t(sizes.size()), sizes.data(), strides.data()}; }

int64_t Tensor::matrices() const {
  int64_t count = 1;
  for (size_t i = 0; i + 2 < sizes.size(); ++i)
    count *= sizes[i];
  return count;
}

size_t Tensor::place(int64_t index) const {
  int64_t offset = int64_t(first);
  for (size_t i = sizes.size(); i-- > 0; index /= sizes[i])
    offset += index % sizes[i] * strides[i];
  return size_t(offset) * width;
}

Matrix Tensor::matrix(int64_t k) const {
  Matrix result(rows(), columns());
  int64_t base = k * int64_t(result.values.size());
  for (size_t i = 0; i < result.values.size(); ++i) {
    uint32_t bits = 0;
    std::memcpy(&bits, &memory[place(base + int64_t(i))], width);
    if (dtype == MUON_BF16)
      bits <<= 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    result.values[i] = value;
  }
  return result;
}

void Tensor::set(const Matrix &values, int64_t k) {
  int64_t base = k * int64_t(values.values.size());
  for (size_t i = 0; i < values.values.size(); ++i) {
    float value = float(dtype == MUON_BF16 ? roundToBf16(values.values[i]) : values.values[i]);
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if (dtype == MUON_BF16)
      bits >>= 16;
    std::memcpy(&memory[place(base + int64_t(i))], &bits, width);
  }
}

std::vector<uint64_t> Tensor::bits() const {
  std::vector<uint64_t> result(size_t(matrices() * rows() * columns()));
  for (size_t i = 0; i < result.size(); ++i)
    std::memcpy(&result[i], &memory[place(int64_t(i))], width);
  return result;
}

bool Tensor::surroundingsIntact() const {
  std::vector<uint8_t> copy = memory;
  for (int64_t i = 0, count = matrices() * rows() * columns(); i < count; ++i)
    std::fill_n(copy.begin() + ptrdiff_t(place(i)), width, kUntouched);
  return std::all_of(copy.begin(), copy.end(), [](uint8_t byte) { return byte == kUntouched; });
}

Trainer::Trainer(const Program &program, Options options) {
  if (isGpu(program.request.target))
    device = std::make_unique<Device>(program.request.target, options.schedule);
  muon_options load{options.workers, options.variant, nullptr, nullptr};
  handle = program.load(load);
  if (!handle)
    return;
  const muon_program *description = muon_describe(handle);
  for (uint32_t g = 0; g < description->num_groups; ++g) {
    const muon_group &group = description->groups[g];
    for (uint32_t p = 0; p < group.num_parameters; ++p) {
      std::vector<Tensor> &own = tensors.emplace_back();
      for (uint32_t a = 0; a < group.num_arguments; ++a) {
        uint32_t role = group.arguments[a].role;
        own.emplace_back(group.arguments[a], role == MUON_WEIGHT     ? options.weight
                                             : role == MUON_GRADIENT ? options.gradient
                                                                     : options.state);
      }
    }
  }
  statuses.resize(tensors.size());
}

Trainer::~Trainer() {
  if (binding)
    muon_release(binding);
  muon_unload(handle);
}

Tensor &Trainer::tensor(size_t parameter, const std::string &name) {
  for (Tensor &tensor : tensors.at(parameter))
    if (tensor.name() == name)
      return tensor;
  throw std::out_of_range("no argument " + name);
}

void Trainer::fill(uint64_t seed, double weights, double gradients, double momenta) {
  for (std::vector<Tensor> &own : tensors)
    for (Tensor &tensor : own) {
      double scale = tensor.role() == MUON_WEIGHT       ? weights
                     : tensor.role() == MUON_GRADIENT   ? gradients
                     : tensor.name() == "second_moment" ? 0
                                                        : momenta;
      for (int64_t k = 0; k < tensor.matrices(); ++k) {
        Matrix shape = tensor.matrix(k);
        Matrix values = scale * normal(shape.rows, shape.columns, ++seed);
        if (tensor.name() == "second_moment")
          std::fill(values.values.begin(), values.values.end(), 0.1);
        tensor.set(values, k);
      }
    }
}

void Trainer::bind() {
  std::vector<muon_tensor> views;
  for (std::vector<Tensor> &own : tensors)
    for (Tensor &tensor : own) {
      if (device)
        tensor.moveTo(*device);
      views.push_back(tensor.describe());
    }
  uint64_t bytes = muon_workspace_size(handle);
  void *status = statuses.data();
  if (device)
    status = device->mirror(statuses.data(), statuses.size() * sizeof(statuses[0]));
  ASSERT_EQ(muon_bind(handle, views.data(), views.size(), workspaceOf(bytes), bytes,
                      static_cast<muon_parameter_status *>(status), &binding),
            MUON_OK)
      << muon_error_text();
}

void *Trainer::workspaceOf(uint64_t bytes) {
  if (device)
    return device->allocate(bytes);
  workspace.assign(bytes + 128, kUntouched);
  void *start = workspace.data();
  size_t space = workspace.size();
  return std::align(64, bytes, start, space);
}

void Trainer::run(const Scalars &scalars, const std::vector<size_t> &absent) {
  ASSERT_NE(handle, nullptr);
  if (!binding)
    ASSERT_NO_FATAL_FAILURE(bind());
  const muon_program *program = muon_describe(handle);
  std::vector<muon_scalar> row;
  for (uint32_t set = 0; set < program->num_scalar_sets; ++set)
    for (uint32_t i = 0; i < program->num_scalars; ++i) {
      auto named = scalars.find(program->scalars[i].name);
      double value = named == scalars.end() ? std::nan("") : named->second;
      muon_scalar &scalar = row.emplace_back();
      if (program->scalars[i].is_integer)
        scalar.i64 = int64_t(value);
      else
        scalar.f64 = value;
    }
  std::vector<void *> gradients;
  for (size_t p = 0; p < tensors.size(); ++p)
    gradients.push_back(std::count(absent.begin(), absent.end(), p) ? nullptr : gradient(p).data());
  if (device)
    device->upload();
  ASSERT_EQ(muon_run(binding, gradients.data(), row.data(), nullptr), MUON_OK) << muon_error_text();
  if (device)
    device->download();
  for (std::vector<Tensor> &own : tensors)
    for (Tensor &tensor : own)
      EXPECT_TRUE(tensor.surroundingsIntact()) << tensor.name();
}

int64_t Trainer::launches(const std::string &kind) const {
  int64_t count = 0;
  for (uint32_t stage = 0; stage < variant()->num_stages; ++stage)
    for (uint32_t i = 0; i < variant()->stages[stage].num_launches; ++i)
      count += std::string(variant()->stages[stage].launches[i].kernel).rfind(kind + "_", 0) == 0;
  return count;
}

std::vector<uint64_t> Trainer::bits() const {
  std::vector<uint64_t> result;
  for (const std::vector<Tensor> &own : tensors)
    for (const Tensor &tensor : own) {
      std::vector<uint64_t> bits = tensor.bits();
      result.insert(result.end(), bits.begin(), bits.end());
    }
  return result;
}

} // namespace muon::execution
