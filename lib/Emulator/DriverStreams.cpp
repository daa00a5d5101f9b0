//===- DriverStreams.cpp - streams, events, captured graphs -----------------------------------===//

#include "Driver.h"

using namespace muon::emulator;

static bool isStream(CUstream stream) { return !stream || driver().streams.count(stream); }

/// Waiting for a stream that captures is an error, as on the device.
static CUresult synchronize(CUstream stream) {
  if (!isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  return stream && stream->capturing ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : driver().drain();
}

/// Ends an object's life, even when an error stays.
template <typename Object> static CUresult destroy(std::set<void *> &objects, Object *object) {
  std::lock_guard guard(driver().lock);
  driver().drain();
  if (!objects.erase(object))
    return CUDA_ERROR_INVALID_HANDLE;
  delete object;
  return machine().sticky;
}

extern "C" {

CUresult cuStreamCreate(CUstream *stream, unsigned) {
  MUON_DRIVER_ENTER(cuStreamCreate);
  *stream = new CUstream_st;
  driver().streams.insert(*stream);
  return CUDA_SUCCESS;
}

CUresult cuStreamDestroy_v2(CUstream stream) { return destroy(driver().streams, stream); }

CUresult cuStreamSynchronize(CUstream stream) {
  MUON_DRIVER_ENTER(cuStreamSynchronize);
  return synchronize(stream);
}

CUresult cuStreamQuery(CUstream stream) {
  MUON_DRIVER_ENTER(cuStreamQuery);
  return synchronize(stream); // asking is a chance to finish
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  MUON_DRIVER_ENTER(cuStreamWaitEvent);
  if (!isStream(stream) || !driver().events.count(event))
    return CUDA_ERROR_INVALID_HANDLE;
  return CUDA_SUCCESS; // the queue keeps the order of issue
}

CUresult cuStreamBeginCapture_v2(CUstream stream, int) {
  MUON_DRIVER_ENTER(cuStreamBeginCapture_v2);
  if (!isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (!stream || stream->capturing)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  stream->capturing = true;
  return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  MUON_DRIVER_ENTER(cuStreamEndCapture);
  if (!stream || !isStream(stream) || !stream->capturing)
    return CUDA_ERROR_INVALID_VALUE;
  *graph = new CUgraph_st{std::move(stream->captured)};
  driver().graphs.insert(*graph);
  stream->captured.clear();
  stream->capturing = false;
  return CUDA_SUCCESS;
}

CUresult cuStreamIsCapturing(CUstream stream, int *capturing) {
  MUON_DRIVER_ENTER(cuStreamIsCapturing);
  if (!isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  *capturing = stream && stream->capturing;
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned) {
  MUON_DRIVER_ENTER(cuEventCreate);
  *event = new CUevent_st;
  driver().events.insert(*event);
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent event) { return destroy(driver().events, event); }

CUresult cuEventRecord(CUevent event, CUstream stream) {
  MUON_DRIVER_ENTER(cuEventRecord);
  if (!isStream(stream) || !driver().events.count(event))
    return CUDA_ERROR_INVALID_HANDLE;
  return CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent event) {
  MUON_DRIVER_ENTER(cuEventQuery);
  return driver().events.count(event) ? driver().drain() : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuEventSynchronize(CUevent event) {
  MUON_DRIVER_ENTER(cuEventSynchronize);
  return driver().events.count(event) ? driver().drain() : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long) {
  MUON_DRIVER_ENTER(cuGraphInstantiateWithFlags);
  if (!driver().graphs.count(graph))
    return CUDA_ERROR_INVALID_HANDLE;
  *executable = new CUgraphExec_st{graph->nodes};
  driver().executables.insert(*executable);
  return CUDA_SUCCESS;
}

CUresult cuGraphGetNodes(CUgraph graph, void **nodes, size_t *count) {
  MUON_DRIVER_ENTER(cuGraphGetNodes);
  if (!driver().graphs.count(graph) || nodes)
    return CUDA_ERROR_INVALID_VALUE; // only their number is known
  *count = graph->nodes.size();
  return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  MUON_DRIVER_ENTER(cuGraphLaunch);
  if (!isStream(stream) || !driver().executables.count(executable))
    return CUDA_ERROR_INVALID_HANDLE;
  return driver().submit(stream, [nodes = executable->nodes]() mutable {
    for (Work &node : nodes)
      if (machine().sticky == CUDA_SUCCESS)
        node();
  });
}

CUresult cuGraphDestroy(CUgraph graph) { return destroy(driver().graphs, graph); }

CUresult cuGraphExecDestroy(CUgraphExec executable) { return destroy(driver().executables, executable); }
}
