#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/MemoryFormat.h>
#include <retort/train/images.h>

#include <cstdint>
#include <vector>

#include "util/normalization.h"

namespace retort {

/// Makes of a batch's images what networks take.
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
  std::vector<int64_t> shape_of_batch(int64_t batch) const;

  std::vector<int64_t> input_shape_;
  bool channels_last_;
  Normalization normalization_;
};

}  // namespace retort
