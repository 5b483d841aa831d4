#pragma once

// A stand-in for CUDA's runtime and one device, for machines without a GPU: it finds out what a program's host side
// does to CUDA. Device memory is there, but out of the host's reach; copies copy; kernels do nothing. Work in a stream
// is put off until somebody waits for it, so that who reads too early reads what was there before.

#pragma GCC visibility push(default)
#include <cuda_runtime_api.h>
#pragma GCC visibility pop

#include <mutex>

#include "stand_in.h"

namespace retort::stand_in {

extern RetortCudaCounts counts;

/// One function of the runtime runs at a time; host functions in streams may call others.
extern std::recursive_mutex mutex;

/// Keeps an error for cudaGetLastError().
cudaError_t report(cudaError_t error);

/// Breaks the device, as an access to memory that isn't allocated does: all later calls fail.
void break_device(cudaError_t error);
/// The error that broke the device, if any.
cudaError_t device_error();

/// Runs the body of a function of the runtime.
template <typename Body>
cudaError_t call(const Body& body) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  if (device_error() != cudaSuccess) return report(device_error());
  return report(body());
}

}  // namespace retort::stand_in
