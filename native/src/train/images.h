#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/MemoryFormat.h>
#include <retort/train/images.h>

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "tensor/normalization.h"

namespace retort {

/// Prepares a batch's images for the networks.
class ImagePreparation {
 public:
  /// @param input_shape of one image, channels first
  /// @throws c10::ValueError if an option is out of range or does not fit the shape
  ImagePreparation(const ImageOptions& options, std::vector<int64_t> input_shape);

  /// Requires images of the right shape, floating point as `like` or uint8, and on its device or the CPU.
  void check(const at::Tensor& images, const at::TensorOptions& like) const;

  /// [B, ...input_shape] of dtype `like` in a memory format; without a copy if nothing is to be changed.
  at::Tensor prepare(const at::Tensor& images, const at::TensorOptions& like, at::MemoryFormat format) const;

 private:
  /// to = scale * from + shift, for each channel or one for all.
  struct Transformation {
    std::vector<double> scale, shift;
  };
  struct TransformationOnDevice {
    at::Tensor scale, shift;
  };

  std::vector<int64_t> shape_of_batch(int64_t batch) const;
  Transformation transformation(bool of_bytes) const;
  /// On other devices than the CPU, in float32 or better.
  at::Tensor transformed_on_device(const at::Tensor& from) const;

  std::vector<int64_t> input_shape_;
  bool channels_last_;
  Normalization normalization_;
  /// By what they are applied to: sent to a device once, and kept, since a CUDA graph reads them where they are.
  mutable std::map<std::tuple<bool, at::ScalarType, int>, TransformationOnDevice> on_devices_;
};

}  // namespace retort
