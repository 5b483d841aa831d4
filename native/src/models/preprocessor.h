#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/MemoryFormat.h>
#include <retort/models/preprocessing.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "tensor/normalization.h"

namespace retort {

/// Prepares a batch's images for networks. Any number of threads may use one.
class Preprocessor {
 public:
  /// @param function the caller's name, for error messages
  /// @param size of what prepare() returns for an image [channels, height, width]: as many channels, and maybe another
  ///     height and width; empty for images as they are
  /// @throws c10::ValueError if an option is out of range or does not fit the input shape
  Preprocessor(const char* function, const Preprocessing& options, const std::vector<int64_t>& size = {});

  const Preprocessing& options() const { return options_; }

  /// Requires images of the right shape, floating point as `like` or uint8, and on its device or the CPU.
  void check(const at::Tensor& images, const at::TensorOptions& like) const;

  /// What a network of tensors `like` takes for images: themselves on its device if nothing is to be done, otherwise
  /// checked and prepared ones. If they are [B, channels, height, width], they are in the format `of_maps`, unless
  /// nothing is to be done and that is the contiguous one.
  at::Tensor input_for(const at::Tensor& images, const at::TensorOptions& like, at::MemoryFormat of_maps) const;

  /// [B, ...input_shape] of dtype `like` in a memory format, resized if there is a size; without a copy if nothing is
  /// to be changed.
  at::Tensor prepare(const at::Tensor& images, const at::TensorOptions& like, at::MemoryFormat format) const;

 private:
  /// to = scale * from + shift, for each channel or one for all.
  struct Transformation {
    std::vector<double> scale, shift;
  };
  struct TransformationOnDevice {
    at::Tensor scale, shift;
  };

  std::string wanted_shape() const;
  /// prepare() without the size.
  at::Tensor normalized(const at::Tensor& images, const at::TensorOptions& like, at::MemoryFormat format) const;
  bool has_wanted_shape(const at::Tensor& images) const;
  Transformation transformation(bool of_bytes) const;
  /// On other devices than the CPU, in float32 or better.
  at::Tensor transformed_on_device(const at::Tensor& from) const;

  const char* function_;
  Preprocessing options_;
  std::vector<int64_t> image_shape_;  // as it lies in memory; empty if not known
  std::vector<int64_t> size_;         // height and width that images are resized to; empty for none
  Normalization normalization_;
  /// By what they are applied to: sent to a device once, and kept, since a CUDA graph reads them where they are.
  mutable std::map<std::tuple<bool, at::ScalarType, int>, TransformationOnDevice> on_devices_;
  mutable std::mutex on_devices_mutex_;
};

}  // namespace retort
