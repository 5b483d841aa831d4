#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace retort {

/// Whether Winograd's is the faster algorithm for a convolution of 3 x 3 weights, with its gradients if it `learns`:
/// found out by computing it, once in a process for each shape, layout and number of threads.
bool winograd_was_faster(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, bool learns);

}  // namespace retort
