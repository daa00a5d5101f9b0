//===- StepProgram.h - hand-written programs and a trainer's memory for them ------------------===//

#ifndef MUON_TEST_STEPPROGRAM_H
#define MUON_TEST_STEPPROGRAM_H

#include "muon_runtime.h"

#include <deque>
#include <string>
#include <vector>

/// How a variant lays out its workspace.
enum class Layout {
  Slab,    // one slab per matrix
  BigSlab, // as Slab, but too big for matrix-major
  Arrays,  // one array of slots per buffer
  Shared,  // as Arrays, and something all matrices share: never matrix-major
};

/// Parameters of one shape; leading sizes beyond the last two are batch.
struct GroupShape {
  std::vector<int64_t> sizes;
  uint32_t parameters = 1;
  std::vector<uint32_t> scalarSets = {};
};

/// The step of StepKernels.h for any list of groups, as the compiler would write it.
class StepProgram {
public:
  static constexpr uint32_t kArguments = 4; // weight, gradient, momentum, metric

  explicit StepProgram(std::vector<GroupShape> shapes, uint32_t mixes = 3, int64_t rowsPerTile = 2);
  StepProgram(const StepProgram &) = delete;

  /// Adds a variant and returns it for the test to change.
  muon_variant &addVariant(Layout layout, const char *target = "test", const char *features = "",
                           uint32_t preference = 0);

  /// The pointer muon_load takes. One program at a time answers.
  muon_program_query publish();

  muon_status load(muon_handle **handle, uint32_t workers = 1, uint32_t variant = 0);

  const std::vector<GroupShape> shapes;
  muon_program program = {};
  std::vector<muon_variant> variants;
  std::vector<muon_group> groups;
  std::deque<std::vector<muon_argument>> arguments;
  std::deque<std::vector<muon_launch>> launches; // of each stage of each variant
  std::deque<std::vector<muon_stage>> stages;    // of each variant
  std::deque<std::vector<muon_operand>> operands;

private:
  void addGroup(const GroupShape &shape);

  uint32_t mixes;
  int64_t rowsPerTile;
  std::deque<std::vector<std::string>> names;
  std::deque<std::vector<const char *>> namePointers;
  std::deque<std::vector<uint32_t>> scalarSets;
};

/// A trainer's tensors, each in its own allocation, contiguous, filled with fixed numbers.
struct TrainerMemory {
  explicit TrainerMemory(const StepProgram &program);

  muon_status bind(muon_handle *handle, muon_binding **binding);
  /// Points the tensor elsewhere; it keeps its values.
  void place(size_t tensor, float *data, std::vector<int64_t> strides);
  /// The values of a tensor in row-major order, wherever it is.
  std::vector<float> values(size_t tensor) const;
  float &element(size_t tensor, uint64_t index) const;

  std::vector<muon_tensor> tensors;
  std::vector<void *> gradients; // of every parameter
  std::vector<muon_scalar> scalars;
  std::vector<muon_parameter_status> status;
  std::vector<uint8_t> workspaceMemory;
  void *workspace = nullptr;
  uint64_t workspaceBytes = 0;
  std::deque<std::vector<float>> storage;
  std::deque<std::vector<int64_t>> sizes, strides;
};

/// What one step must give, computed without the runtime: tensors in binding order.
void referenceStep(const StepProgram &program, std::vector<std::vector<float>> &tensors,
                   const std::vector<muon_scalar> &scalars, uint32_t mixes);

#endif // MUON_TEST_STEPPROGRAM_H
