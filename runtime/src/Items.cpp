//===- Items.cpp ------------------------------------------------------------------------------===//

#include "Items.h"

#include "Tensors.h"

namespace muon::runtime {

uint32_t batchAxes(const muon_operand &operand, const muon_argument &argument, uint64_t matrices) {
  uint64_t product = 1;
  uint32_t axis = 0;
  while (product < matrices && axis < argument.rank && static_cast<int32_t>(axis) != operand.row_axis &&
         static_cast<int32_t>(axis) != operand.column_axis)
    product *= static_cast<uint64_t>(argument.sizes[axis++]);
  return product == matrices ? axis : 0;
}

/// Elements from the tensor's start to the one with this row-major index over axes [first, last).
static int64_t elementOffset(const muon_tensor &tensor, uint64_t index, uint32_t first, uint32_t last) {
  int64_t offset = 0;
  for (uint32_t axis = last; axis-- > first;) {
    uint64_t size = static_cast<uint64_t>(tensor.sizes[axis]);
    offset += static_cast<int64_t>(index % size) * tensor.strides[axis];
    index /= size;
  }
  return offset;
}

/// The stride of an axis as kernels see it. A dimension of size 1 may come with any stride; it gets
/// the one that lets the other dimension be the unit one where it is.
static int64_t axisStride(const muon_tensor &tensor, int32_t axis, int32_t other) {
  if (axis < 0)
    return 0;
  if (tensor.sizes[axis] != 1)
    return tensor.strides[axis];
  bool otherIsUnit = other >= 0 && tensor.sizes[other] != 1 && tensor.strides[other] == 1;
  return otherIsUnit ? tensor.sizes[other] : 1;
}

namespace {
/// Resolves the operands of one launch, matrix by matrix.
struct Resolver {
  Binding &binding;
  const muon_tensor *groupTensors; // of the launch's group
  const muon_launch &launch;
  const muon_group &group;
  uint64_t workspaceLow; // the group's, in the operands' offsets

  void resolveMatrix(const Share &share, uint64_t inGroup) {
    uint64_t parameter = inGroup / group.matrices_per_parameter;
    uint64_t matrix = inGroup % group.matrices_per_parameter;
    muon_item *item = binding.item(launch, inGroup);
    item->scalars = nullptr;
    item->parameter = group.first_parameter + parameter;
    item->skipped = binding.parameters[item->parameter].hasGradient;
    item->matrix = static_cast<uint32_t>(matrix);
    for (uint32_t o = 0; o < launch.num_operands; ++o) {
      const muon_operand &operand = launch.operands[o];
      if (operand.place == MUON_PLACE_WORKSPACE)
        viewsOf(item)[o] = {binding.workspace + share.base + (operand.offset - workspaceLow) +
                                (inGroup - share.firstMatrix) * operand.matrix_stride,
                            operand.row_stride, operand.column_stride};
      else
        viewsOf(item)[o] = argumentView(operand, parameter, matrix, &viewsOf(item)[o]);
    }
  }

  muon_view argumentView(const muon_operand &operand, uint64_t parameter, uint64_t matrix, muon_view *destination) {
    const muon_argument &argument = group.arguments[operand.argument];
    const muon_tensor &tensor = groupTensors[parameter * group.num_arguments + operand.argument];
    uint32_t batch = batchAxes(operand, argument, group.matrices_per_parameter);
    int64_t elements =
        elementOffset(tensor, matrix, 0, batch) + elementOffset(tensor, operand.offset, batch, argument.rank);
    uint64_t bytes = static_cast<uint64_t>(elements) * elementBytes(argument.dtype);
    muon_view view = {nullptr, axisStride(tensor, operand.row_axis, operand.column_axis),
                      axisStride(tensor, operand.column_axis, operand.row_axis)};
    if (argument.role == MUON_GRADIENT) {
      Parameter &owner = binding.parameters[group.first_parameter + parameter];
      binding.gradientViews[owner.firstView + owner.numViews++] = {destination, bytes};
    } else if (tensor.data) {
      view.data = static_cast<uint8_t *>(tensor.data) + bytes;
    }
    return view;
  }
};
} // namespace

void resolveItems(Binding &binding, const muon_tensor *tensors) {
  const WavePlan &plan = binding.plan();
  const Share *share = plan.shares.begin();
  for (uint32_t g = 0; g < binding.program().num_groups; ++g) {
    const muon_group &group = binding.program().groups[g];
    for (; share != plan.shares.end() && share->group == g; ++share)
      for (uint64_t l = 0; l < plan.groups[g].numLaunches; ++l) {
        Resolver resolver{binding, tensors, plan.launch(g, l), group, plan.groups[g].low};
        for (uint64_t m = share->firstMatrix; m < share->endMatrix; ++m)
          resolver.resolveMatrix(*share, m);
      }
    tensors += uint64_t(group.num_parameters) * group.num_arguments;
  }
}

} // namespace muon::runtime
