// The passes of a convolution with 3 x 3 weights, stride 1 and padding 1 by either algorithm, below autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <vector>

#include "convolution/conv3x3.h"

namespace retort {

/// Which gradients are wanted: those of input, weight and bias.
using Wanted = std::array<bool, 3>;

/// The signature of `retort::_conv3x3`.
using Conv3x3OfEither = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, bool);

/// Whether Winograd's convolution can compute it and nothing but values matters: dense float32 tensors on the CPU, of
/// which no transformation of torch.func is to know.
bool suits_winograd(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias);

/// Whether Winograd's convolution is faster for the shapes and layout, as a rule.
bool winograd_is_faster(const at::Tensor& input, const at::Tensor& weight, bool packed = false);

/// Whether a frozen network's weights are better kept packed, at four times their size: where the maps are small, to
/// pack them takes a large part of the convolution.
bool packing_pays(const at::Tensor& input, const at::Tensor& weight);

/// relu(scale * convolution + shift + residual) by Winograd's; what is not given is left out. All maps are
/// channels-last.
at::Tensor winograd_conv3x3(const at::Tensor& input, const at::Tensor& weight, const Conv3x3Epilogue& epilogue);

/// The result has the memory format of the input.
at::Tensor winograd_conv3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias);
at::Tensor direct_conv3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias);

/// The gradients of input, weight and bias; those that are not wanted are undefined.
std::vector<at::Tensor> winograd_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, Wanted wanted);
std::vector<at::Tensor> direct_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, Wanted wanted);

}  // namespace retort
