//===- Trainer.h - Memory as trainers hold it ---------------------------------------*- C++ -*-===//
#ifndef MUON_TEST_EXECUTION_TRAINER_H
#define MUON_TEST_EXECUTION_TRAINER_H

#include "Device.h"
#include "Matrix.h"
#include "Program.h"

#include <map>
#include <memory>

namespace muon::execution {

using namespace float64;

/// How the last two dimensions lie in memory. A view is part of a larger buffer, at an address
/// that is aligned for its elements only.
enum class Layout { rows, columns, viewOfRows, viewOfColumns };

/// One tensor argument of one parameter.
class Tensor {
public:
  Tensor(const muon_argument &argument, Layout layout);

  const std::string &name() const { return argumentName; }
  uint32_t role() const { return argumentRole; }
  muon_tensor describe();
  void *data() { return start + first * width; }
  /// Lives on the device from now on; `data` is there.
  void moveTo(Device &device) { start = static_cast<uint8_t *>(device.mirror(memory.data(), memory.size())); }

  int64_t matrices() const;
  /// The tensor's k-th matrix; a vector is one row.
  Matrix matrix(int64_t k = 0) const;
  /// Rounds to nearest where the tensor is narrower.
  void set(const Matrix &values, int64_t k = 0);
  /// The elements' bits in row-major order, whatever the layout.
  std::vector<uint64_t> bits() const;
  /// Memory between and around the elements is as it was.
  bool surroundingsIntact() const;

private:
  int64_t rows() const { return sizes.size() > 1 ? sizes[sizes.size() - 2] : 1; }
  int64_t columns() const { return sizes.empty() ? 1 : sizes.back(); }
  /// Byte offset of the element with this row-major index.
  size_t place(int64_t index) const;

  std::string argumentName;
  uint32_t argumentRole, dtype;
  std::vector<int64_t> sizes, strides;
  size_t width, first;
  std::vector<uint8_t> memory;
  uint8_t *start; ///< of the buffer that programs see
};

using Scalars = std::map<std::string, double>;

/// Every tensor of a program, bound and run.
class Trainer {
public:
  struct Options {
    uint32_t workers = 1;
    Layout weight = Layout::rows, gradient = Layout::rows, state = Layout::rows;
    uint32_t variant = 0;
    uint64_t schedule = 0; ///< GPU programs: the order in which the threads of a block run
  };
  explicit Trainer(const Program &program) : Trainer(program, Options()) {}
  Trainer(const Program &program, Options options);
  ~Trainer();
  Trainer(const Trainer &) = delete;
  Trainer &operator=(const Trainer &) = delete;

  size_t parameters() const { return tensors.size(); }
  /// The named argument of a parameter, counted over all groups.
  Tensor &tensor(size_t parameter, const std::string &name);
  Tensor &weight(size_t parameter) { return tensor(parameter, "weight"); }
  Tensor &gradient(size_t parameter) { return tensor(parameter, "gradient"); }
  Tensor &momentum(size_t parameter) { return tensor(parameter, "momentum"); }
  /// Normal random weights, gradients and momenta times these; other states are set to 0.1.
  void fill(uint64_t seed, double weights = 1, double gradients = 1, double momenta = 1);

  /// One step. Parameters listed in `absent` have no gradient. Checks that nothing but the
  /// program's tensors was written.
  void run(const Scalars &scalars, const std::vector<size_t> &absent = {});
  muon_parameter_status status(size_t parameter) const { return statuses[parameter]; }
  /// The bits of everything the program writes.
  std::vector<uint64_t> bits() const;
  const muon_variant *variant() const { return muon_variant_in_use(handle); }
  /// How many launches have a kernel of that kind.
  int64_t launches(const std::string &kind) const;

private:
  void bind();
  void *workspaceOf(uint64_t bytes);

  std::unique_ptr<Device> device; ///< of a GPU program
  muon_handle *handle = nullptr;
  muon_binding *binding = nullptr;
  std::vector<std::vector<Tensor>> tensors;
  std::vector<muon_parameter_status> statuses;
  std::vector<uint8_t> workspace;
};

} // namespace muon::execution

#endif // MUON_TEST_EXECUTION_TRAINER_H
