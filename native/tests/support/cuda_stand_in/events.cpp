#include <chrono>
#include <set>

#include "capture.h"
#include "runtime.h"
#include "streams.h"

using namespace retort::stand_in;

struct CUevent_st {
  bool has_time = true;
  Mark mark;
  std::chrono::steady_clock::time_point time;
  /// The capture that it was last recorded in, and what comes after it depends on.
  std::shared_ptr<Capture> capture;
  std::vector<cudaGraphNode_t> tail;
};

namespace {

std::set<cudaEvent_t> events;

/// Of an event that the host asks about or waits for.
cudaError_t check(cudaEvent_t event) {
  if (events.count(event) == 0) return cudaErrorInvalidResourceHandle;
  if (!event->capture) return check_safe();
  if (!event->capture->has_ended) invalidate(*event->capture, cudaErrorCapturedEvent);
  return cudaErrorCapturedEvent;
}

cudaError_t record_event(cudaEvent_t event, cudaStream_t handle) {
  const cudaStream_t stream = stream_of(handle);
  if (!stream || events.count(event) == 0) return cudaErrorInvalidResourceHandle;
  if (stream->capture) {
    if (stream->capture->is_invalidated) return cudaErrorStreamCaptureInvalidated;
    event->capture = stream->capture;
    event->tail = stream->tail;
    return cudaSuccess;
  }
  const cudaError_t error = submit(handle, cudaGraphNodeTypeEventRecord, {});
  if (error != cudaSuccess) return error;
  event->capture.reset();
  event->mark = stream->queue->end();
  event->time = std::chrono::steady_clock::now();
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call([&] {
    *event = new CUevent_st;
    (*event)->has_time = (flags & cudaEventDisableTiming) == 0;
    events.insert(*event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call([&] {
    if (events.erase(event) == 0) return cudaErrorInvalidResourceHandle;
    delete event;
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call([&] { return record_event(event, stream); });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  // Events that a graph records are nodes of a kind that nobody has needed yet.
  return call([&] { return flags == cudaEventRecordDefault ? record_event(event, stream) : cudaErrorNotSupported; });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned flags) {
  return call([&] {
    const cudaStream_t stream = stream_of(handle);
    if (!stream || events.count(event) == 0) return cudaErrorInvalidResourceHandle;
    if (flags != cudaEventWaitDefault) return cudaErrorNotSupported;
    if (event->capture) {
      return event->capture->has_ended ? cudaErrorCapturedEvent : join(*stream, event->capture, event->tail);
    }
    if (!event->mark.queue) return cudaSuccess;
    // A graph can't wait for what isn't part of it.
    if (stream->capture) return invalidate(*stream->capture, cudaErrorStreamCaptureIsolation);
    return submit(handle, cudaGraphNodeTypeWaitEvent, [mark = event->mark] { mark.reach(); });
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call([&] {
    if (const cudaError_t error = check(event); error != cudaSuccess) return error;
    if (event->mark.is_reached()) return cudaSuccess;
    event->mark.reach();  // by the next time
    return cudaErrorNotReady;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call([&] {
    if (const cudaError_t error = check(event); error != cudaSuccess) return error;
    ++counts.host_waits;
    event->mark.reach();
    return device_error();
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call([&] {
    for (cudaEvent_t event : {start, end}) {
      if (events.count(event) == 0 || !event->has_time || !event->mark.queue) return cudaErrorInvalidResourceHandle;
      if (event->capture) return cudaErrorCapturedEvent;
      if (!event->mark.is_reached()) return cudaErrorNotReady;
    }
    *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
    return cudaSuccess;
  });
}
