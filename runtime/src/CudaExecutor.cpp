//===- CudaExecutor.cpp -----------------------------------------------------------------------===//

#include "CudaExecutor.h"

#include "CudaProgram.h"

#include <string.h>

namespace muon::runtime {

namespace {
/// Writes the tables as the device will see them, on the host.
struct TableWriter {
  Binding &binding;
  const CudaProgram &cuda;
  Array<uint8_t> image; // from tables.launches on

  uint64_t address(uint64_t offset) const { return reinterpret_cast<uintptr_t>(binding.workspace) + offset; }
  template <typename T> T *at(uint64_t offset) {
    return reinterpret_cast<T *>(image.data() + (offset - cuda.tables.launches));
  }
  template <typename T> T *devicePointer(uint64_t offset) const { return reinterpret_cast<T *>(address(offset)); }

  void writeItem(const muon_launch &launch, uint64_t matrix, uint64_t offset) {
    const muon_program &program = binding.program();
    const muon_group &group = program.groups[launch.group];
    const muon_item &resolved = *binding.item(launch, matrix);
    const Parameter &parameter = binding.parameters[resolved.parameter];
    uint64_t set = program.num_scalars ? group.scalar_sets[parameter.index] : 0;
    auto *item = at<muon_device_item>(offset);
    item->scalars =
        devicePointer<const muon_scalar>(cuda.tables.scalars + set * program.num_scalars * sizeof(muon_scalar));
    item->gradient = parameter.hasGradient
                         ? devicePointer<void *const>(cuda.tables.begin + resolved.parameter * sizeof(void *))
                         : nullptr;
    item->status = binding.status ? &binding.status[resolved.parameter].state : nullptr;
    item->parameter = resolved.parameter;
    item->matrix = resolved.matrix;
    memcpy(static_cast<void *>(item + 1), static_cast<const void *>(&resolved + 1),
           launch.num_operands * sizeof(muon_view));
  }

  /// Views of gradients hold offsets: resolveItems has listed which these are.
  void writeGradientOffsets() {
    for (const GradientView &view : binding.gradientViews)
      view.view->data = reinterpret_cast<void *>(view.offset);
  }

  void writeLaunch(uint64_t index, uint32_t firstTile, uint64_t &constants, uint64_t &items) {
    const muon_launch &launch = *cuda.order[index];
    uint64_t itemBytes = sizeof(muon_device_item) + launch.num_operands * sizeof(muon_view);
    auto *made = at<muon_device_launch>(cuda.tables.launches + index * sizeof(muon_device_launch));
    made->first_tile = firstTile;
    made->tiles_per_matrix = launch.tiles_per_matrix;
    made->num_operands = launch.num_operands;
    made->num_coefficients = launch.num_coefficients;
    memcpy(made->sizes, launch.sizes, sizeof made->sizes);
    made->items = devicePointer<const uint8_t>(items);
    made->item_bytes = itemBytes;
    made->coefficients = devicePointer<const double>(constants);
    made->predicate = launch.predicate;
    if (launch.num_coefficients)
      memcpy(at<double>(constants), launch.coefficients, launch.num_coefficients * sizeof(double));
    constants += launch.num_coefficients * sizeof(double);
    uint64_t matrices = matricesOf(binding.program().groups[launch.group]);
    for (uint64_t matrix = 0; matrix < matrices; ++matrix, items += itemBytes)
      writeItem(launch, matrix, items);
  }

  bool write() {
    if (!image.allocate(cuda.tables.end - cuda.tables.launches))
      return false;
    writeGradientOffsets();
    uint64_t constants = cuda.tables.constants, items = cuda.tables.items;
    for (const CudaLaunch &launch : cuda.launches) {
      uint32_t firstTile = 0;
      for (uint64_t i = launch.first; i < launch.first + launch.count; ++i) {
        writeLaunch(i, firstTile, constants, items);
        const muon_launch &part = *cuda.order[i];
        firstTile += static_cast<uint32_t>(matricesOf(binding.program().groups[part.group]) * part.tiles_per_matrix);
      }
    }
    return true;
  }
};
} // namespace

static muon_status refuse(const CudaProgram &cuda, const char *what, CudaResult error) {
  return fail(MUON_ERROR_DEVICE, "%s failed: %s", what, cuda.driver.nameOf(error));
}

muon_status uploadTables(Binding &binding) {
  const CudaProgram &cuda = *binding.handle->cuda;
  TableWriter writer{binding, cuda, {}};
  if (!writer.write())
    return fail(MUON_ERROR_MEMORY, "no memory for %llu bytes of tables",
                static_cast<unsigned long long>(cuda.tables.end - cuda.tables.launches));
  CudaScope scope(cuda);
  if (scope.error)
    return refuse(cuda, "cuCtxPushCurrent", scope.error);
  CudaResult error =
      cuda.driver.copyToDevice(writer.address(cuda.tables.launches), writer.image.data(), writer.image.size());
  return error ? refuse(cuda, "copying the binding's tables to its workspace", error) : MUON_OK;
}

muon_status executeOnCuda(Binding &binding, void *const *gradients, const muon_scalar *scalars, void *streamPointer) {
  const CudaProgram &cuda = *binding.handle->cuda;
  const CudaDriver &driver = cuda.driver;
  const muon_program &program = binding.program();
  auto stream = static_cast<CudaStream>(streamPointer);
  uint64_t workspace = reinterpret_cast<uintptr_t>(binding.workspace);
  CudaScope scope(cuda);
  CudaResult error = scope.error;
  uint64_t scalarBytes = uint64_t(program.num_scalar_sets) * program.num_scalars * sizeof(muon_scalar);
  if (!error && gradients)
    error = driver.copyToDeviceAsync(workspace + cuda.tables.begin, gradients, program.num_parameters * sizeof(void *),
                                     stream);
  if (!error && scalarBytes)
    error = driver.copyToDeviceAsync(workspace + cuda.tables.scalars, scalars, scalarBytes, stream);
  if (!error && binding.status)
    error = driver.fillAsync(reinterpret_cast<uintptr_t>(binding.status), 0,
                             program.num_parameters * sizeof(muon_parameter_status) / 4, stream);
  if (error)
    return refuse(cuda, "copying gradient pointers and scalars to the device", error);
  for (const CudaLaunch &launch : cuda.launches) {
    uint64_t table = workspace + cuda.tables.launches + launch.first * sizeof(muon_device_launch);
    uint32_t count = launch.count;
    void *parameters[] = {&table, &count};
    error = driver.launch(launch.function, launch.blocks, 1, 1, launch.threads, 1, 1, launch.sharedBytes, stream,
                          parameters, nullptr);
    if (error)
      return fail(MUON_ERROR_DEVICE, "launching kernel '%s' failed: %s", launch.kernel, driver.nameOf(error));
  }
  return MUON_OK;
}

} // namespace muon::runtime
