#pragma once

namespace retort {

/// The operator for what a network in evaluation mode does after a convolution of stride 1, padding 1, dilation 1 and
/// one group: relu(batch_norm(conv2d(input, weight, bias)) + residual), where residual and ReLU may be missing. By
/// Winograd's all of it is one pass over the maps; elsewhere it is LibTorch's operators. Not differentiable.
///
///     retort::_conv2d_normed(Tensor input, Tensor weight, Tensor? bias, Tensor? gamma, Tensor? beta, Tensor mean,
///                            Tensor variance, float epsilon, Tensor? residual, bool relu) -> Tensor
inline constexpr const char* kConv2dNormed = "retort::_conv2d_normed";

}  // namespace retort
