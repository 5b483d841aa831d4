#pragma once

#include <c10/core/Stream.h>

#include <functional>
#include <memory>

namespace retort {

/// Work for a CUDA device that was recorded once and is started as a whole. It reads and writes memory where it lay
/// when it was recorded; what it allocated by itself stays allocated as long as the graph lives.
class CudaGraph {
 public:
  /// Records what `work` starts in the current stream, which is this one for as long, without doing it; other threads
  /// may go on using the device.
  ///
  /// at::cuda::CUDAGraph does the same, and random numbers, too, but it is in LibTorch's library of CUDA kernels, which
  /// Retort's must not need to be loaded: `require_cuda` tells what that library lacks.
  /// @param stream of a CUDA device, but not its default stream; what others start in it meanwhile is recorded, too
  /// @throws what `work` throws
  /// @throws c10::Error if the work can't be recorded, e.g. because it waits for the device
  CudaGraph(const c10::Stream& stream, const std::function<void()>& work);
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  /// Starts the work in the device's current stream.
  void launch() const;

 private:
  struct Recorded;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace retort
