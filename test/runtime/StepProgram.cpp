//===- StepProgram.cpp ------------------------------------------------------------------------===//

#include "StepProgram.h"

#include "StepKernels.h"

static const muon_program *published = nullptr;
static const muon_program *queryPublished(uint32_t abi) { return abi == MUON_ABI_VERSION ? published : nullptr; }

static uint64_t roundUp(uint64_t bytes) { return (bytes + 63) & ~uint64_t(63); }

StepProgram::StepProgram(std::vector<GroupShape> shapes, uint32_t mixes, int64_t rowsPerTile)
    : shapes(std::move(shapes)), mixes(mixes), rowsPerTile(rowsPerTile) {
  static const muon_scalar_name scalarNames[] = {{"lr", 0, 0}, {"mu", 0, 0}};
  program.abi_version = MUON_ABI_VERSION;
  program.num_scalars = 2;
  program.num_scalar_sets = 2;
  program.name = "step";
  program.scalars = scalarNames;
  for (const GroupShape &shape : this->shapes)
    addGroup(shape);
  program.groups = groups.data();
  program.num_groups = static_cast<uint32_t>(groups.size());
}

void StepProgram::addGroup(const GroupShape &shape) {
  uint32_t rank = static_cast<uint32_t>(shape.sizes.size());
  auto argument = [&](const char *name, uint32_t role, uint32_t itsRank) {
    muon_argument made = {};
    made.name = name;
    made.role = role;
    made.dtype = MUON_F32;
    made.rank = itsRank;
    for (uint32_t axis = 0; axis < itsRank; ++axis)
      made.sizes[axis] = shape.sizes[axis];
    return made;
  };
  arguments.push_back({argument("weight", MUON_WEIGHT, rank), argument("gradient", MUON_GRADIENT, rank),
                       argument("momentum", MUON_STATE, rank), argument("first_element", MUON_METRIC, rank - 2)});
  muon_group group = {};
  group.function = "step";
  group.num_arguments = kArguments;
  group.num_parameters = shape.parameters;
  group.arguments = arguments.back().data();
  group.matrices_per_parameter = 1;
  for (uint32_t axis = 0; axis + 2 < rank; ++axis)
    group.matrices_per_parameter *= static_cast<uint64_t>(shape.sizes[axis]);
  group.first_parameter = program.num_parameters;
  program.num_parameters += shape.parameters;
  names.emplace_back();
  namePointers.emplace_back();
  scalarSets.push_back(shape.scalarSets);
  scalarSets.back().resize(shape.parameters);
  for (uint32_t p = 0; p < shape.parameters; ++p)
    names.back().push_back("layer." + std::to_string(group.first_parameter + p));
  for (const std::string &name : names.back())
    namePointers.back().push_back(name.c_str());
  group.parameters = namePointers.back().data();
  group.scalar_sets = scalarSets.back().data();
  groups.push_back(group);
}

namespace {
/// Builds the launches of one variant.
struct VariantBuilder {
  StepProgram &owner;
  Layout layout;
  muon_variant &variant;

  struct Buffers {
    muon_operand flag, x, y, shared;
  };

  muon_operand argument(uint32_t index, int rowAxis, int columnAxis, bool written) {
    muon_operand operand = {};
    operand.place = MUON_PLACE_ARGUMENT;
    operand.dtype = MUON_F32;
    operand.argument = index;
    operand.row_axis = rowAxis;
    operand.column_axis = columnAxis;
    operand.written = written;
    return operand;
  }

  muon_operand buffer(uint32_t dtype, uint64_t offset, uint64_t stride, int64_t columns) {
    muon_operand operand = {};
    operand.place = MUON_PLACE_WORKSPACE;
    operand.dtype = dtype;
    operand.offset = offset;
    operand.matrix_stride = stride;
    operand.row_stride = columns;
    operand.column_stride = 1;
    return operand;
  }

  Buffers buffers(const muon_group &group, int64_t rows, int64_t columns) {
    uint64_t count = group.num_parameters * group.matrices_per_parameter;
    uint64_t bytes = roundUp(uint64_t(rows * columns) * sizeof(float));
    uint64_t base = variant.workspace_bytes;
    Buffers made;
    uint64_t padding = layout == Layout::BigSlab ? 2 << 20 : 0;
    if (layout == Layout::Slab || layout == Layout::BigSlab) {
      uint64_t slab = 64 + 2 * bytes + padding;
      made = {buffer(MUON_I32, base, slab, 1),
              buffer(MUON_F32, base + 64, slab, columns),
              buffer(MUON_F32, base + 64 + bytes, slab, columns),
              {}};
    } else {
      made = {buffer(MUON_I32, base, 64, 1), buffer(MUON_F32, base + count * 64, bytes, columns),
              buffer(MUON_F32, base + count * (64 + bytes), bytes, columns),
              buffer(MUON_F32, base + count * (64 + 2 * bytes), 0, 1)};
    }
    variant.workspace_bytes += count * (64 + 2 * bytes + padding) + 64;
    return made;
  }

  muon_launch launch(uint32_t group, muon_tile_function function, const char *kernel, int64_t rows, int64_t columns,
                     int64_t rowsPerTile, std::vector<muon_operand> operands, int32_t predicate) {
    owner.operands.push_back(std::move(operands));
    muon_launch made = {};
    made.function = function;
    made.kernel = kernel;
    made.group = group;
    made.tiles_per_matrix = static_cast<uint32_t>((rows + rowsPerTile - 1) / rowsPerTile);
    made.num_operands = static_cast<uint32_t>(owner.operands.back().size());
    made.operands = owner.operands.back().data();
    made.sizes[0] = rows;
    made.sizes[1] = columns;
    made.sizes[2] = rowsPerTile;
    made.item_offset = variant.items_bytes;
    made.item_bytes = sizeof(muon_item) + made.num_operands * sizeof(muon_view);
    made.predicate = predicate;
    const muon_group &of = owner.groups[group];
    variant.items_bytes += of.num_parameters * of.matrices_per_parameter * made.item_bytes;
    return made;
  }

  /// Appends the group's launches to the stages.
  void addGroup(uint32_t g, uint32_t mixes, int64_t rowsPerTile, std::vector<std::vector<muon_launch>> &stages) {
    const std::vector<int64_t> &sizes = owner.shapes[g].sizes;
    int rank = static_cast<int>(sizes.size());
    int64_t rows = sizes[rank - 2], columns = sizes[rank - 1];
    Buffers at = buffers(owner.groups[g], rows, columns);
    auto written = [](muon_operand operand) {
      operand.written = 1;
      return operand;
    };
    auto add = [&](uint32_t stage, muon_tile_function function, const char *kernel, int64_t perTile,
                   std::vector<muon_operand> operands, int32_t predicate) {
      if (layout == Layout::Shared)
        operands.push_back(at.shared);
      stages[stage].push_back(launch(g, function, kernel, rows, columns, perTile, std::move(operands), predicate));
    };
    auto matrix = [&](uint32_t index, bool isWritten) { return argument(index, rank - 2, rank - 1, isWritten); };
    add(0, probe_tile, "probe", rowsPerTile, {matrix(1, false), written(at.flag)}, -1);
    add(1, absorb_tile, "absorb", rowsPerTile, {matrix(1, false), matrix(2, true), written(at.x), at.flag}, 3);
    for (uint32_t mix = 0; mix < mixes; ++mix) {
      add(2 + mix, mix_tile, "mix", rowsPerTile, {at.x, written(at.y), at.flag}, 2);
      std::swap(at.x, at.y);
    }
    add(2 + mixes, apply_tile, "apply", rowsPerTile, {matrix(0, true), at.x, argument(3, -1, -1, true), at.flag}, 3);
  }
};
} // namespace

muon_variant &StepProgram::addVariant(Layout layout, const char *target, const char *features, uint32_t preference) {
  muon_variant variant = {};
  variant.target = target;
  variant.features = features;
  variant.preference = preference;
  variant.scratch_per_worker = 100;
  variant.report = "{}";
  std::vector<std::vector<muon_launch>> perStage(mixes + 3);
  VariantBuilder builder{*this, layout, variant};
  for (uint32_t g = 0; g < groups.size(); ++g)
    builder.addGroup(g, mixes, rowsPerTile, perStage);
  stages.emplace_back();
  for (std::vector<muon_launch> &stage : perStage) {
    launches.push_back(std::move(stage));
    stages.back().push_back({static_cast<uint32_t>(launches.back().size()), 0, launches.back().data()});
  }
  variant.stages = stages.back().data();
  variant.num_stages = static_cast<uint32_t>(stages.back().size());
  variants.push_back(variant);
  program.variants = variants.data();
  program.num_variants = static_cast<uint32_t>(variants.size());
  return variants.back();
}

muon_program_query StepProgram::publish() {
  published = &program;
  return queryPublished;
}

muon_status StepProgram::load(muon_handle **handle, uint32_t workers, uint32_t variant) {
  muon_options options = {};
  options.workers = workers;
  options.variant = variant;
  return muon_load(publish(), &options, handle);
}

TrainerMemory::TrainerMemory(const StepProgram &program) {
  uint32_t seed = 1;
  for (const muon_group &group : program.groups)
    for (uint32_t p = 0; p < group.num_parameters; ++p) {
      for (uint32_t a = 0; a < group.num_arguments; ++a) {
        const muon_argument &argument = group.arguments[a];
        sizes.emplace_back(argument.sizes, argument.sizes + argument.rank);
        strides.emplace_back(argument.rank);
        int64_t elements = 1;
        for (uint32_t axis = argument.rank; axis-- > 0;) {
          strides.back()[axis] = elements;
          elements *= argument.sizes[axis];
        }
        storage.emplace_back(elements);
        for (float &value : storage.back())
          value = static_cast<float>((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
        tensors.push_back(
            {storage.back().data(), argument.dtype, argument.rank, sizes.back().data(), strides.back().data()});
      }
      gradients.push_back(tensors[tensors.size() - 3].data);
    }
  status.resize(program.program.num_parameters, {77, 77});
  scalars.resize(4);
  scalars[0].f64 = 0.1;
  scalars[1].f64 = 0.9;
  scalars[2].f64 = 0.01;
  scalars[3].f64 = 0.5;
}

muon_status TrainerMemory::bind(muon_handle *handle, muon_binding **binding) {
  workspaceBytes = muon_workspace_size(handle);
  workspaceMemory.assign(workspaceBytes + 64, 0xCD); // never rely on its contents
  workspace = workspaceMemory.data() + (-reinterpret_cast<uintptr_t>(workspaceMemory.data()) & 63);
  return muon_bind(handle, tensors.data(), tensors.size(), workspace, workspaceBytes, status.data(), binding);
}

float &TrainerMemory::element(size_t tensor, uint64_t index) const {
  const muon_tensor &at = tensors[tensor];
  int64_t offset = 0;
  for (uint32_t axis = at.rank; axis-- > 0;) {
    offset += static_cast<int64_t>(index % uint64_t(at.sizes[axis])) * at.strides[axis];
    index /= uint64_t(at.sizes[axis]);
  }
  return static_cast<float *>(at.data)[offset];
}

std::vector<float> TrainerMemory::values(size_t tensor) const {
  uint64_t elements = 1;
  for (uint32_t axis = 0; axis < tensors[tensor].rank; ++axis)
    elements *= uint64_t(tensors[tensor].sizes[axis]);
  std::vector<float> copy(elements);
  for (uint64_t i = 0; i < elements; ++i)
    copy[i] = element(tensor, i);
  return copy;
}

void TrainerMemory::place(size_t tensor, float *data, std::vector<int64_t> newStrides) {
  std::vector<float> kept = values(tensor);
  strides[tensor] = std::move(newStrides);
  bool isGradient = tensor % StepProgram::kArguments == 1;
  tensors[tensor].data = data;
  tensors[tensor].strides = strides[tensor].data();
  for (uint64_t i = 0; i < kept.size(); ++i)
    element(tensor, i) = kept[i];
  if (isGradient)
    gradients[tensor / StepProgram::kArguments] = data;
}

void referenceStep(const StepProgram &program, std::vector<std::vector<float>> &tensors,
                   const std::vector<muon_scalar> &scalars, uint32_t mixes) {
  size_t base = 0;
  for (const muon_group &group : program.groups) {
    const std::vector<int64_t> &sizes = program.shapes[&group - program.groups.data()].sizes;
    int64_t m = sizes[sizes.size() - 2], n = sizes[sizes.size() - 1];
    for (uint32_t p = 0; p < group.num_parameters; ++p, base += StepProgram::kArguments)
      for (uint64_t b = 0; b < group.matrices_per_parameter; ++b) {
        const muon_scalar *row = &scalars[group.scalar_sets[p] * 2];
        float lr = static_cast<float>(row[0].f64), mu = static_cast<float>(row[1].f64);
        float *w = &tensors[base][b * m * n], *g = &tensors[base + 1][b * m * n],
              *state = &tensors[base + 2][b * m * n];
        std::vector<float> x(m * n), y(m * n);
        for (int64_t i = 0; i < m * n; ++i)
          x[i] = state[i] = mu * state[i] + g[i];
        for (uint32_t mix = 0; mix < mixes; ++mix, std::swap(x, y))
          for (int64_t j = 0; j < n; ++j) {
            float sum = 0;
            for (int64_t i = 0; i < m; ++i)
              sum += x[i * n + j];
            for (int64_t i = 0; i < m; ++i)
              y[i * n + j] = 0.5f * x[i * n + j] + 0.25f * sum / static_cast<float>(m);
          }
        for (int64_t i = 0; i < m * n; ++i)
          w[i] -= lr * x[i];
        tensors[base + 3][b] = x[0] + static_cast<float>(group.first_parameter + p);
      }
  }
}
