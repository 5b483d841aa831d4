#pragma once

#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>

namespace retort::test {

/// Fills the memory of each tensor that LibTorch makes on the device from now on with zeros, in the order of its
/// stream. The stand-in's kernels write nothing, so a tensor would else hold what one before it has left behind. In a
/// graph that is captured the zeros become a node.
inline void zero_new_tensors_on_device() {
  using Entry = c10::cuda::CUDACachingAllocator::TraceEntry;
  [[maybe_unused]] static const bool is_done = [] {
    c10::cuda::CUDACachingAllocator::attachAllocatorTraceTracker([](const Entry& entry) {
      if (entry.action_ != Entry::ALLOC) return;
      cudaMemsetAsync(reinterpret_cast<void*>(entry.addr_), 0, entry.size_, entry.stream_);
    });
    return true;
  }();
}

}  // namespace retort::test
