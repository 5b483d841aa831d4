// aten::conv2d within a ConvolutionMode, which native, TorchScript and exported networks and classes of a user's own
// have in common. Elsewhere it stays what it is.
#include <ATen/ops/conv2d_native.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>

#include "convolution/mode.h"
#include "convolution/passes.h"
#include "tensor/operators.h"

namespace retort {
namespace {

bool are_ones(c10::SymIntArrayRef numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](const c10::SymInt& number) { return number == 1; });
}

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

}  // namespace

// Where LibTorch has no kernels of its own: its conv2d is the same for all devices, and made of others.
TORCH_LIBRARY_IMPL(aten, AutogradCPU, m) {
  m.impl("conv2d", &conv2d);
}

TORCH_LIBRARY_IMPL(aten, CPU, m) {
  m.impl("conv2d", &conv2d);
}

}  // namespace retort
