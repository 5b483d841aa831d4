#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>

/// What CUDA's cudaStream_t points to.
struct CUstream_st;

namespace retort::kernels::cuda {

using Stream = CUstream_st*;

/// Makes a tensor's device the current one for as long as it lives.
class OnDevice {
 public:
  explicit OnDevice(const at::Tensor& tensor);

  /// The device's current stream, in which kernels are to run.
  Stream stream() const { return stream_; }

 private:
  c10::DeviceGuard guard_;
  Stream stream_;
};

}  // namespace retort::kernels::cuda
