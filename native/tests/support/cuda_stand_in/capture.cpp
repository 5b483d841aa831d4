#include "capture.h"

#include <algorithm>
#include <set>
#include <utility>

#include "streams.h"

namespace retort::stand_in {
namespace {

std::vector<std::shared_ptr<Capture>> captures;
thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

bool is_captured_blocking(const Capture& capture) {
  return std::any_of(
      capture.streams.begin(), capture.streams.end(), [](cudaStream_t stream) { return stream->is_blocking; });
}

/// Whether the origin's next node would come after all others.
bool is_joined(const Capture& capture) {
  std::set<cudaGraphNode_t> before;
  std::vector<cudaGraphNode_t> left = capture.origin->tail;
  while (!left.empty()) {
    const cudaGraphNode_t node = left.back();
    left.pop_back();
    if (before.insert(node).second) left.insert(left.end(), node->dependencies.begin(), node->dependencies.end());
  }
  return before.size() == capture.graph->nodes.size();
}

cudaStreamCaptureStatus status_of(const CUstream_st& stream) {
  if (!stream.capture) return cudaStreamCaptureStatusNone;
  return stream.capture->is_invalidated ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
}

/// The stream whose state may be asked for.
cudaError_t find_to_ask(cudaStream_t handle, cudaStream_t& stream) {
  stream = stream_of(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  const bool is_ambiguous =
      stream == legacy_stream() &&
      std::any_of(captures.begin(), captures.end(), [](const auto& one) { return is_captured_blocking(*one); });
  return is_ambiguous ? cudaErrorStreamCaptureImplicit : cudaSuccess;
}

}  // namespace

cudaError_t record(CUstream_st& stream, cudaGraphNodeType type, std::function<void()> work) {
  Capture& capture = *stream.capture;
  if (capture.is_invalidated) return cudaErrorStreamCaptureInvalidated;
  auto node = std::make_unique<CUgraphNode_st>();
  *node = {type, std::move(work), stream.tail};
  stream.tail = {node.get()};
  capture.graph->nodes.push_back(std::move(node));
  return cudaSuccess;
}

cudaError_t join(
    CUstream_st& stream, const std::shared_ptr<Capture>& capture, const std::vector<cudaGraphNode_t>& after) {
  if (capture->is_invalidated) return cudaErrorStreamCaptureInvalidated;
  if (&stream == legacy_stream()) return invalidate(*capture, cudaErrorStreamCaptureImplicit);
  if (!stream.capture) {
    stream.capture = capture;
    capture->streams.push_back(&stream);
  } else if (stream.capture != capture) {
    invalidate(*stream.capture, cudaErrorStreamCaptureMerge);
    return invalidate(*capture, cudaErrorStreamCaptureMerge);
  }
  for (cudaGraphNode_t node : after) {
    if (std::find(stream.tail.begin(), stream.tail.end(), node) == stream.tail.end()) stream.tail.push_back(node);
  }
  return cudaSuccess;
}

void end(const std::shared_ptr<Capture>& capture) {
  for (cudaStream_t stream : capture->streams) {
    stream->capture.reset();
    stream->tail.clear();
  }
  capture->has_ended = true;
  captures.erase(std::find(captures.begin(), captures.end(), capture));
}

cudaError_t invalidate(Capture& capture, cudaError_t error) {
  if (capture.is_invalidated) return cudaErrorStreamCaptureInvalidated;
  capture.is_invalidated = true;
  return error;
}

cudaError_t check_safe() {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  cudaError_t error = cudaSuccess;
  for (const auto& capture : captures) {
    const bool is_own = capture->thread == std::this_thread::get_id();
    const bool forbids =
        is_own ? capture->mode != cudaStreamCaptureModeRelaxed
               : capture->mode == cudaStreamCaptureModeGlobal && thread_mode == cudaStreamCaptureModeGlobal;
    if (forbids) error = invalidate(*capture, cudaErrorStreamCaptureUnsupported);
  }
  return error;
}

cudaError_t check_legacy(cudaStream_t stream) {
  cudaError_t error = cudaSuccess;
  if (stream != legacy_stream()) return error;
  for (const auto& capture : captures) {
    if (is_captured_blocking(*capture)) error = invalidate(*capture, cudaErrorStreamCaptureImplicit);
  }
  return error;
}

cudaError_t check_no_capture() {
  cudaError_t error = cudaSuccess;
  for (const auto& capture : captures) error = invalidate(*capture, cudaErrorStreamCaptureUnsupported);
  return error;
}

}  // namespace retort::stand_in

using namespace retort::stand_in;

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return call([&] {
    if (!mode || *mode > cudaStreamCaptureModeRelaxed) return cudaErrorInvalidValue;
    std::swap(*mode, thread_mode);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call([&] {
    static unsigned long long last_id = 0;
    const cudaStream_t stream = stream_of(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (stream == legacy_stream()) return cudaErrorStreamCaptureUnsupported;
    if (stream->capture) return cudaErrorIllegalState;
    const auto capture = std::make_shared<Capture>();
    capture->id = ++last_id;
    capture->mode = mode;
    capture->origin = stream;
    captures.push_back(capture);
    return join(*stream, capture, {});
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call([&] {
    *graph = nullptr;
    const cudaStream_t stream = stream_of(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (!stream->capture) return cudaErrorIllegalState;
    const std::shared_ptr<Capture> capture = stream->capture;
    if (capture->origin != stream) return invalidate(*capture, cudaErrorStreamCaptureUnmatched);
    if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
      return cudaErrorStreamCaptureWrongThread;
    }
    const cudaError_t error = capture->is_invalidated ? cudaErrorStreamCaptureInvalidated
                              : is_joined(*capture)   ? cudaSuccess
                                                      : cudaErrorStreamCaptureUnjoined;
    end(capture);
    if (error == cudaSuccess) *graph = capture->graph.release();
    return error;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call([&] {
    cudaStream_t stream = nullptr;
    if (const cudaError_t error = find_to_ask(handle, stream); error != cudaSuccess) return error;
    *status = status_of(*stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetCaptureInfo(
    cudaStream_t handle, cudaStreamCaptureStatus* status, unsigned long long* id, cudaGraph_t* graph,
    const cudaGraphNode_t** dependencies, const cudaGraphEdgeData** edges, size_t* count) {
  return call([&] {
    cudaStream_t stream = nullptr;
    if (const cudaError_t error = find_to_ask(handle, stream); error != cudaSuccess) return error;
    *status = status_of(*stream);
    if (*status != cudaStreamCaptureStatusActive) return cudaSuccess;
    if (id) *id = stream->capture->id;
    if (graph) *graph = stream->capture->graph.get();
    if (dependencies) *dependencies = stream->tail.data();
    if (edges) *edges = nullptr;
    if (count) *count = stream->tail.size();
    return cudaSuccess;
  });
}
