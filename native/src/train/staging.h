#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <retort/train/training_step.h>

#include <array>
#include <cstdint>
#include <vector>

namespace retort {

/// Brings batches to the student's device. What comes from the CPU's memory goes through page-locked memory, which the
/// device reads by itself while the CPU goes on; before the next batch comes, it must have done so.
class Staging {
 public:
  explicit Staging(at::Device device) : device_(device) {}

  /// The batch on the device, its own tensors where they are there.
  Batch on_device(const Batch& batch);
  /// Copies a batch into tensors of the same shapes and dtypes on the device.
  void copy(const Batch& batch, const Batch& places);

  /// The same for batches of the same parts with the same shapes and dtypes, and for no others.
  static std::vector<int64_t> signature(const Batch& batch);

 private:
  static constexpr std::array<at::Tensor Batch::*, 5> kParts = {
      &Batch::images, &Batch::labels, &Batch::indices, &Batch::contrast, &Batch::weights};

  /// The part where the device can read it without making the CPU wait.
  at::Tensor readable(const at::Tensor& part, at::Tensor& locked) const;

  at::Device device_;
  /// Page-locked memory for each part.
  std::array<at::Tensor, kParts.size()> locked_;
};

}  // namespace retort
