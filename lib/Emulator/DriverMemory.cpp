//===- DriverMemory.cpp - allocations and copies ----------------------------------------------===//

#include "Driver.h"
#include "TensorMap.h"
#include "muon/Emulator/Emulator.h"

#include <cstring>

using namespace muon::emulator;

static void *pointer(CUdeviceptr address) { return reinterpret_cast<void *>(address); }

static bool inRange(CUdeviceptr address, size_t bytes) { return machine().memory.holds(pointer(address), bytes); }

static void copyToDevice(CUdeviceptr to, const void *from, size_t bytes) {
  memcpy(pointer(to), from, bytes);
  if (bytes)
    machine().memory.find(pointer(to))->mark(pointer(to), bytes, Byte::defined);
}

static void copyOnDevice(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  memmove(pointer(to), pointer(from), bytes);
  if (!bytes)
    return;
  Region *source = machine().memory.find(pointer(from));
  const Byte *states = source->state + (static_cast<uint8_t *>(pointer(from)) - source->begin);
  Region *target = machine().memory.find(pointer(to));
  // What was poison stays it.
  memmove(target->state + (static_cast<uint8_t *>(pointer(to)) - target->begin), states, bytes);
}

template <typename Unit> static void fill(CUdeviceptr to, Unit value, size_t count) {
  for (size_t i = 0; i < count; ++i)
    memcpy(static_cast<uint8_t *>(pointer(to)) + i * sizeof(Unit), &value, sizeof(Unit));
  if (count)
    machine().memory.find(pointer(to))->mark(pointer(to), count * sizeof(Unit), Byte::defined);
}

extern "C" {

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  MUON_DRIVER_ENTER(cuMemAlloc_v2);
  if (!bytes)
    return CUDA_ERROR_INVALID_VALUE;
  void *memory = machine().memory.allocate(bytes);
  *address = reinterpret_cast<CUdeviceptr>(memory);
  return memory ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult muonEmulatorNameMemory(CUdeviceptr address, const char *name) {
  std::lock_guard guard(driver().lock);
  Region *region = machine().memory.find(pointer(address));
  if (!region)
    return CUDA_ERROR_INVALID_VALUE;
  region->name = name;
  return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  std::lock_guard guard(driver().lock);
  driver().drain(); // work in flight may use it
  if (address && !machine().memory.free(pointer(address)))
    return CUDA_ERROR_INVALID_VALUE;
  return machine().sticky;
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  MUON_DRIVER_ENTER(cuMemGetInfo_v2);
  *total = Memory::kDeviceBytes;
  *free = Memory::kDeviceBytes - machine().memory.liveBytes();
  return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
  MUON_DRIVER_ENTER(cuMemcpyHtoD_v2);
  if (!inRange(to, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = driver().drain())
    return error;
  copyToDevice(to, from, bytes);
  return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
  MUON_DRIVER_ENTER(cuMemcpyDtoH_v2);
  if (!inRange(from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = driver().drain())
    return error;
  memcpy(to, pointer(from), bytes);
  return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  MUON_DRIVER_ENTER(cuMemcpyDtoD_v2);
  if (!inRange(to, bytes) || !inRange(from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  return driver().submit(nullptr, [=] { copyOnDevice(to, from, bytes); });
}

/// Host memory is pageable here: it is read at once, or in a captured graph whenever the graph runs.
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  MUON_DRIVER_ENTER(cuMemcpyHtoDAsync_v2);
  if (!inRange(to, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (stream && driver().streams.count(stream) && stream->capturing)
    return driver().submit(stream, [=] { copyToDevice(to, from, bytes); });
  auto *begin = static_cast<const uint8_t *>(from);
  return driver().submit(stream, [to, staged = std::vector<uint8_t>(begin, begin + bytes)] {
    copyToDevice(to, staged.data(), staged.size());
  });
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  MUON_DRIVER_ENTER(cuMemcpyDtoHAsync_v2);
  if (!inRange(from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = driver().submit(stream, [=] { memcpy(to, pointer(from), bytes); }))
    return error;
  return stream && stream->capturing ? CUDA_SUCCESS : driver().drain(); // to pageable memory it returns when done
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  MUON_DRIVER_ENTER(cuMemcpyDtoDAsync_v2);
  if (!inRange(to, bytes) || !inRange(from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  return driver().submit(stream, [=] { copyOnDevice(to, from, bytes); });
}

CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) {
  MUON_DRIVER_ENTER(cuMemsetD8_v2);
  if (!inRange(to, count))
    return CUDA_ERROR_INVALID_VALUE;
  return driver().submit(nullptr, [=] { fill(to, value, count); });
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  MUON_DRIVER_ENTER(cuMemsetD8Async);
  if (!inRange(to, count))
    return CUDA_ERROR_INVALID_VALUE;
  return driver().submit(stream, [=] { fill(to, value, count); });
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  MUON_DRIVER_ENTER(cuMemsetD32Async);
  if (to % 4 || !inRange(to, 4 * count))
    return CUDA_ERROR_INVALID_VALUE;
  return driver().submit(stream, [=] { fill(to, value, count); });
}

/// The limits of the driver's documentation.
CUresult cuTensorMapEncodeTiled(CUtensorMap *map, int type, uint32_t rank, void *address, const uint64_t *sizes,
                                const uint64_t *strides, const uint32_t *box, const uint32_t *elementStrides,
                                int interleave, int swizzle, int, int outOfBounds) {
  MUON_DRIVER_ENTER(cuTensorMapEncodeTiled);
  bool wide = type == CU_TENSOR_MAP_DATA_TYPE_FLOAT32 || type == CU_TENSOR_MAP_DATA_TYPE_TFLOAT32;
  bool narrow = type == CU_TENSOR_MAP_DATA_TYPE_FLOAT16 || type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  if ((!wide && !narrow) || !rank || rank > 5 || interleave || outOfBounds || swizzle < 0 ||
      swizzle > CU_TENSOR_MAP_SWIZZLE_128B || reinterpret_cast<uintptr_t>(address) % 16)
    return CUDA_ERROR_INVALID_VALUE;
  TensorMap made = {};
  made.mark = kTensorMapMark;
  made.elementBytes = wide ? 4 : 2;
  made.rank = static_cast<uint16_t>(rank);
  made.swizzleBytes = swizzle ? 16u << swizzle : 0;
  made.address = reinterpret_cast<uintptr_t>(address);
  for (uint32_t axis = 0; axis < rank; ++axis) {
    if (!sizes[axis] || sizes[axis] > UINT32_MAX || !box[axis] || box[axis] > 256 ||
        (elementStrides && elementStrides[axis] != 1) || (axis && strides[axis - 1] % 16))
      return CUDA_ERROR_INVALID_VALUE;
    made.sizes[axis] = static_cast<uint32_t>(sizes[axis]);
    made.box[axis] = box[axis];
    if (axis)
      made.strides[axis - 1] = strides[axis - 1];
  }
  uint32_t rowBytes = box[0] * made.elementBytes;
  if (rowBytes % 16 || (made.swizzleBytes && rowBytes > made.swizzleBytes))
    return CUDA_ERROR_INVALID_VALUE;
  memset(map, 0, sizeof *map);
  memcpy(map, &made, sizeof made);
  return CUDA_SUCCESS;
}
}
