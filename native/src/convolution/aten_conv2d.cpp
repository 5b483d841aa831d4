// Convolutions of LibTorch within a ConvolutionMode, which native, TorchScript and exported networks and classes of a
// user's own have in common. Elsewhere they stay what they are.
#include <ATen/ops/conv2d_native.h>
#include <ATen/ops/convolution_native.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>

#include "convolution/mode.h"
#include "convolution/passes.h"
#include "tensor/operators.h"

namespace retort {
namespace {

template <typename Numbers>
bool are_ones(Numbers numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](const auto& number) { return number == 1; });
}

/// With gradients.
at::Tensor conv2d(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
    c10::SymIntArrayRef stride, c10::SymIntArrayRef padding, c10::SymIntArrayRef dilation, c10::SymInt groups) {
  if (ConvolutionMode::current() != Convolution::kDirect && groups == 1 && are_ones(stride) && are_ones(padding) &&
      are_ones(dilation) && is_by_winograd(input, weight, bias)) {
    static const auto op = find_operator<Conv3x3OfEither>("retort::_conv3x3");
    return op.call(input, weight, bias, /*always=*/true);
  }
  return at::native::conv2d_symint(input, weight, bias, stride, padding, dilation, groups);
}

/// In c10::InferenceMode, which leaves autograd out.
at::Tensor convolution(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding,
    int64_t groups) {
  if (ConvolutionMode::current() != Convolution::kDirect && !transposed && groups == 1 && are_ones(stride) &&
      are_ones(padding) && are_ones(dilation) && is_by_winograd(input, weight, bias)) {
    return winograd_conv3x3(input, weight, bias);
  }
  return at::native::convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups);
}

}  // namespace

// Where LibTorch has no kernels of its own: these operators are the same for all devices, and made of others.
TORCH_LIBRARY_IMPL(aten, AutogradCPU, m) {
  m.impl("conv2d", &conv2d);
}

TORCH_LIBRARY_IMPL(aten, CPU, m) {
  m.impl("convolution", &convolution);
}

}  // namespace retort
