//===- DriverTest.cpp - the driver API: order, errors, graphs, faults -------------------------===//

#include "RunKernels.h"

TEST(Driver, DescribesTheChip) {
  EmulatedDevice device;
  int major = 0, minor = 0, shared = 0, multiprocessors = 0;
  EXPECT_EQ(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuDeviceGetAttribute(&shared, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuDeviceGetAttribute(&multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0), CUDA_SUCCESS);
  EXPECT_EQ(major * 10 + minor, 80);
  EXPECT_EQ(shared, 163 * 1024);
  EXPECT_EQ(multiprocessors, 108);
  EXPECT_EQ(cuDeviceGetAttribute(&major, 12345, 0), CUDA_ERROR_INVALID_VALUE);
}

/// In a process of its own: in this one the driver may have started.
TEST(Driver, AFailedStartCountsAsACall) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto start = [] {
    setenv("MUON_EMULATE_FAULT", "cuInit:1:100,cuMemAlloc_v2:1:2", 1);
    CUdeviceptr address = 0;
    bool right = cuInit(0) == CUDA_ERROR_NO_DEVICE && cuInit(0) == CUDA_SUCCESS &&
                 cuMemAlloc_v2(&address, 64) == CUDA_ERROR_OUT_OF_MEMORY && cuMemAlloc_v2(&address, 64) == CUDA_SUCCESS;
    exit(!right);
  };
  EXPECT_EXIT(start(), testing::ExitedWithCode(0), "");
}

TEST(Driver, WorkIsDoneWhenSomebodyWaits) {
  EmulatedDevice device;
  CUstream stream;
  ASSERT_EQ(cuStreamCreate(&stream, 0), CUDA_SUCCESS);
  std::vector<float> values = {1, 2, 3, 4};
  CUdeviceptr address = device.upload(std::vector<float>(4, 7));
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(address, values.data(), 16, stream), CUDA_SUCCESS);
  values[0] = 100; // pageable memory was copied at once
  EXPECT_EQ(*reinterpret_cast<float *>(address), 7);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(*reinterpret_cast<float *>(address), 1);
  EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
}

TEST(Driver, GraphsReplayWithTheirMemory) {
  EmulatedDevice device;
  CUstream stream;
  CUgraph graph;
  CUgraphExec executable;
  ASSERT_EQ(cuStreamCreate(&stream, 0), CUDA_SUCCESS);
  std::vector<float> in(128, 1);
  CUdeviceptr address = device.upload(in), out = device.allocate(4);
  uint32_t n = 128;
  std::vector<void *> parameters = {&address, &out, &n};
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(address, in.data(), in.size() * 4, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuLaunchKernel(device.function("reduce"), 1, 1, 1, 128, 1, 1, 0, stream, parameters.data(), nullptr),
            CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  ASSERT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  size_t nodes = 0;
  EXPECT_EQ(cuGraphGetNodes(graph, nullptr, &nodes), CUDA_SUCCESS);
  EXPECT_EQ(nodes, 2u);
  ASSERT_EQ(cuGraphInstantiateWithFlags(&executable, graph, 0), CUDA_SUCCESS);
  for (float value : {2.0f, 3.0f}) {
    in.assign(in.size(), value);
    EXPECT_EQ(cuGraphLaunch(executable, stream), CUDA_SUCCESS);
    EXPECT_EQ(device.download<float>(out, 1)[0], 128 * value);
  }
  EXPECT_EQ(cuGraphExecDestroy(executable), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
}

TEST(Driver, LaunchesAreChecked) {
  EmulatedDevice device;
  CUfunction matmul = device.function("matmul_bf16");
  CUdeviceptr null = 0;
  uint32_t zero = 0;
  std::vector<void *> parameters = {&null, &null, &null, &zero, &zero, &zero};
  auto launch = [&](unsigned grid, unsigned threads, unsigned shared) {
    return cuLaunchKernel(matmul, grid, 1, 1, threads, 1, 1, shared, nullptr, parameters.data(), nullptr);
  };
  EXPECT_EQ(launch(0, 128, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(1, 2048, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(1, 128, 64 << 10), CUDA_ERROR_INVALID_VALUE); // more than 48 KiB must be asked for
  EXPECT_EQ(cuFuncSetAttribute(matmul, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 200 << 10),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuFuncSetAttribute(matmul, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 64 << 10), CUDA_SUCCESS);
  EXPECT_EQ(launch(1, 128, 64 << 10), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  int bytes = 0;
  EXPECT_EQ(cuFuncGetAttribute(&bytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, device.function("matmul_f32")),
            CUDA_SUCCESS);
  EXPECT_EQ(bytes, 2 * 16 * 16 * 4);
}

TEST(Driver, RefusesWhatIsNotThere) {
  EmulatedDevice device;
  CUfunction function;
  CUmodule module;
  EXPECT_EQ(cuModuleGetFunction(&function, device.module, "nothing"), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(muonEmulatorModuleLoad(&module, "not bitcode", 11), CUDA_ERROR_INVALID_IMAGE);
  EXPECT_EQ(cuMemcpyHtoD_v2(16, "x", 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemFree_v2(16), CUDA_ERROR_INVALID_VALUE);
  auto *stream = reinterpret_cast<CUstream>(uintptr_t(16));
  EXPECT_EQ(cuStreamBeginCapture_v2(stream, 0), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
  CUdeviceptr address;
  EXPECT_EQ(cuMemAlloc_v2(&address, size_t(1) << 50), CUDA_ERROR_OUT_OF_MEMORY);
}

TEST(Driver, InjectedFaults) {
  EmulatedDevice device;
  CUdeviceptr address = 0;
  muonEmulatorInjectFault("cuMemAlloc_v2", 2, CUDA_ERROR_OUT_OF_MEMORY);
  CUdeviceptr first = device.allocate(64);
  EXPECT_NE(first, 0u);
  EXPECT_EQ(cuMemAlloc_v2(&address, 64), CUDA_ERROR_OUT_OF_MEMORY);
  device.allocate(64);
  muonEmulatorInjectFault("cuLaunchKernel", 1, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  EXPECT_EQ(runReduce(device, 1, 128).error, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  EXPECT_TRUE(runReduce(device, 1, 128).right);
}

TEST(Driver, AnErrorOfAKernelStays) {
  EmulatedDevice device;
  muonEmulatorInjectFault("kernel", 1, CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(runReduce(device, 1, 128).error, CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc_v2(&address, 64), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}
