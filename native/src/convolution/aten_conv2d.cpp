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

/// Whether a convolution is one of those that may be Winograd's, and the mode says so.
template <typename Numbers, typename Number>
bool takes_winograd(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, Numbers stride,
    Numbers padding, Numbers dilation, const Number& groups) {
  const auto are_ones = [](Numbers numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](const auto& number) { return number == 1; });
  };
  return ConvolutionMode::current() != Convolution::kDirect && groups == 1 && are_ones(stride) && are_ones(padding) &&
         are_ones(dilation) && is_by_winograd(input, weight, bias);
}

/// With gradients.
at::Tensor conv2d(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
    c10::SymIntArrayRef stride, c10::SymIntArrayRef padding, c10::SymIntArrayRef dilation, c10::SymInt groups) {
  if (takes_winograd(input, weight, bias, stride, padding, dilation, groups)) {
    static const auto op = find_operator<Conv3x3OfEither>("retort::_conv3x3");
    return op.call(input, weight, bias, /*always=*/true);
  }
  return at::native::conv2d_symint(input, weight, bias, stride, padding, dilation, groups);
}

/// Below autograd: in c10::InferenceMode, and in programs that call it themselves.
at::Tensor convolution(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding,
    int64_t groups) {
  if (!transposed && takes_winograd(input, weight, bias, stride, padding, dilation, groups)) {
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
