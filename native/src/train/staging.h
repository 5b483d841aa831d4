#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <retort/train/training_step.h>

#include <array>

namespace retort {

/// Brings batches to the student's device. What comes from the CPU's memory goes through page-locked memory, which the
/// device reads by itself while the CPU goes on.
class Staging {
 public:
  explicit Staging(at::Device device) : device_(device) {}

  /// The batch itself if that is where the CPU's memory is, or else one that is good until the next call.
  const Batch& on_device(const Batch& batch);

 private:
  at::Tensor on_device(const at::Tensor& tensor, at::Tensor& locked) const;

  at::Device device_;
  Batch moved_;
  /// Page-locked memory of the batch's parts, kept for the next one. A step waits for the device before it ends, so
  /// that nobody reads them any more.
  std::array<at::Tensor, 5> locked_;
};

}  // namespace retort
