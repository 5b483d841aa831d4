#include "streams.h"

#include <algorithm>
#include <set>
#include <utility>

#include "capture.h"

namespace retort::stand_in {
namespace {

std::set<cudaStream_t> streams;

constexpr int kHighestPriority = -5;

/// What work in a stream must wait for by CUDA's rules for the legacy default stream.
std::vector<Mark> implicitly_before(cudaStream_t stream) {
  std::vector<Mark> marks;
  if (stream == legacy_stream()) {
    for (cudaStream_t other : streams) {
      if (other->is_blocking) marks.push_back(other->queue->end());
    }
  } else if (stream->is_blocking) {
    marks.push_back(legacy_stream()->queue->end());
  }
  return marks;
}

cudaError_t create(cudaStream_t* stream, unsigned flags, int priority) {
  return call([&] {
    if (!stream || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *stream = new CUstream_st;
    (*stream)->is_blocking = flags == cudaStreamDefault;
    (*stream)->priority = std::min(0, std::max(kHighestPriority, priority));
    streams.insert(*stream);
    return cudaSuccess;
  });
}

}  // namespace

bool Mark::is_reached() const {
  return !queue || queue->done_ >= position;
}

void Mark::reach() const {
  while (!is_reached()) {
    const Queue::Item item = std::move(queue->pending_.front());
    queue->pending_.pop_front();
    for (const Mark& mark : item.after) mark.reach();
    if (item.work) item.work();
    ++queue->done_;
  }
}

void Queue::push(std::function<void()> work, std::vector<Mark> after) {
  pending_.push_back({std::move(work), std::move(after)});
}

Mark Queue::end() {
  return {shared_from_this(), done_ + pending_.size()};
}

cudaStream_t legacy_stream() {
  static CUstream_st stream;
  return &stream;
}

cudaStream_t stream_of(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return legacy_stream();
  return streams.count(handle) > 0 ? handle : nullptr;
}

void finish_all() {
  legacy_stream()->queue->end().reach();
  for (cudaStream_t stream : streams) stream->queue->end().reach();
}

cudaError_t submit(cudaStream_t handle, cudaGraphNodeType type, std::function<void()> work) {
  const cudaStream_t stream = stream_of(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture) return record(*stream, type, std::move(work));
  if (const cudaError_t error = check_legacy(stream); error != cudaSuccess) return error;
  stream->queue->push(std::move(work), implicitly_before(stream));
  return cudaSuccess;
}

cudaError_t submit_and_wait(cudaStream_t handle, std::function<void()> work) {
  const cudaStream_t stream = stream_of(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture) return invalidate(*stream->capture, cudaErrorStreamCaptureUnsupported);
  if (const cudaError_t error = submit(handle, cudaGraphNodeTypeEmpty, std::move(work)); error != cudaSuccess) {
    return error;
  }
  ++counts.host_waits;
  stream->queue->end().reach();
  return device_error();
}

cudaError_t submit_kernel(cudaStream_t handle) {
  const cudaStream_t stream = stream_of(handle);
  const bool is_captured = stream && stream->capture;
  const cudaError_t error = submit(handle, cudaGraphNodeTypeKernel, {});
  if (error == cudaSuccess) ++(is_captured ? counts.recorded : counts.launches);
  return error;
}

}  // namespace retort::stand_in

using namespace retort::stand_in;

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return create(stream, cudaStreamDefault, 0);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return create(stream, flags, 0);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return create(stream, flags, priority);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call([&] {
    if (streams.count(stream) == 0) return cudaErrorInvalidResourceHandle;
    if (stream->capture) end(std::shared_ptr<Capture>(stream->capture));
    stream->queue->end().reach();
    streams.erase(stream);
    delete stream;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call([&] { return submit_and_wait(handle, {}); });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call([&] {
    const cudaStream_t stream = stream_of(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (stream->capture) return invalidate(*stream->capture, cudaErrorStreamCaptureUnsupported);
    if (const cudaError_t error = check_legacy(stream); error != cudaSuccess) return error;
    const Mark end = stream->queue->end();
    if (end.is_reached()) return cudaSuccess;
    end.reach();  // by the next time
    return cudaErrorNotReady;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call([&] {
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
    ++counts.host_waits;
    finish_all();
    return device_error();
  });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* lowest, int* highest) {
  return call([&] {
    if (lowest) *lowest = 0;
    if (highest) *highest = kHighestPriority;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetPriority(cudaStream_t handle, int* priority) {
  return call([&] {
    const cudaStream_t stream = stream_of(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    *priority = stream->priority;
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return call([&] { return submit(handle, cudaGraphNodeTypeHost, [=] { function(data); }); });
}

cudaError_t cudaStreamAddCallback(cudaStream_t handle, cudaStreamCallback_t callback, void* data, unsigned) {
  return call([&] {
    const cudaStream_t stream = stream_of(handle);
    if (stream && stream->capture) return invalidate(*stream->capture, cudaErrorStreamCaptureUnsupported);
    return submit(handle, cudaGraphNodeTypeHost, [=] { callback(handle, cudaSuccess, data); });
  });
}
