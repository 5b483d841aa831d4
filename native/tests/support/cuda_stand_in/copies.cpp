#include <cstring>
#include <utility>

#include "capture.h"
#include "kernels.h"
#include "memory.h"
#include "runtime.h"
#include "streams.h"

using namespace retort::stand_in;

namespace {

bool is_good(const void* address, size_t bytes) {
  return !is_device(address) || is_allocated(address, bytes);
}

void copy_now(void* to, const void* from, size_t bytes) {
  if (is_good(to, bytes) && is_good(from, bytes)) {
    std::memmove(reach(to), reach(from), bytes);
  } else {
    break_device(cudaErrorIllegalAddress);  // freed before the copy began
  }
}

cudaError_t check(const void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  if (kind != cudaMemcpyDefault && (is_device(to) != to_device || is_device(from) != from_device)) {
    return cudaErrorInvalidValue;
  }
  return is_good(to, bytes) && is_good(from, bytes) ? cudaSuccess : cudaErrorInvalidValue;
}

bool is_pageable(const void* address, size_t bytes) {
  return !is_device(address) && !is_locked(address, bytes);
}

cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (const cudaError_t error = check(to, from, bytes, kind); error != cudaSuccess) return error;
  const auto work = [=] { copy_now(to, from, bytes); };
  // CUDA may wait for a copy of memory that isn't page-locked.
  const bool waits = is_pageable(to, bytes) || is_pageable(from, bytes);
  return waits ? submit_and_wait(stream, work) : submit(stream, cudaGraphNodeTypeMemcpy, work);
}

cudaError_t copy_and_wait(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (const cudaError_t error = check(to, from, bytes, kind); error != cudaSuccess) return error;
  if (const cudaError_t error = check_safe(); error != cudaSuccess) return error;
  return submit_and_wait(cudaStreamLegacy, [=] { copy_now(to, from, bytes); });
}

cudaError_t fill(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (!is_device(to) || !is_allocated(to, bytes)) return cudaErrorInvalidValue;
  return submit(stream, cudaGraphNodeTypeMemset, [=] {
    if (!is_good(to, bytes)) return break_device(cudaErrorIllegalAddress);
    std::memset(reach(to), value, bytes);
  });
}

}  // namespace

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return call([&] { return copy_and_wait(to, from, bytes, kind); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return call([&] { return copy(to, from, bytes, kind, stream); });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return call([&] {
    const cudaError_t error = check_safe();
    return error == cudaSuccess ? fill(to, value, bytes, cudaStreamLegacy) : error;
  });
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return call([&] { return fill(to, value, bytes, stream); });
}

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset, cudaMemcpyKind kind) {
  return call([&] {
    void* const to = address_of_symbol(symbol);
    if (!to) return cudaErrorInvalidSymbol;
    return copy_and_wait(static_cast<char*>(to) + offset, from, bytes, kind);
  });
}
