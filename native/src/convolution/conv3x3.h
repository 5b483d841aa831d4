// Convolutions with 3 x 3 weights, stride 1 and padding 1, by Winograd's F(4 x 4, 3 x 3) where that is faster.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace retort {

struct Conv3x3Shape {
  int64_t batch;
  int64_t channels;
  int64_t filters;
  int64_t height;
  int64_t width;
};

/// What a convolution is computed of.
struct Conv3x3Use {
  /// Whether maps are channels-last; if not, they are copied there and back.
  bool channels_last = true;
  /// Whether weights are packed, for frozen_conv3x3; if not, all passes of a training step count.
  bool packed = false;
};

/// Whether Winograd's convolution of float32 maps on the CPU is faster than ATen's, as measured.
bool winograd_is_faster(const Conv3x3Shape& shape, const Conv3x3Use& use = {});

/// Whether packing weights for each use of them takes a tenth of the convolution or more, as measured.
bool packing_pays(const Conv3x3Shape& shape);

/// at::conv2d(input, weight, bias, 1, 1), up to rounding, and differentiable like it. Everything but float32 on the
/// CPU, and shapes of which Winograd's is not faster, are ATen's. The result has the memory format of the input.
/// @param input [batch, channels, height, width]
/// @param weight [filters, channels, 3, 3]
/// @param bias [filters]
at::Tensor conv3x3(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias = std::nullopt);

/// Weights that are used often and no longer change, as frozen_conv3x3 takes them: four times as large, in an order of
/// their own.
/// @param weight [filters, channels, 3, 3] in float32 on the CPU
at::Tensor pack_conv3x3(const at::Tensor& weight);

/// What follows the convolution of a frozen network; what is not given is left out.
struct Conv3x3Epilogue {
  /// [filters]
  std::optional<at::Tensor> scale;
  std::optional<at::Tensor> shift;
  /// Of the result's shape.
  std::optional<at::Tensor> residual;
  bool relu = false;
};

/// relu(scale * convolution + shift + residual), always by Winograd's and not differentiable. The result is
/// channels-last.
/// @param input [batch, channels, height, width] in float32 on the CPU
/// @param packed what pack_conv3x3 returned
at::Tensor frozen_conv3x3(const at::Tensor& input, const at::Tensor& packed, const Conv3x3Epilogue& epilogue = {});

}  // namespace retort
