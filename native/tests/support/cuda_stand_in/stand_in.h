#pragma once

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

/// What the stand-in for CUDA's runtime has counted since its process began.
struct RetortCudaCounts {
  /// Kernels launched, cuBLAS's among them, without those of graphs.
  int64_t launches;
  /// Kernels recorded into graphs.
  int64_t recorded;
  /// Kernels that graphs ran.
  int64_t replayed;
  int64_t graph_launches;
  /// How often the host waited, or may have had to: for a stream, the device or an event, or in a copy that isn't
  /// asynchronous.
  int64_t host_waits;
  /// Allocations tried, on the device and of page-locked memory.
  int64_t allocations;
  /// What is allocated now.
  int64_t device_bytes;
  int64_t locked_bytes;
};

/// What tests ask of the stand-in, beside CUDA's own functions.
struct RetortCudaStandIn {
  RetortCudaCounts (*counts)();
  /// Lets the n-th allocation from now fail, from 1, and all later ones, too, if asked to; 0 lets all succeed.
  void (*fail_allocation)(int64_t n, bool and_later);
};

namespace retort::test {

/// The stand-in; null where it isn't loaded.
inline const RetortCudaStandIn* cuda_stand_in() {
  using Find = const RetortCudaStandIn* (*)();
  const auto find = reinterpret_cast<Find>(dlsym(RTLD_DEFAULT, "retort_cuda_stand_in"));
  return find ? find() : nullptr;
}

}  // namespace retort::test
