//===- CheckProgram.cpp -----------------------------------------------------------------------===//

#include "CheckProgram.h"

#include "Array.h"
#include "Items.h"
#include "Tensors.h"

namespace muon::runtime {

/// Beyond any machine's memory. Sizes up to it, times matrices or workers, do not wrap.
static constexpr uint64_t kMostBytes = uint64_t(1) << 48;

#define MALFORMED(format, ...)                                                                                         \
  fail(MUON_ERROR_ABI, "program '%s' is malformed: " format, program.name __VA_OPT__(, ) __VA_ARGS__)

static muon_status checkArgument(const muon_program &program, uint32_t g, uint32_t a) {
  const muon_argument &argument = program.groups[g].arguments[a];
  if (!argument.name || argument.role > MUON_METRIC || !elementBytes(argument.dtype) || argument.rank > MUON_MAX_RANK)
    return MALFORMED("group %u argument %u has role %u, dtype %u, rank %u", g, a, argument.role, argument.dtype,
                     argument.rank);
  for (uint32_t axis = 0; axis < argument.rank; ++axis)
    if (argument.sizes[axis] < 1)
      return MALFORMED("group %u argument '%s' has size %lld on axis %u", g, argument.name,
                       static_cast<long long>(argument.sizes[axis]), axis);
  return MUON_OK;
}

static muon_status checkGroup(const muon_program &program, uint32_t g) {
  const muon_group &group = program.groups[g];
  if (!group.num_arguments || !group.num_parameters || !group.arguments || !group.parameters)
    return MALFORMED("group %u has no arguments or no parameters", g);
  uint64_t matrices = 0;
  if (!group.matrices_per_parameter ||
      __builtin_mul_overflow(group.matrices_per_parameter, group.num_parameters, &matrices) || matrices > UINT32_MAX)
    return MALFORMED("group %u has %llu matrices per parameter", g,
                     static_cast<unsigned long long>(group.matrices_per_parameter));
  uint32_t gradients = 0;
  for (uint32_t a = 0; a < group.num_arguments; ++a) {
    if (muon_status status = checkArgument(program, g, a))
      return status;
    gradients += group.arguments[a].role == MUON_GRADIENT;
  }
  if (gradients > 1)
    return MALFORMED("group %u has %u gradients; a run passes one per parameter", g, gradients);
  for (uint32_t p = 0; p < group.num_parameters; ++p)
    if (program.num_scalars && (!group.scalar_sets || group.scalar_sets[p] >= program.num_scalar_sets))
      return MALFORMED("group %u parameter %u uses a scalar set outside the %u", g, p, program.num_scalar_sets);
  return MUON_OK;
}

/// That a variant can be looked at: whether it runs here is asked of all of them, checkVariant of the one that does.
static muon_status checkLists(const muon_program &program, const muon_variant &variant) {
  const char *target = variant.target ? variant.target : "?";
  if (variant.num_stages && !variant.stages)
    return MALFORMED("variant '%s' has no stages", target);
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    if (variant.stages[s].num_launches && !variant.stages[s].launches)
      return MALFORMED("stage %u of variant '%s' has no launches", s, target);
  for (uint32_t i = 0; i < variant.num_images; ++i)
    if (!variant.images || !variant.images[i].data || !variant.images[i].bytes ||
        variant.images[i].kind > MUON_IMAGE_BITCODE)
      return MALFORMED("image %u of variant '%s' is empty", i, target);
  return MUON_OK;
}

muon_status checkProgram(const muon_program &program) {
  if (!program.name)
    return fail(MUON_ERROR_ABI, "the program is malformed: it has no name");
  if (!program.num_groups || !program.groups || !program.num_variants || !program.variants)
    return MALFORMED("it has %u groups and %u variants", program.num_groups, program.num_variants);
  uint64_t parameters = 0;
  for (uint32_t g = 0; g < program.num_groups; ++g) {
    if (muon_status status = checkGroup(program, g))
      return status;
    if (program.groups[g].first_parameter != parameters)
      return MALFORMED("group %u starts at parameter %llu instead of %llu", g,
                       static_cast<unsigned long long>(program.groups[g].first_parameter),
                       static_cast<unsigned long long>(parameters));
    parameters += program.groups[g].num_parameters;
  }
  if (parameters != program.num_parameters)
    return MALFORMED("its groups have %llu parameters, it says %llu", static_cast<unsigned long long>(parameters),
                     static_cast<unsigned long long>(program.num_parameters));
  for (uint32_t v = 0; v < program.num_variants; ++v)
    if (muon_status status = checkLists(program, program.variants[v]))
      return status;
  return MUON_OK;
}

/// An operand in the workspace, of which every matrix has its own place or, if it is only read, all have one.
static muon_status checkPlace(const muon_program &program, const muon_variant &variant, const muon_launch &launch,
                              uint32_t o) {
  const muon_operand &operand = launch.operands[o];
  uint64_t matrices = matricesOf(program.groups[launch.group]);
  uint32_t bytes = elementBytes(operand.dtype);
  const char *kernel = launch.kernel ? launch.kernel : "?";
  uint64_t last = 0;
  if (__builtin_mul_overflow(matrices - 1, operand.matrix_stride, &last) ||
      __builtin_add_overflow(last, operand.offset, &last) || last >= variant.workspace_bytes ||
      operand.matrix_stride > variant.workspace_bytes)
    return MALFORMED("operand %u of kernel '%s' lies outside the workspace", o, kernel);
  if (operand.offset % bytes || operand.matrix_stride % bytes)
    return MALFORMED("operand %u of kernel '%s' is not aligned to its elements of %u bytes", o, kernel, bytes);
  if (operand.written && matrices > 1 && !operand.matrix_stride)
    return MALFORMED("kernel '%s' writes memory that all matrices share, operand %u", kernel, o);
  return MUON_OK;
}

static muon_status checkOperand(const muon_program &program, const muon_variant &variant, const muon_launch &launch,
                                uint32_t o) {
  const muon_operand &operand = launch.operands[o];
  const muon_group &group = program.groups[launch.group];
  const char *kernel = launch.kernel ? launch.kernel : "?";
  if (!elementBytes(operand.dtype))
    return MALFORMED("operand %u of kernel '%s' has dtype %u", o, kernel, operand.dtype);
  if (operand.place == MUON_PLACE_WORKSPACE)
    return checkPlace(program, variant, launch, o);
  if (operand.place != MUON_PLACE_ARGUMENT || operand.argument >= group.num_arguments)
    return MALFORMED("operand %u of kernel '%s' names argument %u of %u", o, kernel, operand.argument,
                     group.num_arguments);
  const muon_argument &argument = group.arguments[operand.argument];
  int32_t rank = static_cast<int32_t>(argument.rank);
  if (operand.row_axis < -1 || operand.row_axis >= rank || operand.column_axis < -1 || operand.column_axis >= rank ||
      operand.dtype != argument.dtype)
    return MALFORMED("operand %u of kernel '%s' walks axes %d, %d of '%s' (rank %u)", o, kernel, operand.row_axis,
                     operand.column_axis, argument.name, argument.rank);
  uint32_t batch = batchAxes(operand, argument, group.matrices_per_parameter);
  uint64_t elements = 1; // of one matrix
  for (uint32_t axis = batch; axis < argument.rank; ++axis)
    elements *= static_cast<uint64_t>(argument.sizes[axis]);
  if (operand.offset >= elements)
    return MALFORMED("operand %u of kernel '%s' starts outside '%s'", o, kernel, argument.name);
  if (operand.written && (argument.role == MUON_GRADIENT || argument.role == MUON_INPUT))
    return MALFORMED("kernel '%s' writes '%s', which is only read", kernel, argument.name);
  if (operand.written && group.matrices_per_parameter > 1 && !batch)
    return MALFORMED("kernel '%s' writes '%s', which all matrices of a parameter share", kernel, argument.name);
  return MUON_OK;
}

static muon_status checkLaunch(const muon_program &program, const muon_variant &variant, const muon_launch &launch) {
  const char *kernel = launch.kernel ? launch.kernel : "?";
  if (launch.group >= program.num_groups)
    return MALFORMED("kernel '%s' belongs to group %u of %u", kernel, launch.group, program.num_groups);
  uint64_t matrices = matricesOf(program.groups[launch.group]);
  if (!launch.tiles_per_matrix || matrices * launch.tiles_per_matrix > UINT32_MAX)
    return MALFORMED("kernel '%s' has %u tiles for each of %llu matrices", kernel, launch.tiles_per_matrix,
                     static_cast<unsigned long long>(matrices));
  if (variant.num_images && (!launch.kernel || !launch.block_threads || launch.block_threads > 1024))
    return MALFORMED("kernel '%s' has blocks of %u threads, expected 1 to 1024", kernel, launch.block_threads);
  uint64_t itemBytes = sizeof(muon_item) + uint64_t(launch.num_operands) * sizeof(muon_view);
  uint64_t end = 0;
  if (launch.item_bytes != itemBytes || launch.item_offset % alignof(muon_item) ||
      __builtin_mul_overflow(matrices, itemBytes, &end) || __builtin_add_overflow(end, launch.item_offset, &end) ||
      end > variant.items_bytes)
    return MALFORMED("items of kernel '%s' lie outside the table", kernel);
  if (launch.num_operands && !launch.operands)
    return MALFORMED("kernel '%s' has no operands", kernel);
  if (launch.num_coefficients && !launch.coefficients)
    return MALFORMED("kernel '%s' has no coefficients", kernel);
  for (uint32_t o = 0; o < launch.num_operands; ++o)
    if (muon_status status = checkOperand(program, variant, launch, o))
      return status;
  if (launch.predicate != -1 && (static_cast<uint32_t>(launch.predicate) >= launch.num_operands ||
                                 launch.operands[launch.predicate].dtype != MUON_I32))
    return MALFORMED("kernel '%s' has no i32 operand %d as its predicate", kernel, launch.predicate);
  return MUON_OK;
}

static int byItems(const void *a, const void *b) {
  uint64_t offsetA = (*static_cast<const muon_launch *const *>(a))->item_offset;
  uint64_t offsetB = (*static_cast<const muon_launch *const *>(b))->item_offset;
  return offsetA < offsetB ? -1 : offsetA > offsetB;
}

/// Every launch has items of its own.
static muon_status checkItems(const muon_program &program, const muon_variant &variant) {
  uint64_t count = 0;
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    count += variant.stages[s].num_launches;
  Array<const muon_launch *> launches;
  if (!launches.allocate(count))
    return fail(MUON_ERROR_MEMORY, "no memory for %llu launches", static_cast<unsigned long long>(count));
  const muon_launch **next = launches.data();
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    for (uint32_t l = 0; l < variant.stages[s].num_launches; ++l)
      *next++ = &variant.stages[s].launches[l];
  qsort(launches.data(), count, sizeof *launches.data(), byItems);
  for (uint64_t l = 1; l < count; ++l) {
    const muon_launch &before = *launches[l - 1], &launch = *launches[l];
    if (before.item_offset + matricesOf(program.groups[before.group]) * before.item_bytes > launch.item_offset)
      return MALFORMED("kernels '%s' and '%s' share items", before.kernel ? before.kernel : "?",
                       launch.kernel ? launch.kernel : "?");
  }
  return MUON_OK;
}

muon_status checkVariant(const muon_program &program, const muon_variant &variant) {
  if (variant.workspace_bytes > kMostBytes || variant.scratch_per_worker > kMostBytes ||
      variant.items_bytes > kMostBytes)
    return MALFORMED("variant '%s' has %llu bytes of workspace, %llu of scratch, %llu of items",
                     variant.target ? variant.target : "?", static_cast<unsigned long long>(variant.workspace_bytes),
                     static_cast<unsigned long long>(variant.scratch_per_worker),
                     static_cast<unsigned long long>(variant.items_bytes));
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    for (uint32_t l = 0; l < variant.stages[s].num_launches; ++l)
      if (muon_status status = checkLaunch(program, variant, variant.stages[s].launches[l]))
        return status;
  return checkItems(program, variant);
}

} // namespace muon::runtime
